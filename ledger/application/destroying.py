"""Destruction carried out: the entry first, then keys, rows and files, then its receipt.

One function does it all, whoever calls: the command that was just recorded, a start after a crash or a restore,
and the service each minute. Each step leaves what the next call goes on from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ledger.application.outcome import CommandInput, files_of
from ledger.application.streams import Lookup
from ledger.codec.declare import Attachment, Sealed, sealed_subjects
from ledger.domain.destruction.aggregate import is_named_stream, matter_of
from ledger.domain.destruction.events import DestructionAuthorised, DestructionProposed, DestructionScope
from ledger.domain.destruction.standing import STREAM as DESTRUCTION
from ledger.domain.destruction.standing import holds_on
from ledger.domain.event import CaseEvent, decode_event
from ledger.errors import (
    CodecError,
    Conflict,
    InvalidInput,
    LawRefused,
    OutcomeUnknown,
    Unavailable,
    VaultError,
)
from ledger.law.destruction import ledgers_own_streams_stay, nothing_was_added_since, subject_is_named
from ledger.law.installation import goes_on_from
from ledger.store.feed import StoredRow
from ledger.store.ledgers import COMMON, Ledger
from ledger.vault.sealing import CASE, CONTENT, KEY_NAME, LEDGER_STREAM, mark_of

if TYPE_CHECKING:
    from ledger.application.commands import Commands

PROPOSE, AUTHORISE = "destruction.DestructionProposed", "destruction.DestructionAuthorised"
HOLD = "destruction.HoldPlaced"
Step = Callable[[str], None]


def filled_in(commands: Commands, ledger: Ledger, command: CommandInput) -> CommandInput:
    """A command about destruction with what only the vault and its proposal know; law judges it whole.

    Raises InvalidInput (a key that is not the case's, a hold on what is not there), LawRefused (no subject
    named, something sealed since).
    """
    fields = command.fields
    if command.name == HOLD:
        _holds_what_there_is(commands, ledger, fields)
    if command.name == PROPOSE:
        about = _about(commands, ledger, fields.get("ledger"))
        return replace(command, fields={**fields, "keys": keys_of(commands, about, fields)})
    found = commands.streams.destruction_as_read(ledger.id).destructions.get(fields.get("destruction", ""))
    if command.name != AUTHORISE or found is None:
        return command
    wanted = found.proposed
    about = _about(commands, ledger, wanted.ledger)
    if found.standing in ("proposed", "approved"):
        now: tuple[str, ...] = ()
        if wanted.scope is DestructionScope.CASE or wanted.subject is not None:
            asked = {"scope": wanted.scope, "case": wanted.case, "subject": wanted.subject}
            now = keys_of(commands, about, asked)
        contents = contents_of(commands, about, wanted.case, ())
        # Who destroys at once what they propose destroys what comes in between too: nobody approved less.
        since = [] if found.approved_by is None else _sealed_since(commands, about, wanted)
        nothing_was_added_since((*wanted.keys, *contents), now, since)
    said = ("ledger", "scope", "case", "ground", "disposal_authority")
    same = {name: getattr(wanted, name) for name in said}
    whose = {"proposed_by": wanted.header.actor.id, "approved_by": found.approved_by}
    contents = contents_of(commands, about, wanted.case, wanted.keys)
    keys = {"keys": (*wanted.keys, *contents), "contents": contents}
    return replace(command, fields={**fields, **same, **whose, **keys})


def _holds_what_there_is(commands: Commands, ledger: Ledger, fields: Mapping[str, Any]) -> None:
    """A hold on a key or an organisation that nobody knows would cover nothing. Raises InvalidInput.

    Known is what this ledger has, or a closed one that it goes on from; an organisation also where it is, or
    was, registered, or has a ledger: cases to come may name it.
    """
    keys, organisation = fields.get("keys", ()), fields.get("organisation")
    if not keys and organisation is None:
        return
    origins = (ledger.origin, *Lookup(commands).predecessors(ledger.origin))
    about = [commands.ledgers.by_origin(origin) for origin in origins]
    unknown = set(keys).difference(
        *(commands.shredder.present(each.id, keys, whole=False).keys for each in about)
    )
    for key in sorted(unknown):
        if not _named(commands, about, key):
            raise InvalidInput("keys", "ids of keys under which something is sealed", key)
    if organisation is None or any(each.organisation == organisation for each in commands.ledgers.all()):
        return
    rows = commands.feed.stream(commands.ledgers.get(COMMON).id, organisation, limit=1)
    registered = any(row.event.startswith("ledger.organisation.") for row in rows)
    if not registered and not _named(commands, about, organisation):
        raise InvalidInput(
            "organisation", "the id of an organisation that is registered or named here", organisation
        )


def _named(commands: Commands, about: Iterable[Ledger], text: str) -> bool:
    # Where holds and proposals stand, a word is there because somebody typed it.
    return any(commands.feed.names(each.id, text, beside=DESTRUCTION) for each in about)


def _sealed_since(commands: Commands, ledger: Ledger, wanted: DestructionProposed) -> list[int]:
    """The entries of the case behind a proposal that sealed a value or a file under its keys."""
    if wanted.ledger is not None:
        # Of a closed ledger, which nothing enters: its indexes are not those of the proposal's.
        return []
    keys = frozenset(wanted.keys)
    rows = commands.feed.stream(ledger.id, wanted.case)
    return [row.index for row in rows if row.index > wanted.index and sealed_under((row,), keys) != (0, 0)]


def _about(commands: Commands, ledger: Ledger, origin: str | None) -> Ledger:
    """The ledger whose values go: this one, or a closed one that it goes on from. Raises LawRefused."""
    if origin is None:
        return ledger
    goes_on_from(ledger.origin, origin, Lookup(commands).predecessors(ledger.origin))
    found = commands.ledgers.by_origin(origin)
    # Up to date: no prelude of this ledger reads that one.
    commands.streams.destroyed(found)
    return found


def keys_of(commands: Commands, ledger: Ledger, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the keys that a proposal is about, in order; none where nothing of it is left to destroy.

    Those that entries of the case name are among them where the vault lacks them: a backup brings one back.
    """
    case, stated = fields["case"], fields.get("keys", ())
    whole = fields["scope"] is DestructionScope.CASE
    subject_is_named(whole, fields.get("subject"), stated)
    gone = commands.streams.destroyed_as_read(ledger.id)
    named = subjects_of(commands.feed.stream(ledger.id, case))
    own = {key: subject for key, subject in named.items() if key not in gone}
    for key in commands.live_keys(ledger, case):
        if case != LEDGER_STREAM or key.subject == CASE:
            own[key.id] = key.subject
    if whole:
        chosen = set(own)
    elif stated:
        chosen = set(stated)
        if other := sorted(chosen - set(own)):
            raise InvalidInput("fields.keys", f"keys that serve case {case} and are not destroyed", other[0])
    else:
        chosen = {key for key, subject in own.items() if subject == fields["subject"] != CONTENT}
    return tuple(sorted(chosen))


