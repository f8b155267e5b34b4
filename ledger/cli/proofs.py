"""``checkpoint`` and ``prove``: what a ledger signs of itself, and proofs for who trusts nobody here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Any

import typer

from ledger.cli.session import NO_LEDGER, AsJson, Session, of, print_json
from ledger.cli.times import beside, trusted
from ledger.errors import InvalidInput, NotFound
from ledger.store.database import Database, Role
from ledger.store.feed import Feed
from ledger.store.followed import known_here
from ledger.store.ledgers import COMMON, Ledger, Ledgers
from ledger.store.opened import opened_database
from ledger.store.published import Published
from ledger.store.sealing import LEFT, Link, standing_of
from ledger.store.stamps import stamp_after
from ledger.store.witnessed import WitnessedTimes, policy_of
from ledger.tlog.chain import leaf_hash
from ledger.tlog.note import Note, VerifierKey
from ledger.tlog.prover import Prover, continued, included
from ledger.tlog.receipt import SignedReceipt, open_receipt
from ledger.tlog.tiles import ReadTile

PATIENCE = 10.0
"""Seconds beyond its interval in which a service that seals is waited for."""
LOOK = 0.1
"""Seconds between two looks at it."""
_UNASKED = (
    "{}: its checkpoint is not cosigned by a quorum of its witnesses: no service seals it now, and so none is "
    "asked; start it and repeat this, where a policy is to be met"
)
_UNMET = (
    "{}: its checkpoint was not cosigned by a quorum of its witnesses within {:g} seconds: it does not meet "
    "their policy; 'auditledger doctor' says how they are"
)

Slug = Annotated[
    str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; not needed where there is one.")
]


def checkpoint(context: typer.Context, slug: Slug = None, as_json: AsJson = False) -> None:
    """Seal what a ledger holds, and print the checkpoint that it signed of itself (C2SP tlog-checkpoint).

    Where a service seals the ledger, its last one. Exit code 10: the ledger is not what was signed before.
    """
    session = of(context)
    with opened_database(session.settings()) as database:
        ledger = the_ledger(database, slug)
        note = sealed(session, database, ledger)
    if as_json:
        print_json(shown(note))
    else:
        session.out.print(str(note), end="")


def prove(
    context: typer.Context,
    index: Annotated[int | None, typer.Argument(help="Index of the entry that is proven.")] = None,
    since: Annotated[
        int | None, typer.Option(help="Prove instead that the ledger goes on from its first so many entries.")
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="Prove what this signed receipt promises, instead of an index.")
    ] = None,
    slug: Slug = None,
    to: Annotated[Path, typer.Option(help="Folder in which the files are written.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a proof that an entry is in the ledger, with the entry's bytes (C2SP tlog-proof).

    Beside them the cosigned checkpoints that tell between which times witnesses saw the entry appear, and the
    first time stamp of a checkpoint that covers it (RFC 3161), if there are any.

    Or, with --since, that the ledger was only added to since an earlier checkpoint. Anyone can check either
    with the ledger's public key: see 'auditledger keys list' and 'auditledger verify --help'. Exit code 8: the
    ledger does not hold what the receipt promises, or the published files do not lead to its checkpoint.
    """
    given = sum(each is not None for each in (index, since, receipt))
    if given != 1:
        expected = "one of: an index, --since and a size, --receipt and a file"
        raise InvalidInput("INDEX", expected, f"{given} of them")
    session = of(context)
    with opened_database(session.settings()) as database:
        ledger = the_ledger(database, slug)
        note, unmet = cosigned(session, database, ledger)
        published = Published.by(session.settings())
        read = published.of(ledger).read
        prover = Prover(read, str(note).encode())
        files: dict[str, bytes] = {}
        witnessed: dict[str, Any] = {}
        promised: SignedReceipt | None = None
        if receipt is not None:
            held = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
            promised = _promised(database, ledger, held, _read(receipt))
            promised.due(prover.checkpoint.size, datetime.now(UTC))
            index = promised.index
        if index is not None:
            proof, entry = included(prover, index)
            if promised is not None:
                # Of what is proven: a damaged file is no broken promise.
                promised.stands(index, leaf_hash(entry))
            name = f"{ledger.slug}-{index}"
            files[f"{name}.tlog-proof"] = bytes(proof)
            files[f"{name}.entry"] = entry
            witnessed["witnessed"], told = beside(session, database, ledger, index, trusted(session, ()))
            files |= {f"{name}.{ending}": each for ending, each in told.items()}
            files |= _stamped(database, ledger, index, name, read)
        if since is not None:
            last = prover.checkpoint.size
            if not 0 <= since <= last:
                raise InvalidInput("--since", f"a size from 0 to {last}, which is the last checkpoint's", since)
            name = f"{ledger.slug}-{since}-{prover.checkpoint.size}.consistency"
            files[name] = bytes(continued(prover, since))
    written = [str(_write(to, name, data)) for name, data in files.items()]
    if as_json:
        print_json({"files": written, **shown(note), **witnessed, **not_cosigned(unmet)})
    else:
        warn(session, unmet)
        session.out.print("\n".join(written))


