"""``backup``, ``restore``, ``refill``: an installation as one set, and what is done when one was lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.application.opened import opened
from ledger.application.reconciling import Reconciling
from ledger.application.streams import ITSELF
from ledger.cli.service import only_one
from ledger.cli.session import AsJson, Session, of, table
from ledger.cli.trusted import keys_of, read_file
from ledger.errors import InvalidInput, NotFound, Unavailable
from ledger.settings import Settings
from ledger.store.backup import back_up
from ledger.store.closing import closed, end
from ledger.store.ledgers import Ledger
from ledger.store.manifest import Manifest, Progress
from ledger.store.opened import agreed_vault, kek_source, opened_database
from ledger.store.published import Published
from ledger.store.refill import Refilled, refill
from ledger.store.restore import Restored, RestoredLedger, drill, restore
from ledger.tlog.note import VerifierKey
from ledger.vault.shredding import Reconciled

Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Verifier key of a ledger, or a file of them; else those that the set names."),
]


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to be made; nothing may be there yet.")],
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="The secret keys too: then the set alone opens every sealed value."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a backup set: database, vault, published files, attachments, as at one moment.

    Beside a running service too. The secret keys are not in it unless asked for: keep them apart.
    """
    session = of(context)
    settings = session.settings()
    with opened_database(settings) as database, shown(session) as progress:
        vault = agreed_vault(settings, database)
        made = back_up(
            database, settings.data_dir, folder, vault=vault, tiles_url=settings.tiles_url, with_keys=with_keys,
            progress=progress,
        )  # fmt: skip
    _, digest = Manifest.read(folder)
    content = {"set": str(folder.absolute()), "sha256": digest, **_content(made)}
    session.show(as_json, content, lambda: "\n".join(_words(folder, made, digest)))


def _content(made: Manifest) -> dict[str, Any]:
    return {
        "made_at": made.made_at,
        "with_keys": made.with_keys,
        "files": len(made.files),
        "bytes": sum(each.size for each in made.files.values()),
        "missing": list(made.missing),
        "ledgers": [{"slug": each.slug, "size": each.size, "signed": each.signed} for each in made.ledgers],
    }


def _words(folder: Path, made: Manifest, digest: str) -> Iterator[str]:
    size = sum(each.size for each in made.files.values())
    yield f"{folder}: as at {made.made_at}, {len(made.files)} files, {size} bytes; manifest's SHA-256 {digest}"
    for each in made.ledgers:
        signed = "none" if each.signed is None else each.signed
        yield f"  {each.slug}: {each.size} entries, {signed} under a signed checkpoint"
    for path in made.missing:
        yield f"  MISSING {path}: the vault names it, and it was not there"
    if made.with_keys:
        yield "The secret keys are in it: whoever has it opens every sealed value, and signs."
    else:
        yield "The secret keys (kek, signing) are not in it: keep them apart, in two places."


