"""``verify``: whether the ledgers, their published files, or a proof are what was recorded and signed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.cli.session import NO_LEDGER, AsJson, Session, of, print_json
from ledger.errors import AuditLedgerError, InvalidInput, NotFound, Tampered
from ledger.store.database import Database
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.opened import opened_database
from ledger.store.sealers import Published
from ledger.store.seen import FOLDER, Seen
from ledger.store.tilecheck import verify_tiles
from ledger.store.verify import verify as verify_ledger
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tlog.note import VerifierKey
from ledger.tlog.proof import ConsistencyProof, InclusionProof

FAILED = 8
"""Exit codes from here on say that what was checked is not what it should be."""


def verify(
    context: typer.Context,
    slug: Annotated[
        str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; else all of them.")
    ] = None,
    tiles: Annotated[
        Path | None, typer.Option(help="Check this folder of published files instead; no database is read.")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Check this proof instead: .tlog-proof, or of consistency.")
    ] = None,
    entry: Annotated[Path | None, typer.Option(help="The entry's bytes that the proof is of.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A verifier key that is trusted, or a file with one a line.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept from earlier, which must still hold.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="With --tiles: read every payload too.")] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that hash; else one a processor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every entry's bytes, recompute hashes, links, order, columns and the tree; name the first bad index.

    The tree is compared with the checkpoints that were signed; the last one seen of each ledger is remembered
    under the data directory, and the next must go on from it. Exit code 0: clean; 8: tampered, or a proof
    fails; 9: not signed by a trusted key; 7: malformed; 6: it could not run.
    """
    session = of(context)
    if (tiles is not None or proof is not None) and not key:
        raise InvalidInput("--key", "the ledger's verifier key: what is checked cannot vouch for itself", None)
    keys = _keys(key or [])
    if proof is not None:
        signed = _proof(proof, entry, keys, checkpoint or [])
        _said(session, as_json, [_clean(signed.checkpoint)])
        return
    seen = Seen(session.settings().data_dir / FOLDER)
    if tiles is not None:
        _tiles(session, tiles, keys, checkpoint or [], seen, deep, processes, as_json)
        return
    with opened_database(session.settings()) as database:
        ledgers = Ledgers(database)
        chosen = ledgers.all() if slug is None else [ledgers.get(slug)]
        _ledgers(session, database, chosen, keys, checkpoint or [], seen, processes, as_json)


def _ledgers(
    session: Session,
    database: Database,
    chosen: Sequence[Ledger],
    keys: Sequence[VerifierKey],
    kept: Sequence[Path],
    seen: Seen,
    processes: int | None,
    as_json: bool,
) -> None:
    results: list[dict[str, Any]] = []
    worst: AuditLedgerError | None = None
    published = Published(session.settings().data_dir)
    with session.progress() as progress:
        for each in chosen:
            task = progress.add_task(f"Verifying {each.slug}", total=None)

            def moved(done: int, total: int, task: Any = task) -> None:
                progress.update(task, completed=done, total=total)

            try:
                own = [signing.verifier for signing in published.keys.of(each.slug, each.origin)]
                note = published.of(each).checkpoint()
                trusted = [*keys, *own]
                held = _of(each.origin, [] if note is None else [note], trusted) + _of(
                    each.origin, [_read(path) for path in kept], trusted
                )
                before = seen.last(each.origin)
                found = verify_ledger(
                    database, each, processes=processes, progress=moved,
                    checkpoints=held if before is None else [*held, before],
                )  # fmt: skip
            except AuditLedgerError as error:
                if error.exit_code < FAILED:
                    raise
                worst = worst or error
                results.append({"ledger": each.slug, "clean": False, **_fault(error)})
            else:
                if note is not None:
                    seen.remember(note)
                progress.update(task, completed=found.size, total=found.size)
                results.append(
                    {
                        "ledger": each.slug, "clean": True, "size": found.size, "head": found.hash.hex(),
                        "root": found.root.hex(), "signed": max((one.size for one in held), default=None),
                    }
                )  # fmt: skip
    _said(session, as_json, results)
    if worst is not None:
        raise worst


def _tiles(
    session: Session,
    folder: Path,
    keys: Sequence[VerifierKey],
    kept: Sequence[Path],
    seen: Seen,
    deep: bool,
    processes: int | None,
    as_json: bool,
) -> None:
    with session.progress() as progress:
        task = progress.add_task(f"Verifying {folder}", total=None)
        note = _read(folder / "checkpoint")
        origin = open_checkpoint(note, keys).checkpoint.origin
        before = seen.last(origin)
        signed = verify_tiles(
            folder, keys,
            seen=_of(origin, [_read(path) for path in kept], keys) + ([] if before is None else [before]),
            deep=deep, processes=processes,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip
    seen.remember(str(signed.note).encode())
    _said(session, as_json, [_clean(signed.checkpoint)])


def _proof(
    path: Path, entry: Path | None, keys: Sequence[VerifierKey], kept: Sequence[Path]
) -> SignedCheckpoint:
    data = _read(path)
    if data.startswith(b"old "):
        if len(kept) != 1:
            raise InvalidInput("--checkpoint", "the one checkpoint that the proof goes on from", len(kept))
        before = open_checkpoint(_read(kept[0]), keys).checkpoint
        return ConsistencyProof.parse(data).verify(before, keys)
    if entry is None:
        raise InvalidInput("--entry", "the file of the entry's bytes", None)
    return InclusionProof.parse(data).verify(_read(entry), keys)


def _keys(given: Sequence[str]) -> list[VerifierKey]:
    """Verifier keys, given as they are or by files of them. Raises CodecError, InvalidInput."""
    found: list[VerifierKey] = []
    for text in given:
        lines = [text] if "+" in text else _read(Path(text)).decode("utf-8", "replace").splitlines()
        found += [VerifierKey.parse(line) for line in lines if line.strip()]
    return found


def _of(origin: str, notes: Sequence[bytes], keys: Sequence[VerifierKey]) -> list[Checkpoint]:
    """The checkpoints of a log among signed notes. Raises Untrusted, CodecError."""
    found = [open_checkpoint(note, keys).checkpoint for note in notes]
    return [each for each in found if each.origin == origin]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from error


def _fault(error: AuditLedgerError) -> dict[str, Any]:
    if isinstance(error, Tampered):
        return {"index": error.index, "what": error.what}
    return {"index": None, "what": str(error)}


def _clean(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "ledger": checkpoint.origin, "clean": True, "size": checkpoint.size, "root": checkpoint.root.hex(),
        "signed": checkpoint.size,
    }  # fmt: skip


def _said(session: Session, as_json: bool, results: Sequence[dict[str, Any]]) -> None:
    if as_json:
        print_json({"ledgers": results, "clean": all(result["clean"] for result in results)})
    elif not results:
        session.out.print(f"Nothing to verify: {NO_LEDGER}")
    else:
        session.out.print("\n".join(_words(result) for result in results))


def _words(result: dict[str, Any]) -> str:
    if not result["clean"]:
        at = "" if result["index"] is None else f"entry {result['index']}: "
        return f"{result['ledger']}: TAMPERED, {at}{result['what']}"
    signed = "none" if result["signed"] is None else result["signed"]
    end = f"last leaf hash {result['head']}" if "head" in result else f"root {result['root']}"
    return f"{result['ledger']}: clean, {result['size']} entries, {signed} under a signed checkpoint, {end}"
