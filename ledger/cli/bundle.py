"""``bundle``: evidence in one file for who trusts nobody here, written and verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger import durable
from ledger.bundle.manifest import CASE, LEDGER, RANGE, REGISTER, Subject
from ledger.bundle.times import noted
from ledger.bundle.verify import Verified
from ledger.bundle.verify import verify as verify_bundle
from ledger.cli.appeared import appeared, times_as_json, warning
from ledger.cli.remembered import remember, seen
from ledger.cli.remembered import words as not_compared
from ledger.cli.session import (
    AsJson,
    MaybeLedger,
    Organisation,
    Person,
    Session,
    group,
    of,
    print_json,
    the_ledger,
)
from ledger.cli.trusted import FAILED, keys_of, read_file
from ledger.codec.jsonform import show, show_seconds
from ledger.errors import AuditLedgerError, CodecError, InvalidInput, Unavailable
from ledger.tlog.checkpoint import SignedCheckpoint
from ledger.tlog.policy import read_policy

if TYPE_CHECKING:
    # Whoever verifies needs none of it.
    from ledger.application import Installation, Principal
    from ledger.application.evidence import Exported, Wanted
    from ledger.store.ledgers import Ledger
    from ledger.tlog.keyhistory import Change
    from ledger.tlog.stamp import Roots

UNTOLD = (
    "WARNING: you trust several keys of this ledger, and beside the bundle nothing tells at which sizes each "
    "signs: ask for the entries on its keys, and give them all with --history"
)

bundle = group("Export evidence that strangers can check with a key alone, and verify it.")


@bundle.command("export")
def export(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    slug: MaybeLedger = None,
    everything: Annotated[bool, typer.Option("--all", help="Every entry of the ledger.")] = False,
    between: Annotated[
        str | None,
        typer.Option("--range", metavar="FROM:BEFORE", help="Every entry from one to before another."),
    ] = None,
    case: Annotated[str | None, typer.Option(help="The entries of this case.")] = None,
    register: Annotated[
        str | None, typer.Option(help="The entries behind the rows of this register, with --where.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Of the register's rows: COLUMN=VALUE, as of replay."),
    ] = None,
    since: Annotated[
        Path | None, typer.Option(help="An earlier checkpoint: show that the ledger was only added to since.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--open", metavar="REASON", help="Open sealed fields for whom it is; recorded."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INDEX:PATH",
            help="Open this field only, with --open, or a file's content (PATH.content); may be given again.",
        ),
    ] = None,
    basis: Annotated[
        str | None,
        typer.Option(
            help="Of the regulator's ledger: '120(3)(a): SECTION' or '120(3)(b): INDEX' (PDPA s 120)."
        ),
    ] = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Write entries, proofs and schemas to one file that anyone can verify offline with the ledger's key.

    Choose --all, --range, --case or --register. The ledger is sealed first, and the bundle is verified before
    it gets its name. Fields that are opened are in it in clear: hand it to whom it is for alone.
    """
    from ledger.application.evidence import Wanted

    session = of(context)
    _one_of({"--all": everything, "--range": between, "--case": case, "--register": register})
    if where and register is None:
        raise InvalidInput("--where", "--register beside it: what the query is of", where[0])
    if field and reason is None:
        raise InvalidInput("--field", "--open and the reason beside it", field[0])
    _a_file("--output", output)
    query = _filters(where or [])
    policy = session.settings().policy
    _apart("--output", output, [since, policy])
    session.doors.configure_logs(session.settings().log_level)
    with session.installation() as installation:
        ledger = the_ledger(installation, slug)
        principal = session.principal(ledger, person, organisation)
        indexes = None
        if register is not None:
            indexes = session.doors.entries_named(installation, principal, ledger, register, query)
        wanted = Wanted(
            _subject(between, case, register, query), indexes, reason, _fields(field or []) or None,
            None if since is None else read_file(since), basis, None if policy is None else read_file(policy),
        )  # fmt: skip
        found, unmet = _export(session, installation, ledger, principal, wanted, output)
    _said_exported(session, output, found, unmet, as_json)


