"""Everything opened once a process: database, vault, writer, feed; and the way of a command through them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ledger.application.cases import LedgerApplication
from ledger.application.chosen import case_for
from ledger.application.destroying import AUTHORISE, carry_out, filled_in
from ledger.application.emergency import Emergencies, is_opening
from ledger.application.outcome import (
    MEDIA_TYPE,
    CommandInput,
    Outcome,
    Principal,
    asked_for,
    parse_command,
    parse_command_id,
    receipts_of,
)
from ledger.application.streams import JUDGED_AGAINST, Lookup, Streams
from ledger.clock import Clock, SimulatedClock, SystemClock, melbourne_date
from ledger.codec.entry import Precision, Source, SourceKind
from ledger.domain.case import Case, CommandSpec, Context, command_table
from ledger.domain.destruction.standing import STREAM as DESTRUCTION
from ledger.domain.event import CaseEvent, Header, decode_event
from ledger.errors import (
    CodecError,
    CommandReused,
    Conflict,
    ContentDestroyed,
    Forbidden,
    InvalidInput,
    LawRefused,
    NotFound,
    Unavailable,
)
from ledger.law.general import Role
from ledger.law.installation import ledger_is_open
from ledger.store.ahead import AheadWriter, Submits
from ledger.store.database import Database
from ledger.store.database import Role as DatabaseRole
from ledger.store.feed import Feed, StoredRow
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.mapper import Batch, sealing_into
from ledger.store.pools import pool
from ledger.store.prefix import not_behind
from ledger.store.published import Published
from ledger.store.recorder import LedgerRecorder
from ledger.store.settle import FirstReceipts
from ledger.store.submission import Receipt
from ledger.store.writer import Writer
from ledger.vault import ahead
from ledger.vault.attachments import FOLDER as ATTACHMENTS
from ledger.vault.attachments import AttachmentFiles
from ledger.vault.identity import agreed
from ledger.vault.kek import KEK_FILE
from ledger.vault.ring import KekRing, KekSource
from ledger.vault.sealing import CONTENT, LEDGER_STREAM, ContentKeys, SealingSession, WrappedKey
from ledger.vault.searching import SearchIndex
from ledger.vault.shredding import Shredder
from ledger.vault.store import Kept, KeyGone, Opener, VaultKeys

if TYPE_CHECKING:
    # It loads structlog, which only the service needs.
    from ledger.store.supervise import Supervisor
    from ledger.store.witness_gate import WitnessGate

TRIES = 32
"""How often a command is judged again because its case moved on meanwhile."""
HOLDING = 32
"""Connections by which keys of a vault in its own database are held: as many commands are committed at once."""
SYSTEM = Principal("system", "system", "system")
SYSTEM_SOURCE = Source(SourceKind.SYSTEM)
DEFAULT_REGULATOR = "ovic"


class Commands:
    """One database of ledgers with its data directory, and the way of a command through it."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        *,
        clock: Clock | None = None,
        regulator: str = DEFAULT_REGULATOR,
        kek: KekSource | None = None,
        vault: Database | None = None,
        tiles_url: str | None = None,
    ) -> None:
        """Opens what a process needs. ``regulator`` is the slug of the regulator's ledger.

        ``kek``: where the key-encryption keys are; else the file ``kek`` of the data directory. ``vault``: the
        database that holds the vault alone; else that of the ledgers does. ``tiles_url``: where its files are
        published; else in the folder ``tiles`` of the data directory.

        Raises Unavailable, SettingsError (another vault than these ledgers have), VaultError (key-encryption
        key missing while wrapped keys exist).
        """
        self.database = database
        self.vault = vault or database
        self.data_dir = data_dir
        self.clock: Clock = clock or SystemClock()
        self.regulator = regulator
        self.published = Published(data_dir, tiles_url)
        self._pools = [pool(self.vault, DatabaseRole.WRITER), pool(self.vault, DatabaseRole.VAULT)]
        writer_pool, vault_pool = self._pools
        try:
            if vault is None:
                standing = agreed(writer_pool.connection, None)
            else:
                standing = agreed(lambda: database.connect(DatabaseRole.WRITER), writer_pool.connection)
            self.kek = KekRing(kek or KekSource(data_dir / KEK_FILE), keys_exist=standing.keys)
            self.ledgers = Ledgers(database)
            self.feed = Feed(database)
            self.streams = Streams(self.feed, self.ledgers, regulator)
            self.emergencies = Emergencies(self.feed)
            writer = Writer(database)
            self.writer: Submits = writer
            if vault is not None:
                holding = pool(
                    vault, DatabaseRole.WRITER, name="holding", connections=HOLDING, configure=ahead.configure
                )
                self._pools.append(holding)
                self.writer = AheadWriter(writer, ahead.Ahead(holding.connection))
        except BaseException:
            for each in self._pools:
                each.close()
            raise
        destroyed = self.streams.destroyed_now
        self.vault_keys = VaultKeys(writer_pool.connection, self.kek, destroyed)
        self.opener = Opener(vault_pool.connection, self.kek, destroyed)
        self.kept = Kept(vault_pool.connection)
        self.shredder = Shredder(vault_pool.connection)
        self.sweep = ahead.Sweep(vault_pool.connection)
        self.search_index = SearchIndex(vault_pool.connection, self.vault_keys)
        self.files = AttachmentFiles(data_dir / ATTACHMENTS)
        self._applications: dict[int, LedgerApplication] = {}
        self.supervisor: Supervisor | None = None
        """What keeps an embedded database up, in a service that does."""
        self.compared: set[int] = set()
        """Ledgers, by number, that this process has compared with what is published of them."""
        self._noted: dict[int, tuple[float, bool]] = {}
        """By ledger: when it was asked whether keys are noted as lost, and what the vault said."""
        self.gate: WitnessGate | None = None
        """What refuses to go on without witnesses, where that is set."""

    def close(self) -> None:
        """Finishes what was submitted and lets go of every connection."""
        self.writer.close()
        self.feed.close()
        for each in self._pools:
            each.close()
        self.kek.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def application(self, ledger: Ledger) -> LedgerApplication:
        """eventsourcing's application of a ledger."""
        found = self._applications.get(ledger.id)
        if found is None:
            recorder = LedgerRecorder(self.writer, self.feed, ledger.id)
            found = self._applications.setdefault(ledger.id, LedgerApplication(ledger, recorder))
        return found

    # --- commands --------------------------------------------------------------------------------------------

    def execute(
        self,
        slug: str,
        command: str,
        body: Mapping[str, Any],
        *,
        principal: Principal,
        command_id: str,
        expected_version: int | None = None,
        source: Source | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Records what a command says, if law lets it; a repeat gets its first receipts and adds nothing.

        ``body``: {"case", "happened", "fields", "corrects"}; ``expected_version``: the case's version that
        the caller saw (If-Match); ``given``: what a repeat must match in place of the body, where that is new
        at each attempt (files that were kept, positions). Raises InvalidInput, NotFound, Forbidden, LawRefused,
        Conflict, CommandReused, Unavailable (nothing was written), OutcomeUnknown (repeat with the same id).
        What the entry says is destroyed, is destroyed on return.
        """
        ledger = self.ledgers.get(slug)
        parsed = parse_command(command, body)
        if given is not None:
            parsed = replace(parsed, canonical=asked_for(command, given))
        source = source or Source(SourceKind.API)
        outcome = self._execute(
            ledger, parsed, principal, parse_command_id(command_id), expected_version, source
        )
        if command == AUTHORISE:
            carry_out(self, ledger)
        return outcome

    def recorded(
        self, slug: str, command: str, given: Mapping[str, Any], *, principal: Principal, command_id: str
    ) -> Outcome | None:
        """The first outcome of what was ``given`` to ``execute`` under this id; None where nothing was.

        Raises CommandReused, Forbidden, NotFound.
        """
        ledger = self.ledgers.get(slug)
        for stream in JUDGED_AGAINST:
            self.streams.facts(ledger, stream)
        rows = self.feed.by_command(ledger.id, parse_command_id(command_id))
        canonical = asked_for(command, given)
        specs = command_table()[command]
        repeat = CommandInput(command, specs, None, None, Precision.UNKNOWN, {}, None, canonical)
        return self._first_outcome(ledger, repeat, command_id, rows, principal, None)

    def _execute(
        self,
        ledger: Ledger,
        command: CommandInput,
        principal: Principal,
        command_id: str,
        expected_version: int | None,
        source: Source,
        *,
        role: Role | None = None,
    ) -> Outcome:
        """``role``: the role already established (the system's, an auditor's of another organisation)."""
        for attempt in range(TRIES):
            recorded, facts = self._prelude(ledger, command, command_id)
            first = self._first_outcome(ledger, command, command_id, recorded, principal, role)
            if first is not None:
                return first
            try:
                return self._attempt(
                    ledger, command, facts, principal, command_id, expected_version, source, role
                )
            except (LawRefused, Conflict, InvalidInput, NotFound, CommandReused, KeyGone) as error:
                # A repeat of ours may have been recorded meanwhile: then that is the answer, not this error.
                recorded = self.feed.by_command(ledger.id, command_id)
                first = self._first_outcome(ledger, command, command_id, recorded, principal, role)
                if first is not None:
                    return first
                if role is None:
                    # Who may not write here learns that, and nothing of what is here.
                    self._role_for_any(ledger, command, principal)
                again = isinstance(error, Conflict | KeyGone) and expected_version is None
                if not again or attempt == TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def record_as_system(
        self,
        ledger: Ledger,
        command: str,
        fields: Mapping[str, Any],
        *,
        case: str | None = None,
        happened: str | None = "today",
        command_id: str | None = None,
    ) -> Outcome:
        """Records a command as the system, in no person's name. Raises as ``execute``."""
        if happened == "today":
            happened = melbourne_date(self.clock.now()).isoformat()
        body = {"case": case, "happened": happened, "fields": dict(fields)}
        parsed = parse_command(command, body)
        command_id = command_id or str(uuid.uuid4())
        return self._execute(ledger, parsed, SYSTEM, command_id, None, SYSTEM_SOURCE, role=Role.SYSTEM)

    def _prelude(
        self, ledger: Ledger, command: CommandInput, command_id: str
    ) -> tuple[list[StoredRow], Sequence[CaseEvent]]:
        """What the command recorded already, and the facts of its case; brings what every command is judged
        against up to the same moment.
        """
        wanted = self.streams.positions(ledger)
        kept = command.stream in wanted
        opening = is_opening(command)
        if command.stream is not None and not kept:
            wanted[command.stream] = self.emergencies.version(ledger) if opening else 0
        recorded, found = self.feed.prelude(ledger.id, command_id, wanted)
        for stream, rows in found.items():
            if stream in JUDGED_AGAINST:
                self.streams.extend(ledger, stream, rows)
        if kept and command.stream is not None:
            return recorded, self.streams.as_read(ledger, command.stream)
        rows = found.get(command.stream or "", [])
        if opening:
            self.emergencies.extend(ledger, rows)
            return recorded, ()
        return recorded, [decode_event(row.decoded) for row in rows]

    def _begun(self, ledger: Ledger, command: CommandInput) -> Case | None:
        """The case of a stream that is kept, the caller's own; None where its facts are read anew."""
        if command.stream == DESTRUCTION:
            return self.streams.destruction_record(ledger)
        return self.emergencies.record(ledger) if is_opening(command) else None

    def _first_outcome(
        self,
        ledger: Ledger,
        command: CommandInput,
        command_id: str,
        rows: Sequence[StoredRow],
        principal: Principal,
        role: Role | None,
    ) -> Outcome | None:
        """What the command recorded, if it did.

        Raises CommandReused where the content was another; Forbidden for who did not record it and may not
        give such a command: command ids stand in entries, and the answer would tell them whether a guess at
        a sealed value is right.
        """
        if not rows:
            return None
        if role is None:
            author = rows[0].decoded.actor
            if (author.id, author.organisation) != (principal.person, principal.organisation):
                self._role_for_any(ledger, command, principal)
        if rows[0].content_mac is not None:
            stream = command.specs[0].stream
            owner = rows[0].stream if stream is None else LEDGER_STREAM
            keys = self.content_keys(ledger, owner)
            # Without its key (destroyed with the case) a repeat gets the first receipt unchecked (4-wire).
            if keys.same(rows[0].content_mac, command.canonical) is False:
                raise CommandReused(f"command id {command_id} was used for other content; take a new id")
        return Outcome(rows[-1].stream, rows[-1].version, receipts_of(ledger, rows), repeated=True)

    def may_go_on(self, ledger: Ledger) -> None:
        """Raises Diverged where the database was set back behind what is published: an entry more would be a
        fork, which no refill mends.

        Unavailable where entries may not be without a witness for so long, and have been. A demonstration goes
        on: its clock is simulated.
        """
        if ledger.id not in self.compared:
            # Files that are lost or away keep nobody from writing: sealing tells of them.
            with suppress(Unavailable, NotFound, CodecError):
                not_behind(self.feed, self.published.of(ledger), ledger)
            self.compared.add(ledger.id)
        if self.gate is not None and not ledger.demonstration:
            self.gate.check(ledger)

    def content_keys(self, ledger: Ledger, owner: str) -> ContentKeys:
        """The keys under which ``content_mac`` of a case's commands is made (of a ledger's: LEDGER_STREAM)."""
        return ContentKeys(
            (wrapped.id, self.kek.unwrap(wrapped.id, wrapped.wrapped, wrapped.kek_id))
            for wrapped in self.live_keys(ledger, owner)
            if wrapped.subject == CONTENT
        )

    def live_keys(self, ledger: Ledger, stream: str) -> list[WrappedKey]:
        """The wrapped keys of a case, oldest first, without those that an entry destroyed, as last read.

        A backup may have brought one back: nothing is sealed under it, nor told by it, until it is gone again.
        """
        gone = self.streams.destroyed_as_read(ledger.id)
        return [key for key in self.vault_keys.keys_of(ledger.id, stream) if key.id not in gone]

    def _attempt(
        self,
        ledger: Ledger,
        command: CommandInput,
        facts: Sequence[CaseEvent],
        principal: Principal,
        command_id: str,
        expected_version: int | None,
        source: Source,
        role: Role | None,
    ) -> Outcome:
        ledger_is_open(ledger.origin, self.streams.closed(ledger))
        self.may_go_on(ledger)
        application = self.application(ledger)
        self.simulated_moment(ledger)
        case, spec = case_for(ledger, command, facts, source, self._begun(ledger, command))
        now = self.clock.now()
        today = melbourne_date(now)
        if role is None:
            role = self.streams.role_for(ledger, principal, spec.name, spec.roles, today)
        if spec.stream == DESTRUCTION:
            command = filled_in(self, ledger, command)
        if expected_version is not None and case.version != expected_version:
            raise Conflict(f"case {case.id}: expected version {expected_version}, it is at {case.version}")
        fresh = case.version == 0 and spec.stream is None
        session = SealingSession(self.kek, self._lookup_keys(ledger, case.id if fresh else None))
        header = Header(
            command.happened_on,
            command.precision,
            principal.acting_as(role),
            source,
            command_id,
            0,
            command.corrects,
        )
        context = Context(
            now,
            today,
            header.actor,
            self.streams.calendar(ledger),
            source.kind is SourceKind.IMPORT,
            ledger.origin,
            ledger.organisation,
            ledger.slug == self.regulator,
            Lookup(self),
        )
        proposed = spec.event(case.id, case.version + 1, now, header, **command.fields)  # type: ignore[call-arg]
        case.judge(proposed, context)
        self.check_files(ledger, case.id, command)
        case.trigger_event(spec.event, timestamp=now, header=header, **command.fields)
        return self._save(application, case, session, spec, command)

    def _save(
        self,
        application: LedgerApplication,
        case: Case,
        session: SealingSession,
        spec: CommandSpec,
        command: CommandInput,
    ) -> Outcome:
        """Raises Conflict where the writer found the command recorded: its first outcome is not made here."""
        answers: list[list[Receipt]] = []
        mac = session.content_mac(case.id if spec.stream is None else LEDGER_STREAM, command.canonical)
        with sealing_into(Batch(session)) as batch:
            # eventsourcing's event store itself: Application.save would look the same events over for snapshots
            # and followers, of which a ledger has none.
            application.events.put(
                case.collect_events(),
                headers=batch.headers,
                rows=batch.rows,
                keys=session.new_keys,
                content_mac=mac,
                moment=self.simulated_moment(application.ledger),
                answers=answers,
            )
        (receipts,) = answers
        if isinstance(receipts, FirstReceipts):
            # Given twice at one moment, or by a try of our own whose answer was lost; ``case`` stands nowhere.
            raise Conflict(f"case {case.id}: the command was recorded meanwhile")
        return Outcome(case.id, case.version, tuple(receipts), repeated=False)

    def _lookup_keys(self, ledger: Ledger, fresh: str | None) -> Callable[[str], Sequence[WrappedKey]]:
        """Wrapped keys by stream; a case that has no entry yet has no key yet."""
        return lambda stream: () if stream == fresh else self.live_keys(ledger, stream)

    def check_files(self, ledger: Ledger, stream: str, command: CommandInput) -> None:
        """Every file that the fields name is kept for just that field of that case (4-wire 'Entry').

        Raises InvalidInput: a file that nobody kept, of another case, or of a media type that is none.
        """
        named = command.attachments()
        if not named:
            return
        own = {key.id for key in self.live_keys(ledger, stream)}
        for path, file in named:
            kept = None
            if file.key in own:
                with suppress(NotFound, ContentDestroyed):
                    kept, _ = self.opener.attachment(ledger.id, file.key, file.commitment)
            if kept is None or (kept.path, kept.length) != (f"{path}.content", file.length):
                raise InvalidInput(f"fields.{path}", "a file kept for this field of this case", "another")
            if not MEDIA_TYPE.fullmatch(file.media_type):
                raise InvalidInput(
                    f"fields.{path}.media_type", "a media type, as application/pdf", "another text"
                )

    def _role_for_any(self, ledger: Ledger, command: CommandInput, principal: Principal) -> None:
        """Raises Forbidden where the person has no role that gives the command in any kind of case."""
        allowed = frozenset[Role]().union(*(spec.roles for spec in command.specs))
        self.streams.role_for(ledger, principal, command.name, allowed, melbourne_date(self.clock.now()))

    def simulated_moment(self, ledger: Ledger) -> datetime | None:
        """The moment of a simulated clock; None for the machine's, which the writer reads itself.

        Raises InvalidInput where the clock is simulated and the ledger no demonstration (issue 3 section 7).
        """
        if not isinstance(self.clock, SimulatedClock):
            return None
        if not ledger.demonstration:
            raise InvalidInput("clock", f"the machine's: {ledger.slug} is no demonstration", "a simulated one")
        return self.clock.now()

    def _may_write(self, ledger: Ledger, principal: Principal) -> None:
        if not self.streams.roles(ledger, principal, melbourne_date(self.clock.now())):
            raise Forbidden(f"{principal.person} holds no role in {ledger.slug}")