def _promised(database: Database, ledger: Ledger, held: Sequence[VerifierKey], data: bytes) -> SignedReceipt:
    """A receipt of the ledger, also by a key that is retired, and whose file is destroyed as it should be.

    Raises CodecError, Untrusted.
    """
    with database.connect(Role.READER) as connection:
        standing = standing_of(connection, ledger)
        known = known_here(connection, ledger, held, standing.note if standing.signed else None)
    return open_receipt(data, known.promising(SignedReceipt.parse(Note.parse(data).text).index))


def _stamped(database: Database, ledger: Ledger, index: int, name: str, read: ReadTile) -> dict[str, bytes]:
    """The first time stamp that covers an entry, and the proof of the entry under the checkpoint stamped."""
    stamp = stamp_after(database, ledger, index)
    if stamp is None:
        return {}
    proof, _ = included(Prover(read, stamp.note), index)
    return {f"{name}.stamped.tlog-proof": bytes(proof), f"{name}.stamped.tsr": stamp.response}


def the_ledger(database: Database, slug: str | None) -> Ledger:
    """The named ledger, or the only one beside ``common``. Raises NotFound, InvalidInput."""
    ledgers = Ledgers(database)
    if slug is not None:
        return ledgers.get(slug)
    found = [each for each in ledgers.all() if each.slug != COMMON]
    if not found:
        raise NotFound(NO_LEDGER)
    if len(found) > 1:
        raise InvalidInput("--ledger", f"one of {', '.join(each.slug for each in found)}", None)
    return found[0]


def sealed(session: Session, database: Database, ledger: Ledger, patience: float = PATIENCE) -> Note:
    """The last checkpoint of a ledger, with all that it holds now; where a service seals it, waited for.

    Longer than that service takes at most (its interval and ``patience`` seconds) nobody waits: then it is what
    is published.
    """
    return _sealed(session, database, ledger, patience)[0]


def cosigned(session: Session, database: Database, ledger: Ledger) -> tuple[Note, str | None]:
    """The same under the cosignatures of a quorum, where witnesses are asked here; and why not, if it is not.

    A service that seals asks them: it is waited for, for its interval and ``acknowledge_timeout`` at most.
    While the ledger grows it may be a checkpoint before the last, with all that was held when this was asked.
    Of a ledger that the policy does not name no witness is asked, nor of one that was left: of that it is the
    last checkpoint that the database signed. Raises as ``sealed``, SettingsError.
    """
    settings = session.settings()
    note, least, beside = _sealed(session, database, ledger, PATIENCE)
    patience = settings.seal_interval + settings.acknowledge_timeout
    deadline = monotonic() + patience
    tiles = Published.by(settings).of(ledger)
    if not beside:
        with database.connect(Role.READER) as connection:
            standing = standing_of(connection, ledger)
        if standing.closed == LEFT and standing.signed is not None:
            # What is published beyond it may be a checkpoint alone, of entries that are lost.
            return Note.parse(standing.note), None
    with Feed(database) as feed:
        # Each time anew: what the service's own witness knows of a new ledger it may just be writing down.
        while (policy := policy_of(settings)) is not None:
            if settings.policy is not None and ledger.origin not in {log.key.name for log in policy.logs}:
                break
            found = WitnessedTimes(feed, policy).checkpoint(ledger, tiles.published(), least)
            if found is not None:
                return Note.parse(found), None
            if not beside:
                return note, _UNASKED.format(ledger.slug)
            if monotonic() > deadline:
                return note, _UNMET.format(ledger.slug, patience)
            sleep(LOOK)
    return note, None


def not_cosigned(why: str | None) -> dict[str, str]:
    """Why witnesses did not cosign what was written, as JSON beside the rest; nothing where they did."""
    return {} if why is None else {"not_cosigned": why}


def warn(session: Session, why: str | None) -> None:
    """The same on standard error."""
    if why is not None:
        session.err.print(f"WARNING: {why}")


def _sealed(session: Session, database: Database, ledger: Ledger, patience: float) -> tuple[Note, int, bool]:
    """The note of ``sealed``, how many entries it was to have, and whether another process seals the ledger."""
    beside = False
    published = Published.by(session.settings())
    deadline = monotonic() + session.settings().seal_interval + patience
    with published.sealer(Link(database), ledger) as sealer:
        wanted: int | None = None
        while (own := sealer.seal()) is None and monotonic() < deadline:
            # Another process has the lease: what it published is checked as it would be here.
            beside = True
            standing = sealer.check()
            wanted = standing.size if wanted is None else wanted
            enough = standing.signed is not None and standing.signed.size >= wanted
            if enough and published.of(ledger).checkpoint() == standing.note:
                break
            sleep(LOOK)
    note = published.of(ledger).checkpoint()
    if note is None:
        raise NotFound(f"{ledger.slug}: the service has not published a checkpoint yet")
    if own is not None:
        return Note.parse(note), own.size, False
    return Note.parse(note), wanted or 0, beside


def shown(note: Note) -> dict[str, Any]:
    """A checkpoint as JSON: the three lines, and the note whole."""
    origin, size, root = note.text.split("\n")[:3]
    return {"origin": origin, "size": int(size), "root": root, "note": str(note)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput("--receipt", "a file that can be read", f"{path}: {error.strerror}") from error


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput("--to", "a folder that can be written to", f"{path}: {error.strerror}") from error
    return path
