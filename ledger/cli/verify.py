"""``verify``: whether the ledgers, their published files, or a proof are what was recorded and signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ledger.cli import times
from ledger.cli.appeared import appeared, warning
from ledger.cli.remembered import remember
from ledger.cli.remembered import words as not_compared
from ledger.cli.session import NO_LEDGER, AsJson, Session, of, print_json
from ledger.cli.trusted import FAILED, keys_of, read_file
from ledger.codec.jsonform import show, show_seconds
from ledger.domain.keys.standing import changes_in
from ledger.errors import AuditLedgerError, InvalidInput, NotFound, Tampered, Untrusted
from ledger.store.closing import Continued, continued
from ledger.store.database import Database, Role
from ledger.store.followed import followed, recorded, signed_last
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.opened import opened_database
from ledger.store.published import Published, tiles_at
from ledger.store.sealing import LEFT, Standing, standing_of
from ledger.store.seen import FOLDER, Seen
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import Tiles
from ledger.store.verify import verify as verify_ledger
from ledger.tlog.chain import leaf_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.keyhistory import Change, Keys
from ledger.tlog.note import Note, VerifierKey
from ledger.tlog.policy import Policy, read_policy
from ledger.tlog.proof import ConsistencyProof, InclusionProof
from ledger.tlog.prover import Prover
from ledger.tlog.receipt import SignedReceipt, open_receipt
from ledger.witness.mirror import Mirror


def verify(
    context: typer.Context,
    slug: Annotated[
        str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; else all of them.")
    ] = None,
    place: Annotated[
        str | None,
        typer.Option("--tiles", help="Check published files instead, by folder or URL; no database is read."),
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Check this proof instead: .tlog-proof, or of consistency.")
    ] = None,
    entry: Annotated[Path | None, typer.Option(help="The entry's bytes that the proof is of.")] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="A signed receipt: alone, or with the --proof that keeps its promise.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A verifier key that is trusted, or a file with one a line.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="Whose checkpoints count, and how many witnesses must have cosigned (tlog-policy)."),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --proof or --tiles: all entries that tell of keys, up to the last that you have."
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="A checkpoint kept from earlier, which must still hold; of an entry, one for its times."
        ),
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(help="With --tiles: folder of a mirror; names the first entry left out or changed."),
    ] = None,
    timestamp: Annotated[
        Path | None, typer.Option(help="A time stamp (RFC 3161) of the checkpoint of --proof or --tiles.")
    ] = None,
    timestamp_ca: Annotated[
        Path | None, typer.Option(help="Root certificates (PEM) of authorities whose time stamps are believed.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="With --tiles: read every payload too.")] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that hash; else one a processor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every entry's bytes, recompute hashes, links, order, columns and the tree; name the first bad index.

    The tree is compared with the checkpoints that were signed; the last one seen of each ledger is remembered
    under the data directory, and the next must go on from it, which a proof shows of some sizes alone. Exit
    code 0: clean; 8: tampered, or a proof fails; 9: not signed by a trusted key; 7: malformed; 6: it could not
    run.
    """
    session = of(context)
    kept = checkpoint or []
    tiles = None if place is None else tiles_at(place, "--tiles")
    _fit(slug, tiles, proof or receipt, entry, key, policy, deep)
    _fit_stamp(place or proof, timestamp, timestamp_ca)
    if history and proof is None and receipt is None and tiles is None:
        raise InvalidInput("--history", "--proof or --tiles beside it: elsewhere it is in the database", "none")
    wanted = Policy() if policy is None else read_policy(policy)
    keys = [*keys_of(key or []), *wanted.keys]
    if receipt is not None and proof is None:
        if entry is not None or policy is not None:
            raise InvalidInput("--proof", "the proof of what the receipt promises", None)
        with _telling(session, as_json, str(receipt)):
            promised = _receipt(receipt, keys, history or [])
        _said(session, as_json, [_promised(promised)])
        return
    if proof is not None:
        with _telling(session, as_json, str(proof)):
            stamp = (timestamp, timestamp_ca)
            signed, shown, said = _proof(proof, entry, keys, kept, history or [], wanted, stamp)
            if policy is not None:
                wanted.require(signed)
            said |= times.of_stamp(timestamp, timestamp_ca, signed)
        if receipt is not None:
            if entry is None:
                raise InvalidInput("--receipt", "none: the proof is of no entry", str(receipt))
            with _telling(session, as_json, str(receipt)):
                proven = InclusionProof.parse(read_file(proof)).index, leaf_hash(read_file(entry))
                _receipt(receipt, keys, history or []).kept(signed.checkpoint.origin, *proven)
        with _telling(session, as_json, str(proof)):
            said |= remember(session, signed, shown, kept)
        _said(session, as_json, [{**_clean(signed), **said}])
        return
    data_dir = session.settings().data_dir
    seen = Seen(data_dir / FOLDER)
    # Whoever checks first on this machine makes it: as private as the service would.
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if mirror is not None and tiles is None:
        raise InvalidInput("--mirror", "--tiles, to compare it with", str(mirror))
    if tiles is not None:
        with _telling(session, as_json, str(tiles)):
            told = changes_in(map(read_file, history or []))
            if mirror is not None:
                _mirror(mirror, tiles, keys, told)
            if policy is not None:
                wanted.require(followed(tiles, keys, held=told).open(tiles.published()))
            signed = _tiles(session, tiles, keys, kept, seen, deep, processes, told)
            stamped = times.of_stamp(timestamp, timestamp_ca, signed)
        _said(session, as_json, [{**_clean(signed), **stamped}])
        return
    with opened_database(session.settings()) as database:
        ledgers = Ledgers(database)
        chosen = ledgers.all() if slug is None else [ledgers.get(slug)]
        held = _by_origin([each.origin for each in chosen], kept)
        _ledgers(session, database, chosen, keys, held, seen, processes, as_json)