def contents_of(commands: Commands, ledger: Ledger, case: str, beside: Collection[str]) -> tuple[str, ...]:
    """The keys of what was submitted in a case, but for those ``beside`` them: by one a guess could be told.

    They go with any subject of it, whichever there are by then: two who are proposed share them.
    """
    found = commands.live_keys(ledger, LEDGER_STREAM if is_named_stream(case) else case)
    return tuple(sorted({key.id for key in found if key.subject == CONTENT} - set(beside)))


@dataclass(frozen=True, slots=True)
class Planned:
    """What a destruction would do, before anything is recorded. ``demanded``: whether two people are."""

    case: str
    keys: tuple[str, ...]
    entries: int
    fields: int
    files: int
    holds: tuple[str, ...]
    demanded: bool

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "keys": list(self.keys), "holds": list(self.holds)}


def plan(commands: Commands, ledger: Ledger, fields: Mapping[str, Any]) -> Planned:
    """What a proposal of these fields (JSON) would destroy in a ledger, and which holds stand against it.

    Raises InvalidInput, LawRefused (no subject named), NotFound where nothing is recorded in the case.
    """
    into = commands.streams.recorded_in(ledger)
    standing = commands.streams.destruction(into)
    before = [] if into == ledger else commands.streams.before(ledger, into)
    closed = {each.origin: commands.streams.destruction(each) for each in before}
    commands.streams.destroyed(ledger)
    case = fields["case"]
    scope = DestructionScope(fields["scope"])
    ledgers_own_streams_stay(is_named_stream(case), scope is DestructionScope.CASE)
    keys = keys_of(commands, ledger, {**fields, "scope": scope})
    if keys:
        keys += contents_of(commands, ledger, case, keys)
    matter = matter_of(case, keys, ledger.origin, Lookup(commands))
    holds = holds_on(standing, matter, closed)
    rows = commands.feed.stream(ledger.id, case)
    counts = [sealed_under((row,), frozenset(keys)) for row in rows]
    return Planned(
        case=case, keys=keys, entries=sum(count != (0, 0) for count in counts),
        fields=sum(count[0] for count in counts), files=sum(count[1] for count in counts),
        holds=tuple(sorted(holds)), demanded=any(each.demanded for each in (standing, *closed.values())),
    )  # fmt: skip