@bundle.command("verify")
def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The bundle.")],
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A verifier key that is trusted, of the ledger or a witness, or a file with one a line."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Whose checkpoints count, and how many witnesses must have cosigned.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint kept from earlier, from which the ledger must go on.")
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            help="An entry that tells of keys, as 'prove' writes it: give all up to the last that you have."
        ),
    ] = None,
    timestamp_ca: Annotated[
        Path | None,
        typer.Option(help="Root certificates of authorities whose time stamps in the bundle count (RFC 3161)."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--cover", help="Write what was found as a page to print (HTML).")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that check; else one a processor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a bundle from its first byte to its last: no network, no database, nothing believed but your keys.

    And those that they lead to, by signed statements in entries: of the bundle, and of --history. A key that
    the statements retire counts for the sizes that it signed alone. The last checkpoint seen of each ledger is
    remembered under the data directory, and the next must go on from it, as far as the bundle shows that.

    Exit code 0: clean; 8: altered, or a proof fails; 11: something is missing or cut off; 7: malformed;
    9: not signed by a trusted key, or not enough witnesses; 6: it could not run.
    """
    session = of(context)
    if not key and policy is None:
        raise InvalidInput("--key", "the ledger's verifier key: what is in a bundle cannot vouch for it", None)
    if page is not None:
        _a_file("--cover", page)
        _apart(
            "--cover", page, [file, checkpoint, policy, timestamp_ca, *(history or []), *map(Path, key or [])]
        )
        # A sheet of before says nothing of what is found now.
        _gone(page)
    try:
        with session.progress() as progress:
            task = progress.add_task(f"Verifying {file}", total=None)
            found = verify_bundle(
                file, keys_of(key or []), None if policy is None else read_policy(policy),
                None if checkpoint is None else read_file(checkpoint), history=_history(history or []),
                roots=_roots(timestamp_ca), seen_last=seen(session).last, processes=processes,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )  # fmt: skip
        told = remember(session, found.signed, found.shown)
    except AuditLedgerError as error:
        if as_json and (error.exit_code >= FAILED or isinstance(error, CodecError)):
            print_json({"bundle": str(file), "clean": False, "fault": error.title, "what": str(error)})
        raise
    if page is not None:
        from ledger.bundle.cover import cover

        _write(page, cover(found, file.name, datetime.now(UTC)))
    if as_json:
        print_json({"bundle": str(file), "clean": True, **found_as_json(found), **told})
    else:
        session.out.print("\n".join([*words(file, found), *(f"  {line}" for line in not_compared(told))]))


@bundle.command("page")
def page(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("verify.html"),
    as_json: AsJson = False,
) -> None:
    """Write the verifier as one page for any browser: for whoever gets bundles and has nothing of ours.

    It needs no network, sends nothing, and gives the verdicts of 'bundle verify'.
    """
    from ledger.bundle.page import page as verifier

    _a_file("--output", output)
    data = verifier()
    try:
        durable.put(output, data)
    except OSError as error:
        raise Unavailable(f"{output}: cannot be written: {error.strerror}") from error
    digest = sha256(data).hexdigest()
    if as_json:
        print_json({"page": str(output), "sha256": digest})
    else:
        of(context).out.print(f"{output}: SHA-256 {digest}")


def _roots(path: Path | None) -> Roots:
    if path is None:
        return ()
    from ledger.tlog.stamp import read_roots

    return read_roots(path)


def _history(paths: Sequence[Path]) -> Sequence[Change]:
    if not paths:
        return ()
    # Only who has such entries needs to know events.
    from ledger.domain.keys.standing import changes_in

    return changes_in(map(read_file, paths))


# --- what is asked for ---------------------------------------------------------------------------------


def _one_of(options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value]
    if len(given) != 1:
        raise InvalidInput(", ".join(options), "one of them", " and ".join(given) or None)


def _a_file(option: str, path: Path) -> None:
    """Whether a file can be put there: what is no regular file, as a device, stays. Raises InvalidInput."""
    try:
        other = not S_ISREG(path.lstat().st_mode)
    except OSError:
        # Where it cannot be written, that is said when it is.
        other = False
    if other or not path.name:
        expected = "the name of a file that is not there yet, or of a regular one, which is replaced"
        raise InvalidInput(option, expected, str(path))


def _apart(option: str, path: Path, given: Iterable[Path | None]) -> None:
    """Whether what is written there replaces nothing that is read. Raises InvalidInput."""
    for each in given:
        with suppress(OSError):
            if each is not None and path.samefile(each):
                raise InvalidInput(option, "another file than those that are read", str(path))


def _subject(between: str | None, case: str | None, register: str | None, query: Mapping[str, str]) -> Subject:
    if between is not None:
        start, colon, end = between.partition(":")
        if not (colon and all(each.isascii() and each.isdecimal() and len(each) < 19 for each in (start, end))):
            raise InvalidInput("--range", "FROM:BEFORE, two indexes", between)
        return Subject(RANGE, start=int(start), end=int(end))
    if case is not None:
        return Subject(CASE, stream=case)
    return Subject(LEDGER) if register is None else Subject(REGISTER, register=register, query=query)


def _filters(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise InvalidInput("--where", "COLUMN=VALUE", each)
        found[name] = value
    return found


def _fields(given: Sequence[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for each in given:
        index, colon, path = each.partition(":")
        if not (index.isascii() and index.isdecimal() and len(index) < 19 and colon and path):
            raise InvalidInput("--field", "INDEX:PATH, as 398:purpose", each)
        found.setdefault(int(index), []).append(path)
    return found


def _export(
    session: Session,
    installation: Installation,
    ledger: Ledger,
    principal: Principal,
    wanted: Wanted,
    output: Path,
) -> tuple[Exported, str | None]:
    """What was written, and why witnesses have not cosigned its checkpoint, if they have not."""
    from ledger.application.evidence import export as export_bundle
    from ledger.cli.proofs import cosigned
    from ledger.store.stamped import times_here

    times = times_here(installation.feed, installation.published, session.settings())

    unmet: str | None = None

    def seal(each: Ledger, _: int) -> bytes:
        nonlocal unmet
        note, unmet = cosigned(session, installation.database, each)
        return str(note).encode()

    with _shown(session) as progress:
        found = export_bundle(
            installation, ledger.slug, principal, wanted, output, seal=seal, times=times, progress=progress
        )
    return found, unmet


@contextmanager
def _shown(session: Session) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done."""
    with session.progress() as bars:
        tasks: dict[str, Any] = {}

        def moved(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield moved


# --- what is said --------------------------------------------------------------------------------------


def _said_exported(session: Session, output: Path, found: Exported, unmet: str | None, as_json: bool) -> None:
    from ledger.cli.proofs import not_cosigned, warn

    if as_json:
        content = {**found_as_json(found.verified), **not_cosigned(unmet)}
        print_json({"bundle": str(output), **content, "closed": dict(found.closed)})
        return
    warn(session, unmet)
    session.out.print("\n".join(words(output, found.verified)))
    for word, count in found.closed.items():
        session.out.print(f"  {count} sealed fields are {word}")


def found_as_json(found: Verified) -> dict[str, Any]:
    """What the verifier found, for programs."""
    said, checkpoint = found.manifest, found.signed.checkpoint
    subject = {"kind": said.subject.kind}
    for name in ("start", "end", "stream", "register", "query"):
        value = getattr(said.subject, name)
        if value is not None:
            subject[name] = value
    return {
        "ledger": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex(),
        "subject": subject, "entries": said.entries, "first": found.first, "last": found.last,
        "recorded": [show(each) for each in found.recorded], "disclosures": len(found.disclosures),
        "cosigned": _cosigned(found.signed),
        "since": None if found.since is None else _before(found.since),
        "kept": None if found.kept is None else found.kept.size,
        "basis": None if said.basis is None else {"ground": said.basis.ground, "of": said.basis.of},
        "keys_untold": found.untold,
        "unknown_schemas": list(found.unknown),
        "times": [
            {"first": each.first, "last": each.last, **times_as_json(each.bracket)} for each in found.times
        ],
        "outside": _outside(found),
        "stamps_not_judged": found.unjudged,
    }  # fmt: skip


def _outside(found: Verified) -> list[dict[str, Any]]:
    """The entries whose ``recorded_at`` does not fit what witnesses say."""
    return [
        {
            "index": each.outside.at,
            "recorded_at": show(each.outside.recorded_at),
            **times_as_json(each.bracket),
            "outside": each.outside.how,
        }
        for each in found.times
        if each.outside is not None
    ]


def _appeared(found: Verified) -> list[str]:
    """Of a case or register each entry; of a range or ledger the first, the last, and what is known least."""
    lines = []
    for each, name in noted(found.times, dense=found.manifest.subject.dense):
        bracket = {**times_as_json(each.bracket), "outside": None}
        lines.append(f"  {name}: {appeared(bracket)}")
    return lines


def _before(signed: SignedCheckpoint) -> dict[str, Any]:
    return {"size": signed.checkpoint.size, "cosigned": _cosigned(signed)}


def _cosigned(signed: SignedCheckpoint) -> list[dict[str, str | None]]:
    return [
        {"witness": each.key.name, "at": show_seconds(each.time)}
        for each in signed.signed
        if each.time is not None
    ]


def words(file: Path, found: Verified) -> list[str]:
    """What the verifier found, for people."""
    said, checkpoint = found.manifest, found.signed.checkpoint
    what = {
        LEDGER: "every entry of the ledger",
        RANGE: f"every entry from {found.first} to {found.last}",
        CASE: f"the case {said.subject.stream}, versions {'–'.join(map(str, found.versions or ()))}",
        REGISTER: f"what the register {said.subject.register} names, as the exporter states",
    }[said.subject.kind]
    lines = [
        f"{file}: clean, {said.entries} entries of {checkpoint.origin}: {what}",
        f"  under a checkpoint of {checkpoint.size} entries, root {checkpoint.root.hex()}",
    ]
    lines += [f"  cosigned by {each['witness']} at {each['at']}" for each in _cosigned(found.signed)]
    if found.since is not None:
        lines.append(f"  goes on from the checkpoint of {found.since.checkpoint.size} entries in the bundle")
    if found.kept is not None:
        lines.append(f"  goes on from the checkpoint of {found.kept.size} entries that you kept")
    if found.disclosures:
        lines.append(f"  {len(found.disclosures)} opened fields are what was recorded")
    if found.untold:
        lines.append(f"  {UNTOLD}")
    lines += _appeared(found)
    if found.unjudged:
        lines.append(f"  {found.unjudged} time stamps are not judged: that takes --timestamp-ca and roots")
    if outside := _outside(found):
        lines.append(f"  {warning(outside)}")
    if said.basis is not None:
        lines.append(f"  basis, as the exporter states: PDPA s {said.basis.ground}, {said.basis.of}")
    lines += [f"  schema not known to this program: {name}" for name in found.unknown]
    # The manifest is a stranger's: no line and no colour of the terminal is made by what it says.
    return [
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line) for line in lines
    ]


def _gone(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"{path}: cannot be removed: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """Readable by its owner alone: what was opened stands in it."""
    try:
        durable.put(path, data, mode=0o600)
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written: {error.strerror}") from error