def _fit(
    slug: str | None,
    tiles: Tiles | None,
    proof: Path | None,
    entry: Path | None,
    key: Sequence[str] | None,
    policy: Path | None,
    deep: bool,
) -> None:
    """What is asked for goes together: nothing that is given is passed over in silence. Raises InvalidInput."""
    if tiles is not None and proof is not None:
        raise InvalidInput("--proof", "a proof or --tiles, one at a time", "both")
    if policy is not None and tiles is None and proof is None:
        raise InvalidInput("--policy", "one for what is published: --tiles or --proof beside it", str(policy))
    if (tiles is not None or proof is not None) and not key and policy is None:
        raise InvalidInput("--key", "the ledger's verifier key: what is checked cannot vouch for itself", None)
    if slug is not None and (tiles is not None or proof is not None):
        raise InvalidInput("--ledger", "none: folder or proof say of which ledger they are", slug)
    if entry is not None and proof is None:
        raise InvalidInput("--entry", "an entry with the --proof of it", str(entry))
    if deep and tiles is None:
        raise InvalidInput("--deep", "a folder of --tiles to read the payloads of", "none")


def _fit_stamp(of: Path | str | None, timestamp: Path | None, roots: Path | None) -> None:
    if (timestamp is None) != (roots is None):
        raise InvalidInput("--timestamp", "a time stamp and --timestamp-ca, together", "one of them")
    if timestamp is not None and of is None:
        raise InvalidInput("--timestamp", "--proof or --tiles, whose checkpoint it is of", str(timestamp))


def _by_origin(origins: Sequence[str], kept: Sequence[Path]) -> dict[str, list[bytes]]:
    """Checkpoints kept from earlier, each for the log that it names. Raises InvalidInput, CodecError."""
    found: dict[str, list[bytes]] = {each: [] for each in origins}
    for path in kept:
        note = read_file(path)
        origin = Checkpoint.parse(Note.parse(note).text).origin
        if origin not in found:
            raise InvalidInput("--checkpoint", f"one of {', '.join(found) or 'a ledger here'}", origin)
        found[origin].append(note)
    return found


