"""Several commands of one case that enter together or not at all: what a row of an import amounts to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.application.commands import Commands
from ledger.application.outcome import CommandInput, Principal, parse_command, parse_command_id
from ledger.application.streams import JUDGED_AGAINST, Lookup
from ledger.clock import melbourne_date
from ledger.codec.entry import Source, SourceKind
from ledger.domain.case import Case, CommandSpec, Context
from ledger.domain.event import CaseEvent, Header, decode_event
from ledger.errors import CommandReused, InvalidInput, LawRefused, NotFound
from ledger.law.general import lives_where_it_belongs
from ledger.law.installation import ledger_is_open
from ledger.store.feed import StoredRow
from ledger.store.ledgers import COMMON
from ledger.store.mapper import Batch, sealing_into
from ledger.store.submission import Submission, draft
from ledger.vault.sealing import LEDGER_STREAM, ContentKeys, SealingSession

UNPLACED = 1 << 62
"""Index that a judged step has while it has no place: behind every entry that a ledger will ever have."""
_UNPLACED = re.compile(r"entry 46\d{17}")


@dataclass(frozen=True, slots=True)
class Step:
    """One of the commands: its name, its input as for ``execute``, its id."""

    command: str
    body: Mapping[str, Any]
    command_id: str


class Together:
    """Judges and records commands of one ledger, several at a time, for one person."""

    def __init__(self, commands: Commands, slug: str, principal: Principal) -> None:
        """Raises NotFound where no ledger has the slug."""
        self._commands = commands
        self.ledger = commands.ledgers.get(slug)
        self._principal = principal
        for stream in JUDGED_AGAINST:
            commands.streams.facts(self.ledger, stream)

    def judge(self, case: Case | None, stream: str, steps: Iterable[Step], source: Source) -> Case:
        """The case as it would stand after the steps; nothing is written, ``case`` itself is taken further.

        By roles and calendar as they were when this was made, or at the last ``submit``. Raises what
        ``execute`` raises where law, or the form of the input, refuses a step.
        """
        for step in steps:
            case, _ = self._take(case, stream, step, source)
        if case is None:
            raise InvalidInput("steps", "at least one", 0)
        return case

    def submit(self, stream: str, steps: Sequence[Step], source: Source) -> Submission | None:
        """Judges the steps against the case as it is now and submits them as one; does not wait.

        None where the steps were recorded before. Raises at once as ``judge``, and CommandReused;
        the result raises as ``Writer.submit``'s (Conflict: the case moved on). Where the vault is in a database
        of its own, it waits, and raises what that says at once (KeyGone, Unavailable).
        """
        commands, ledger = self._commands, self.ledger
        case, repeated = self._read(stream, steps)
        if repeated:
            self._check_repeat(stream, steps)
            return None
        commands.may_go_on(ledger)
        session = SealingSession(commands.kek, commands._lookup_keys(ledger, stream if case is None else None))
        macs: dict[str, bytes] = {}
        for step in steps:
            case, (spec, command) = self._take(case, stream, step, source)
            owner = stream if spec.stream is None else LEDGER_STREAM
            macs[parse_command_id(step.command_id)] = session.content_mac(owner, command.canonical)
        assert case is not None
        with sealing_into(Batch(session)) as batch:
            mapper = commands.application(ledger).mapper
            stored = [mapper.to_stored_event(event) for event in case.collect_events()]
        drafts = [
            draft(
                stream=stream,
                version=event.originator_version,
                event=event.topic,
                happened_on=header.happened_on,
                precision=header.precision,
                actor=header.actor,
                source=header.source,
                command=header.command,
                part=header.part,
                corrects=header.corrects,
                payload=event.state,
                content_mac=macs[header.command],
            )
            for event, header in zip(stored, batch.headers, strict=True)
        ]
        moment = commands.simulated_moment(ledger)
        return commands.writer.submit(ledger.id, drafts, keys=session.new_keys, rows=batch.rows, moment=moment)

    def content_keys(self, stream: str) -> ContentKeys:
        """The keys under which ``content_mac`` of the case's commands is made; none where they are gone."""
        return self._commands.content_keys(self.ledger, stream)

    def _check_repeat(self, stream: str, steps: Sequence[Step]) -> None:
        """All of the steps were recorded with this content, together. Raises CommandReused."""
        keys = self.content_keys(stream)
        for step in steps:
            rows = self._commands.feed.by_command(self.ledger.id, parse_command_id(step.command_id))
            mac = rows[0].content_mac if rows else None
            if not rows or keys.same(mac, canonical(step.command, stream, step.body)) is False:
                raise CommandReused(f"case {stream}: the same step was recorded meanwhile with other content")

    def _read(self, stream: str, steps: Sequence[Step]) -> tuple[Case | None, bool]:
        """The case as it is now, and whether the steps were recorded before.

        In the same round trip roles and calendar come up to the same moment.
        """
        if not steps:
            raise InvalidInput("steps", "at least one", 0)
        streams = self._commands.streams
        wanted = {**streams.positions(self.ledger), stream: 0}
        recorded, found = self._commands.feed.prelude(self.ledger.id, steps[0].command_id, wanted)
        for each in JUDGED_AGAINST:
            streams.extend(self.ledger, each, found.get(each, []))
        return case_of(found.get(stream, []))[0], bool(recorded)

    def _take(
        self, case: Case | None, stream: str, step: Step, source: Source
    ) -> tuple[Case, tuple[CommandSpec, CommandInput]]:
        commands, ledger = self._commands, self.ledger
        ledger_is_open(ledger.origin, commands.streams.closed(ledger))
        command = parse_command(step.command, {**step.body, "case": stream})
        spec = self._spec(case, command, stream)
        now = commands.clock.now()
        today = melbourne_date(now)
        role = commands.streams.role_for(ledger, self._principal, spec.name, spec.roles, today)
        header = Header(
            command.happened_on,
            command.precision,
            self._principal.acting_as(role),
            source,
            parse_command_id(step.command_id),
            0,
            command.corrects,
            UNPLACED + (0 if case is None else case.version),
        )
        context = Context(
            now,
            today,
            header.actor,
            commands.streams.calendar(ledger),
            source.kind is SourceKind.IMPORT,
            ledger.origin,
            ledger.organisation,
            ledger.slug == commands.regulator,
            Lookup(commands),
        )
        if case is None:
            case = spec.case.blank(stream)
        proposed = spec.event(case.id, case.version + 1, now, header, **command.fields)  # type: ignore[call-arg]
        try:
            case.judge(proposed, context)
        except LawRefused as refused:
            # The law names later entries by index; a step of the same submission has none to be named by.
            reason = _UNPLACED.sub("another step given with it", refused.reason)
            raise LawRefused(refused.citation, reason) from refused
        commands.check_files(ledger, case.id, command)
        case.trigger_event(spec.event, timestamp=now, header=header, **command.fields)
        return case, (spec, command)

    def _spec(self, case: Case | None, command: CommandInput, stream: str) -> CommandSpec:
        if case is None:
            first = command.specs[0]
            if not first.opens and first.stream is None:
                raise NotFound(f"case {stream}: nothing is recorded in it; {command.name} opens no case")
            lives_where_it_belongs(first.case.in_common, self.ledger.slug == COMMON)
            return first
        for spec in command.specs:
            if isinstance(case, spec.case):
                return spec
        kinds = ", ".join(sorted(spec.case.__name__ for spec in command.specs))
        raise InvalidInput("case", f"a case of kind {kinds} for {command.name}", type(case).__name__)


def case_of(rows: Iterable[StoredRow]) -> tuple[Case | None, list[CaseEvent]]:
    """A stream's case and its facts, folded from its entries; None where there are none."""
    case: Case | None = None
    facts: list[CaseEvent] = []
    for row in rows:
        fact = decode_event(row.decoded)
        facts.append(fact)
        case = fact.mutate(case)
    return case, facts


def canonical(command: str, stream: str, body: Mapping[str, Any]) -> bytes:
    """The canonical JSON of a command of this content, of which ``content_mac`` is made."""
    return parse_command(command, {**body, "case": stream}).canonical
