"""``keys split``, ``keys join``, ``keys drill``: recovery shares on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger import durable
from ledger.cli.proofs import Slug, the_ledger
from ledger.cli.session import AsJson, Organisation, Person, Session, of
from ledger.errors import CodecError, InvalidInput, Unavailable, VaultError
from ledger.store.ledgers import COMMON, Ledger, Ledgers
from ledger.store.opened import opened_database
from ledger.tlog.note import ED25519, SigningKey, VerifierKey
from ledger.vault.kek import KEK_FILE, kek_text
from ledger.vault.shares import KEK, Share, join
from ledger.vault.signing import FOLDER, SigningKeys

if TYPE_CHECKING:
    # The write side, which no help text needs.
    from ledger.application import Installation

MOST_BYTES = 4096
Files = Annotated[list[Path], typer.Argument(help="Files of recovery shares, as 'keys split' wrote them.")]


class Which(StrEnum):
    """Which key is split."""

    KEK = "kek"
    SIGNING = "signing"


def split_key(
    context: typer.Context,
    which: Annotated[Which, typer.Argument(help="The key-encryption key, or a ledger's signing key.")],
    to: Annotated[Path, typer.Option(help="Folder, made here, for the files: one a share, one a person.")],
    slug: Slug = None,
    threshold: Annotated[int, typer.Option(help="How many restore the key.")] = 3,
    shares: Annotated[int, typer.Option(help="How many there are, 16 at most.")] = 5,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Split a key into recovery shares; any few restore it, fewer say nothing of it. The split is an entry.

    Hand each file to another person, printed if you like, then remove them from here.
    """
    from ledger.application.recovery import Recovery

    session = of(context)
    if to.exists():
        raise InvalidInput("--to", "a folder that is not there yet", str(to))
    if which is Which.KEK and slug is not None:
        raise InvalidInput("--ledger", "none: the key-encryption key is of the whole installation", slug)
    with session.installation() as installation:
        ledger = (
            installation.ledgers.get(COMMON) if which is Which.KEK else the_ledger(installation.database, slug)
        )
        recovery = Recovery(installation, session.principal(ledger, person, organisation))
        if which is Which.KEK:
            made = recovery.split_kek(threshold, shares)
        else:
            made = recovery.split_signing(ledger, threshold, shares)
    files = [to / f"{each.kind}-{each.set_id}-{each.number}-of-{each.shares}.share" for each in made]
    try:
        to.mkdir(parents=True, mode=0o700)
        for path, each in zip(files, made, strict=True):
            durable.put_new(path, each.text.encode())
    except OSError as error:
        raise Unavailable(f"{to}: the shares cannot be kept: {error.strerror}; split anew") from error
    content = {
        "key": made[0].key, "set": made[0].set_id, "threshold": threshold,
        "files": [str(path) for path in files],
    }  # fmt: skip
    session.show(
        as_json,
        content,
        lambda: "\n".join(
            [f"{made[0].key}\nset {made[0].set_id}: any {threshold} of these restore it", *map(str, files)]
        ),
    )


def join_shares(
    context: typer.Context,
    files: Files,
    to: Annotated[
        Path | None, typer.Option(help="File that the key is restored to; else its place in data_dir.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Restore a key from recovery shares, into a place where none is. No key that is there is ever replaced."""
    session = of(context)
    shares = [Share.parse(text) for text in _texts(files)]
    secret = join(shares)
    first = shares[0]
    path = to or _place(session, first)
    if first.kind == KEK:
        data = kek_text(secret)
    else:
        data = f"{SigningKey(VerifierKey.parse(first.key).name, ED25519, secret).secret_text}\n".encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        durable.put_new(path, data)
    except FileExistsError as error:
        raise VaultError(
            f"{path}: expected no file there, got one; it stays: name another place with --to"
        ) from error
    except OSError as error:
        raise Unavailable(f"{path}: the key cannot be kept: {error.strerror}") from error
    session.show(as_json, {"key": first.key, "file": str(path)}, lambda: f"{first.key}\nis restored: {path}")


def _place(session: Session, share: Share) -> Path:
    """Where a key of that kind lies in the data directory."""
    settings = session.settings()
    if share.kind == KEK:
        return settings.data_dir / KEK_FILE
    key = VerifierKey.parse(share.key)
    with opened_database(settings) as database:
        return SigningKeys(settings.data_dir / FOLDER).path(Ledgers(database).by_origin(key.name).slug, key)


def drill(
    context: typer.Context,
    files: Files,
    remarks: Annotated[str | None, typer.Option(help="Who was there, and more; it is sealed.")] = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Try whether recovery shares give the key that is in use, in memory; what came of it is an entry.

    Exit code 1: they do not, and the line says why; 7: no file holds a share.
    """
    from ledger.application.recovery import Recovery

    session = of(context)
    texts = _texts(files)
    with session.installation() as installation:
        recovery = Recovery(
            installation, session.principal(_concerned(installation, texts), person, organisation)
        )
        found = recovery.drill(texts, remarks=remarks)
    content = {
        "key": found.key, "set": found.set_id, "shares": found.shares, "restored": found.failure is None,
        "failure": found.failure,
    }  # fmt: skip
    if found.failure is None or as_json:
        session.show(
            as_json,
            content,
            lambda: f"{found.shares} shares of set {found.set_id} give\n{found.key}, which is in use",
        )
    if found.failure is not None:
        raise VaultError(f"{found.said} (the drill is recorded)")


def _concerned(installation: Installation, texts: Sequence[str]) -> Ledger:
    """The ledger in which a drill of these shares stands: that of a signing key, else ``common``."""
    for text in texts:
        with suppress(CodecError):
            share = Share.parse(text)
            if share.kind != KEK:
                return installation.ledgers.by_origin(VerifierKey.parse(share.key).name)
    return installation.ledgers.get(COMMON)


def _texts(files: Sequence[Path]) -> list[str]:
    try:
        return [path.read_bytes()[:MOST_BYTES].decode("utf-8", "replace") for path in files]
    except OSError as error:
        raise InvalidInput("FILE", "a file that can be read", f"{error.filename}: {error.strerror}") from error
