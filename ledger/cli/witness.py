"""``witness``: a program of its own that sees that ledgers only grow, for who does not run them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Annotated

import typer

from ledger.cli.session import AsJson, Session, of
from ledger.cli.trusted import keys_of
from ledger.errors import AuditLedgerError, InvalidInput, SettingsError
from ledger.tlog.keyfile import read_key, write_key
from ledger.tlog.note import COSIGNATURE, SigningKey, VerifierKey
from ledger.witness.state import State

KEY = "witness.key"


def witness(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of its key and its state; made by the first start.")],
    log: Annotated[
        list[str] | None,
        typer.Option(help="A verifier key of a ledger that it witnesses, or a file of them, read again."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of its key, as witness.example/w1; needed by the first start.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8081,
    until_closed: Annotated[
        bool, typer.Option("--until-closed", help="Stop too once standard input is closed.")
    ] = False,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="Keep the leaf hashes of the ledger published there too: …/ledgers/SLUG."),
    ] = None,
    token: Annotated[
        Path | None, typer.Option(help="File of the token by which what is mirrored may be read.")
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two rounds of the mirror.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Mirror one round, answer nobody, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a witness (C2SP tlog-witness): it cosigns checkpoints that go on from the last one it saw.

    It needs no database and nothing of the ledgers' operator but their public keys ('auditledger keys list').
    Run it on a machine, with an operator and a key, that the ledgers' operator has no hold of.
    With --mirror it is a blind mirror too: it keeps leaf hashes, never an entry, and 'auditledger verify
    --tiles DIR --mirror FOLDER' names the first entry that was left out or changed since. Exit code 10 of
    --once: another history than the one that is kept.
    """
    from ledger.witness.mirror import Mirror, Source, mirrored

    session = of(context)

    def logs() -> list[VerifierKey]:
        """Files are read again as they change: a ledger that is added needs no new start."""
        found = keys_of(log or [], "--log")
        if not found:
            raise InvalidInput("--log", "at least one verifier key of a ledger", None)
        return found

    logs()
    if once and not mirror:
        raise InvalidInput("--once", "--mirror beside it", None)
    if token is not None and not mirror:
        raise InvalidInput("--token", "--mirror beside it", str(token))
    sources = [Source(url, _token(token)) for url in mirror or ()]
    key = None if once else _key(folder / KEY, name)
    state = State(folder / "logs")
    mirrors: dict[str, Mirror] = {}
    if key is None:
        found = [mirrored(folder, each, logs(), state, mirrors) for each in sources]
        shown = [{"origin": each.origin, "size": each.size, "root": each.root.hex()} for each in found]
        lines = "\n".join(f"{each.origin}: the leaf hashes of {each.size} entries are kept" for each in found)
        session.show(as_json, {"mirrored": shown}, lambda: lines)
        return
    stop = Event()

    def mirroring() -> None:
        while not stop.is_set():
            for each in sources:
                try:
                    mirrored(folder, each, logs(), state, mirrors)
                except AuditLedgerError as error:
                    session.err.print(f"mirror: {error}")
            stop.wait(interval)

    thread = Thread(target=mirroring, name="mirror")
    if sources:
        thread.start()
    try:
        _serve(session, key, logs, state, host, port, until_closed, as_json)
    finally:
        stop.set()
        if sources:
            thread.join()


def _serve(
    session: Session,
    key: SigningKey,
    logs: Callable[[], list[VerifierKey]],
    state: State,
    host: str,
    port: int,
    until_closed: bool,
    as_json: bool,
) -> None:
    from ledger.witness.serve import serve

    serve(
        key, logs, state, lambda: int(time.time()), host, port,
        lambda url: session.show(
            as_json, {"url": url, "key": str(key.verifier)},
            lambda: f"witness {key.verifier.name} at {url}\n  key  {key.verifier}",
        ),
        sys.stdin.fileno() if until_closed else None,
    )  # fmt: skip


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--token", "a file with a token", f"{path}: {error}") from error


def _key(path: Path, name: str | None) -> SigningKey:
    if path.exists():
        key = read_key(path)
        if key.verifier.kind != COSIGNATURE:
            raise SettingsError(f"{path}: expected a key of type 04, got type {key.verifier.kind:02x}")
        if name is not None and key.verifier.name != name:
            raise InvalidInput("--name", f"{key.verifier.name}, whose key is in {path}", name)
        return key
    if name is None:
        raise InvalidInput("--name", "the name of the key that the first start makes", None)
    key = SigningKey.generate(name, COSIGNATURE)
    try:
        write_key(path, key)
    except OSError as error:
        raise SettingsError(f"{path}: expected to write a new key file, got {error.strerror}") from error
    return key