def carry_out(commands: Commands, ledger: Ledger) -> None:
    """Finishes what was authorised and has no receipt yet. Raises OutcomeUnknown where it cannot be done now.

    The entry is durable: the next call, the service's next minute or the next start goes on.
    """
    try:
        finish(commands, ledger)
    except (Unavailable, VaultError, OSError) as error:
        raise OutcomeUnknown(
            f"the destruction is recorded, and not carried out yet: {error}; repeat the command with the same "
            "id, or run 'auditledger reconcile'"
        ) from error


def finish(commands: Commands, ledger: Ledger, step: Step = lambda _: None) -> int:
    """Carries out each destruction that has no receipt yet; how many. ``step`` is told what was just done."""
    unfinished = commands.streams.destruction(ledger).unfinished()
    for each in unfinished:
        assert each.case is not None
        about = ledger if each.ledger is None else commands.ledgers.by_origin(each.ledger)
        rows = commands.feed.stream(about.id, each.case)
        remove(commands, about, each, each.keys, step)
        fields, files = sealed_under(rows, frozenset(each.keys))
        said = {"destruction": each.destruction, "keys": len(each.keys), "fields": fields, "files": files}
        if takes_no_more(commands, ledger):
            # Closed, it has no receipt: what the entry destroys is removed all the same, at each look again.
            continue
        try:
            commands.record_as_system(ledger, "destruction.DestructionCompleted", said)
        except (LawRefused, Conflict):
            # Another process was at it too, and its receipt came first.
            if each.destruction in {left.destruction for left in unfinished_now(commands, ledger)}:
                raise
        step("receipt")
    return len(unfinished)


def takes_no_more(commands: Commands, ledger: Ledger) -> bool:
    """Whether a ledger is closed: nothing is recorded there any more."""
    return commands.streams.over(ledger)


def unfinished_now(commands: Commands, ledger: Ledger) -> list[DestructionAuthorised]:
    """What has no receipt, as the database says now."""
    return commands.streams.destruction(ledger).unfinished()


@dataclass(slots=True)
class Removed:
    """What was found and removed; ``rows`` of sealed values, and of the search index."""

    keys: int = 0
    rows: int = 0
    files: int = 0

    def add(self, more: Removed) -> None:
        """Adds what else was removed."""
        self.keys, self.rows, self.files = self.keys + more.keys, self.rows + more.rows, self.files + more.files