def restore_(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The backup set.")],
    as_drill: Annotated[
        bool, typer.Option("--drill", help="Restore it elsewhere, verify it, print the figures, remove it.")
    ] = False,
    place: Annotated[
        Path | None, typer.Option(help="With --drill: folder with room for it; else the machine's for such.")
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(
            help="Folder, or URL, of published files that were not lost, one below it a ledger by slug."
        ),
    ] = None,
    kept: Annotated[
        list[Path] | None, typer.Option("--checkpoint", help="A checkpoint that somebody kept; repeatable.")
    ] = None,
    key: Keys = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory to restore into; else as set.")] = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup set into an empty installation, verify it, and say what was lost.

    What is known to be newer than the set (--published, --checkpoint) keeps it from being signed until it was
    refilled ('auditledger refill') or left ('auditledger ledger continue').
    """
    session = of(context)
    keys = keys_of(key or ())
    vault: dict[str, Reconciled] | None = None
    if as_drill:
        for option, given in (("--published", published), ("--checkpoint", kept), ("--data-dir", data_dir)):
            if given:
                raise InvalidInput(option, "none with --drill", "one")
        with shown(session) as progress:
            found = drill(folder, session.settings(), keys=keys, place=place, progress=progress)
    else:
        if place is not None:
            raise InvalidInput("--place", "none without --drill", str(place))
        notes = [read_file(path) for path in kept or ()]
        with shown(session) as progress:
            settings = session.settings(data_dir=data_dir)
            found = restore(folder, settings, published=published, notes=notes, keys=keys, progress=progress)
            vault = _reconciled(settings, found)
    content = {
        "drill": as_drill,
        "sha256": found.digest,
        "made_at": found.manifest.made_at,
        "ledgers": [
            {
                "slug": each.slug, "size": each.size, "signed": each.signed, "lost": each.lost,
                "refillable": each.refillable,
            }
            for each in found.ledgers
        ],
        "missing": list(found.manifest.missing),
        "seconds": {name: round(seconds, 3) for name, seconds in found.seconds.items()},
        "vault": None if vault is None else {slug: _held(each) for slug, each in vault.items()},
    }  # fmt: skip
    session.show(as_json, content, lambda: "\n".join(_said(found, as_drill, vault)))


def _reconciled(settings: Settings, found: Restored) -> dict[str, Reconciled] | None:
    """The restored vault held to the destruction entries; None where that has to wait.

    For the key-encryption key, or for what is refilled first: an entry on an older copy would be a fork.
    """
    source = kek_source(settings)
    if any(each.lost for each in found.ledgers) or not (source.text or source.provider or source.path.exists()):
        return None
    with opened(settings) as installation:
        return Reconciling(installation).all(whole=True, every_entry=True)


def _held(found: Reconciled) -> dict[str, int]:
    return {"came_back": found.again, "lost_keys": found.lost}


def _said(found: Restored, as_drill: bool, vault: dict[str, Reconciled] | None) -> Iterator[str]:
    what = "Restored elsewhere, verified and removed" if as_drill else "Restored and verified"
    yield f"{what}: the set as at {found.manifest.made_at}, manifest's SHA-256 {found.digest}"
    for each in found.ledgers:
        signed = "none" if each.signed is None else each.signed
        yield f"  {each.slug}: {each.size} entries, {signed} under a signed checkpoint; {_lost(each)}"
    for path in found.manifest.missing:
        yield f"  MISSING {path}: it was not there when the set was made"
    steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.seconds.items())
    yield f"  took {sum(found.seconds.values()):.1f} s: {steps}"
    if not as_drill and not found.manifest.with_keys:
        yield "Put kek and signing back in the data directory from where they are kept, before the first start."
    for slug, held in (vault or {}).items():
        if held.again or held.lost:
            yield f"  {slug}: {held.again} destroyed keys had come back and are gone again, {held.lost} LOST"
    if not as_drill and vault is None:
        yield "Then run 'auditledger reconcile': the vault is not held to the destruction entries yet."


def _lost(each: RestoredLedger) -> str:
    if not each.lost:
        return "nothing newer is known"
    if each.refillable:
        return f"{each.lost} more are published: 'auditledger refill' puts them back"
    return f"{each.lost} more were signed and are LOST: 'auditledger ledger continue' opens a new origin"


def refill_(
    context: typer.Context,
    slug: Annotated[
        str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; else every one that is behind.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="Verifier key of a ledger, or a file of them; else its signing keys here."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put back the entries that a restored older database lacks, from what is published of the ledger.

    They come back as they were, under the same origin and checkpoint. Exit code 10: the database is no
    beginning of what is published.
    """
    session = of(context)
    settings = session.settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = keys_of(key or ())
    done: list[tuple[Ledger, Refilled, Reconciled]] = []
    with only_one(settings.data_dir) as first:
        if not first:
            raise Unavailable("a service runs on this data directory: stop it first")
        with session.installation() as installation, shown(session) as progress:
            published = installation.published
            vault = Reconciling(installation)
            for ledger in [installation.ledgers.get(slug)] if slug else installation.ledgers.all():
                if not slug and closed(installation.database, ledger) is not None:
                    continue
                try:
                    found = refill(
                        installation.database, ledger, published.of(ledger),
                        trusted(published, ledger, keys), progress=progress,
                    )  # fmt: skip
                except (InvalidInput, NotFound):
                    if slug:
                        raise
                    continue
                installation.streams.facts(ledger, ITSELF)
                if installation.streams.closed(ledger):
                    # Its last entry came back: nothing follows that, its own restoring neither.
                    end(installation.database, ledger, found.until)
                elif found.command is not None:
                    installation.record_refill(ledger, found.size, found.until, found.command)
                # What came back may be destruction entries: the vault of the backup has not heard of them.
                done.append((ledger, found, vault.one(ledger, whole=True, every_entry=True)))
    content = {
        "refilled": [
            {"ledger": each.slug, "size": f.size, "until": f.until, **_held(held)} for each, f, held in done
        ]
    }
    session.show(
        as_json,
        content,
        lambda: (
            table(
                "Refilled",
                ["ledger", "had", "has", "destroyed again", "keys lost"],
                [(each.slug, f.size, f.until, held.again, held.lost) for each, f, held in done],
            )
            if done
            else "No ledger is behind what is published of it; nothing was done."
        ),
    )


def trusted(published: Published, ledger: Ledger, keys: list[VerifierKey]) -> list[VerifierKey]:
    """The keys given of a ledger; where none is of it, those that it is signed with here."""
    given = [each for each in keys if each.name == ledger.origin]
    return given or [each.verifier for each in published.keys.of(ledger.slug, ledger.origin)]


@contextmanager
def shown(session: Session) -> Iterator[Progress]:
    """A bar a step on standard error."""
    with session.progress() as bars:
        tasks: dict[str, Any] = {}

        def moved(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step.capitalize(), total=None)
            bars.update(tasks[step], completed=done, total=total)

        yield moved