def _ledgers(
    session: Session,
    database: Database,
    chosen: Sequence[Ledger],
    keys: Sequence[VerifierKey],
    kept: Mapping[str, Sequence[bytes]],
    seen: Seen,
    processes: int | None,
    as_json: bool,
) -> None:
    results: list[dict[str, Any]] = []
    worst: AuditLedgerError | None = None
    published = Published.by(session.settings())
    policy = times.trusted(session, keys)
    with session.progress() as progress:
        for each in chosen:
            task = progress.add_task(f"Verifying {each.slug}", total=None)

            def moved(done: int, total: int, task: Any = task) -> None:
                progress.update(task, completed=done, total=total)

            try:
                with database.connect(Role.READER) as connection:
                    signed = standing_of(connection, each)
                    on = continued(connection, each, Ledgers(database).all()) if signed.closed == LEFT else None
                # Who takes the published files away hides nothing: what was signed is to hold.
                note = published.of(each).checkpoint() or (signed.note if signed.signed else None)
                known = _known(database, published, each, keys, signed)
                notes = [*([] if note is None else [note]), *kept[each.origin]]
                # Where the end is lost, what was signed of the beginning is to hold.
                notes += [signed.note] if on is not None and signed.signed else []
                held = _of(each.origin, notes, known)
                before = seen.last(each.origin)
                wanted = [*held, *([] if before is None else [before])]
                lost = None if on is None else _lost(on, signed.size, known)
                if lost is not None and note is not None:
                    wanted += _begun(published.of(each), note, lost)
                found = verify_ledger(
                    database, each, processes=processes, progress=moved,
                    checkpoints=wanted if lost is None else [one for one in wanted if not lost.covers(one)],
                )  # fmt: skip
                late = times.outside(session, database, each, policy)
            except AuditLedgerError as error:
                if error.exit_code < FAILED:
                    raise
                if isinstance(error, Untrusted):
                    error = Untrusted(f"{each.origin}: {error}")
                # One line is left for standard error: a tampered ledger's before one that nobody vouches for.
                worst = error if worst is None or error.exit_code < worst.exit_code else worst
                results.append({"ledger": each.slug, "clean": False, **_fault(error)})
            else:
                if note is not None:
                    seen.remember(note)
                progress.update(task, completed=found.size, total=found.size)
                results.append(
                    {
                        "ledger": each.slug, "clean": True, "size": found.size, "head": found.hash.hex(),
                        "root": found.root.hex(), "signed": max((one.size for one in held), default=None),
                        "outside": late,
                        "continued": None if on is None else _goes_on(on, lost),
                    }
                )  # fmt: skip
    _said(session, as_json, results)
    if worst is not None:
        raise worst