def remove(
    commands: Commands, ledger: Ledger, of: DestructionAuthorised, keys: Iterable[str],
    step: Step = lambda _: None,
) -> Removed:  # fmt: skip
    """Removes keys that a destruction names, what entries of its case sealed under them, and their files.

    Durable on return. With them goes a key of contents that was lost when it was authorised, and is back.
    Raises VaultError where something of it is there all the same, Unavailable, OSError.
    """
    assert of.case is not None
    case, named = of.case, sorted(set(keys))
    shredder = commands.shredder
    removed = Removed(shredder.keys(ledger.id, named))
    # From here on nothing is sealed under them, and nobody opens what was: the rest is ciphertext.
    step("keys")
    # Read after the keys went: a command that held one has been committed by now, with its rows.
    entries = commands.feed.stream(ledger.id, case)
    before = of.index if of.ledger is None else None
    removed.keys += shredder.keys(ledger.id, _telling(commands, ledger, case, entries, before))
    places = [row.index for row in entries]
    for row in entries:
        # What is newer than this version stays ciphertext without a key, until a newer one reconciles.
        with suppress(CodecError):
            places += [mark for mark, _ in marks_of(row)]
    removed.rows = shredder.rows(ledger.id, named, places)
    step("rows")
    removed.rows += shredder.tokens(ledger.id, named)
    step("tokens")
    shredder.attachments(ledger.id, named)
    step("attachments")
    removed.files = commands.files.remove(ledger.id, named)
    step("files")
    left = shredder.present(ledger.id, named, whole=False).all() | (commands.files.held(ledger.id) & set(named))
    if left:
        raise VaultError(f"{ledger.slug}: key {min(left)}: expected to be destroyed, it is there again")
    return removed


def _telling(
    commands: Commands, ledger: Ledger, case: str, rows: Iterable[StoredRow], before: int | None
) -> list[str]:
    """The keys in the vault by which repeats of what a case recorded ``before`` an index are told (None: ever).

    Entries name no more of such a key than its first bytes, so that a destruction cannot name one that is lost.
    """
    macs = [row.content_mac for row in rows if before is None or row.index < before]
    told = {mac[:KEY_NAME].hex() for mac in macs if mac is not None}
    found = commands.vault_keys.keys_of(ledger.id, LEDGER_STREAM if is_named_stream(case) else case)
    return [key.id for key in found if key.subject == CONTENT and key.id[: 2 * KEY_NAME] in told]


def sealed_under(rows: Iterable[StoredRow], keys: frozenset[str]) -> tuple[int, int]:
    """How many sealed fields, and how many files, of these entries are under these keys."""
    fields = files = 0
    for row in rows:
        for sealed, is_file in sealed_in(row):
            if sealed.key in keys:
                fields, files = fields + (not is_file), files + is_file
    return fields, files


def subjects_of(rows: Iterable[StoredRow]) -> dict[str, str]:
    """The keys that entries name, whether the vault has them or not, each with the subject whose it is."""
    found: dict[str, str] = {}
    for row in rows:
        # Which those of an entry newer than this version are, a newer one knows.
        with suppress(CodecError):
            event = decode_event(row.decoded)
            found |= {sealed.key: subject for subject, sealed in _fields(event)}
            found |= {file.key: CASE for _, file in files_of(event)}
    return found


def marks_of(row: StoredRow) -> set[tuple[int, str]]:
    """The (mark, key) of each vault row of an entry, where the vault is in a database of its own.

    Raises CodecError for an entry that is newer than this version.
    """
    firsts: dict[str, bytes] = {}
    for _, sealed in _fields(decode_event(row.decoded)):
        firsts.setdefault(sealed.key, sealed.commitment)
    return {(mark_of(first), key) for key, first in firsts.items()}


def sealed_in(row: StoredRow) -> Iterable[tuple[Sealed | Attachment, bool]]:
    """What an entry has sealed, and its files; nothing of one that is newer than this version."""
    try:
        event = decode_event(row.decoded)
    except CodecError:
        return
    for _, sealed in _fields(event):
        yield sealed, False
    for _, file in files_of(event):
        yield file, True


def _fields(event: CaseEvent) -> Iterable[tuple[str, Sealed]]:
    """The sealed fields of an event in the order of the entry, each with the subject whose key it is under."""
    corrects = event.header.corrects
    if corrects is not None and isinstance(corrects.reason, Sealed):
        yield CASE, corrects.reason
    yield from sealed_subjects(event)