class _Lost(NamedTuple):
    """What a ledger that was left had signed and has no more: the entries from a size up to its last."""

    begin: int
    last: Checkpoint

    def covers(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint of the ledger is of those entries, and of the history that was left."""
        if not self.begin < checkpoint.size <= self.last.size:
            return False
        return checkpoint.size < self.last.size or checkpoint.root == self.last.root


def _lost(on: Continued, size: int, known: Keys) -> _Lost | None:
    """What its successor says was lost of a ledger: just what the database holds no more. Raises Untrusted."""
    last = known.open(on.note).checkpoint
    return _Lost(size, last) if last.size == on.size > size == on.held else None


def _begun(tiles: Tiles, note: bytes, lost: _Lost) -> list[Checkpoint]:
    """What the published files say of the entries before those that were lost; nothing where they are gone."""
    prover = Prover(tiles.read, note)
    if not 0 < lost.begin <= prover.checkpoint.size:
        return []
    with suppress(NotFound):
        return [Checkpoint(prover.checkpoint.origin, lost.begin, prover.root(lost.begin))]
    return []


def _goes_on(on: Continued, lost: _Lost | None) -> dict[str, Any]:
    return {"as": on.origin, "size": on.size, "lost": 0 if lost is None else on.size - lost.begin}


def _known(
    database: Database, published: Published, ledger: Ledger, given: Sequence[VerifierKey], standing: Standing
) -> Keys:
    """The keys given and those that they lead to; where none of them is of this ledger, begun from those that
    this installation signed it with last. Raises Untrusted, CodecError."""
    roots = [*given]
    if not any(key.name == ledger.origin for key in given):
        held = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
        if standing.signed and not held:
            raise Untrusted(
                f"expected a key by which it is trusted, got none: no key that signs it is in "
                f"{published.keys.folder}; put that folder back, or name its verifier key by --key"
            )
        roots += signed_last(held, standing.note if standing.signed else None)
    with database.connect(Role.READER) as connection:
        changes, _ = recorded(connection, ledger)
    return Keys(roots, ledger.origin, changes)


def _tiles(
    session: Session,
    tiles: Tiles,
    keys: Sequence[VerifierKey],
    kept: Sequence[Path],
    seen: Seen,
    deep: bool,
    processes: int | None,
    held: Sequence[Change],
) -> SignedCheckpoint:
    with session.progress() as progress:
        task = progress.add_task(f"Verifying {tiles}", total=None)
        origin = Checkpoint.parse(Note.parse(tiles.published()).text).origin
        earlier = _by_origin([origin], kept)[origin]
        known = followed(tiles, keys, earlier, held)
        before = seen.last(origin)
        signed = verify_tiles(
            tiles, keys,
            seen=_of(origin, earlier, known) + ([] if before is None else [before]),
            held=held, deep=deep, processes=processes,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip
    seen.remember(str(signed.note).encode())
    return signed


def _mirror(folder: Path, tiles: Tiles, keys: Sequence[VerifierKey], held: Sequence[Change]) -> None:
    """Compares the published leaf hashes with those that a mirror kept. Raises Tampered, SettingsError."""
    said = followed(tiles, keys, held=held).open(tiles.published()).checkpoint
    mirror = Mirror(folder, said.origin)
    if not mirror.kept.size:
        raise InvalidInput("--mirror", f"a folder in which {said.origin} is mirrored", str(folder))
    mirror.compare(tiles.read, said.size)


def _proof(
    path: Path,
    entry: Path | None,
    given: Sequence[VerifierKey],
    kept: Sequence[Path],
    history: Sequence[Path],
    policy: Policy,
    stamp: tuple[Path | None, Path | None],
) -> tuple[SignedCheckpoint, list[Checkpoint], dict[str, Any]]:
    """The checkpoint of a proof that holds, those that it is shown to go on from, and what witnesses and a time
    stamp say of the entry's times."""
    data = read_file(path)
    proof = ConsistencyProof.parse(data) if data.startswith(b"old ") else InclusionProof.parse(data)
    origin = Checkpoint.parse(Note.parse(proof.checkpoint).text).origin
    known = Keys(given, origin, changes_in(map(read_file, history)))
    if isinstance(proof, ConsistencyProof):
        if len(kept) != 1:
            raise InvalidInput("--checkpoint", "the one checkpoint that the proof goes on from", len(kept))
        if entry is not None:
            raise InvalidInput("--entry", "none: the proof is of consistency, of no entry", str(entry))
        before = known.open(read_file(kept[0])).checkpoint
        signed = proof.verify(before, known.of(proof.checkpoint))
        known.require_added(signed)
        return signed, [before], {}
    if entry is None:
        raise InvalidInput("--entry", "the file of the entry's bytes", None)
    bytes_of = read_file(entry)
    signed = proof.verify(bytes_of, known.of(proof.checkpoint))
    known.require_added(signed)
    notes = [read_file(each) for each in kept]
    at = times.stamped_at(*stamp, signed)
    return signed, [], {"witnessed": times.of_proof(proof.index, bytes_of, signed, notes, given, policy, at)}


def _receipt(path: Path, given: Sequence[VerifierKey], history: Sequence[Path]) -> SignedReceipt:
    """A receipt that a key signed which signs some checkpoint that can keep it."""
    data = read_file(path)
    said = SignedReceipt.parse(Note.parse(data).text)
    known = Keys(given, said.origin, changes_in(map(read_file, history)))
    return open_receipt(data, known.promising(said.index))


def _of(origin: str, notes: Sequence[bytes], known: Keys) -> list[Checkpoint]:
    """The checkpoints of signed notes, all of one log. Raises Untrusted, CodecError."""
    found = [known.open(note) for note in notes]
    for each in found:
        if each.checkpoint.origin != origin:
            raise Untrusted(f"checkpoint: expected one of {origin}, got one of {each.checkpoint.origin}")
        known.require_added(each)
    return [each.checkpoint for each in found]


@contextmanager
def _telling(session: Session, as_json: bool, what: str) -> Iterator[None]:
    """What fails in here is told on standard output too, as of a ledger."""
    try:
        yield
    except AuditLedgerError as error:
        if error.exit_code >= FAILED:
            ledger = error.ledger if isinstance(error, Tampered) else what
            _said(session, as_json, [{"ledger": ledger, "clean": False, **_fault(error)}])
        raise


def _fault(error: AuditLedgerError) -> dict[str, Any]:
    index, what = (error.index, error.what) if isinstance(error, Tampered) else (None, str(error))
    return {"index": index, "what": what, "trusted": not isinstance(error, Untrusted)}


def _clean(signed: SignedCheckpoint) -> dict[str, Any]:
    checkpoint = signed.checkpoint
    return {
        "ledger": checkpoint.origin, "clean": True, "size": checkpoint.size, "root": checkpoint.root.hex(),
        "signed": checkpoint.size,
        "cosigned": [
            {"witness": each.key.name, "at": show_seconds(each.time)}
            for each in signed.signed
            if each.time is not None
        ],
    }  # fmt: skip


def _promised(receipt: SignedReceipt) -> dict[str, Any]:
    return {
        "ledger": receipt.origin, "clean": True, "index": receipt.index, "leaf_hash": receipt.leaf.hex(),
        "recorded_at": show(receipt.recorded_at), "proof_by": show(receipt.proof_by),
        "overdue": receipt.proof_by <= datetime.now(UTC),
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
        word = "TAMPERED" if result["trusted"] else "NOT TRUSTED"
        return f"{result['ledger']}: {word}, {at}{result['what']}"
    if "proof_by" in result:
        # That it was not kept shows who asks for the proof: alone, a receipt is no fault.
        by = f"is promised by {result['proof_by']}"
        if result["overdue"]:
            by = f"was promised by {result['proof_by']} and is overdue: ask for it, and give it with --proof"
        return (
            f"{result['ledger']}: signed, entry {result['index']} with leaf hash {result['leaf_hash']} was "
            f"recorded at {result['recorded_at']}; a proof {by}"
        )
    signed = "none" if result["signed"] is None else result["signed"]
    end = f"last leaf hash {result['head']}" if "head" in result else f"root {result['root']}"
    for each in result.get("cosigned", ()):
        end += f", cosigned by {each['witness']} at {each['at']}"
    if result.get("stamped"):
        end += f", time-stamped at {result['stamped']}"
    if any((result.get("witnessed") or {}).get(side) for side in ("not_before", "not_after")):
        end += f"; entry {result['witnessed']['index']}: {appeared(result['witnessed'])}"
    if result.get("continued"):
        on = result["continued"]
        gone = f"; {on['lost']} of them are lost" if on["lost"] else ""
        end += f"\n{result['ledger']}: closed at {on['size']} entries, continued as {on['as']}{gone}"
    for line in not_compared(result):
        end += f"\n{result['ledger']}: {line}"
    if result.get("outside"):
        end += f"\n{result['ledger']}: {warning(result['outside'])}"
    return f"{result['ledger']}: clean, {result['size']} entries, {signed} under a signed checkpoint, {end}"
