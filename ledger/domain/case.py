"""The base of every aggregate: a case is its facts; commands are checks of a proposed fact against them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, ClassVar, Protocol, Self, TypeVar

from eventsourcing.domain import BaseAggregate, CanMutateAggregate

import ledger.domain
from ledger.codec.declare import CaseRef
from ledger.codec.entry import Actor
from ledger.domain.event import CaseEvent, effective
from ledger.errors import InvalidInput, LawRefused, NotFound
from ledger.law import general
from ledger.law.calendar import Calendar
from ledger.law.general import CASE_WRITERS, Role, missing
from ledger.tlog.note import VerifierKey

F = TypeVar("F", bound=Callable[..., None])

__all__ = [
    "CASE_WRITERS",
    "Case",
    "CommandSpec",
    "Context",
    "Lookup",
    "Role",
    "case_class_of",
    "command",
    "command_name",
    "command_table",
    "load_cases",
    "stated",
]


class Lookup(Protocol):
    """How a rule sees other cases: by id, without lock (a choice of 5-architecture)."""

    def organisation(self, organisation: str) -> Case | None:
        """The organisation's case in ``common``, or None where none is registered under that id."""
        ...

    def case(self, ref: CaseRef) -> Case:
        """A case of this or another ledger. Raises NotFound, InvalidInput (of a size not reached yet)."""
        ...

    def size_of(self, origin: str) -> int:
        """How many entries a ledger has now. Raises NotFound."""
        ...

    def predecessors(self, origin: str) -> Collection[str]:
        """The closed ledgers that a ledger goes on from, and so speaks for. Raises NotFound."""
        ...

    def unreviewed_accesses(self, origin: str) -> Collection[int]:
        """The entries that took emergency access to a ledger that is not reviewed. Raises NotFound."""
        ...

    def before(self, origin: str, heir: str) -> Sequence[str]:
        """A closed ledger and those, closed too, by which ``heir`` goes on from it, oldest first."""
        ...

    def signers_of(self, origin: str, named: Iterable[VerifierKey]) -> set[VerifierKey]:
        """Those of the named keys that have signed the published checkpoint of a ledger. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a command is judged in: the moment, who acts, the calendar, and other cases."""

    now: datetime
    today: date
    actor: Actor
    calendar: Calendar
    imported: bool
    """True for an import: what a row does not state is a gap, never a refusal."""
    ledger: str
    """Origin of the ledger written to."""
    organisation_id: str
    """The organisation that the ledger belongs to."""
    regulators: bool
    """Whether it is the regulator's ledger."""
    lookup: Lookup


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One row of the table of commands: it feeds CLI, HTTP, OpenAPI, import and demonstration."""

    name: str
    """``<area>.<Event>``: the first event that the command records."""
    event: type[CaseEvent]
    method: str
    roles: frozenset[Role]
    opens: bool
    """True for a command that starts a case."""
    stream: str | None
    """The named stream it writes to (``calendar``, ``ledger``, …), or None for a case of its own."""
    case: type[Case]
    doc: str


def command_name(event: type[CaseEvent]) -> str:
    """``request.RequestReceived`` for ``ledger.request.v1.RequestReceived``."""
    _, area, _, name = event.name.split(".")
    return f"{area}.{name}"


def command(
    event: type[CaseEvent],
    *,
    roles: frozenset[Role] | None,
    opens: bool = False,
    stream: str | None = None,
) -> Callable[[F], F]:
    """Declares a method of an aggregate as the check of a command; it raises, or returns None.

    ``roles`` None: those that the other commands of such a case take, and no others. ``stream`` names the one
    stream such entries go to; the first of them opens it.
    """

    def mark(method: F) -> F:
        method.__command__ = (event, roles, opens, stream)  # type: ignore[attr-defined]
        return method

    return mark


def stated(value: object) -> bool:
    """Whether a fact is stated: sealed, or not None and not blank or empty."""
    return not missing(value)


class Case(BaseAggregate[str]):
    """A stream's aggregate: all its facts, its history as corrected, and the commands it takes."""

    class Event(CanMutateAggregate[str]):
        """Never triggered: events are module-level, declared with ``avro_event``."""

    commands: ClassVar[dict[str, CommandSpec]] = {}
    area: ClassVar[str] = ""
    in_common: ClassVar[bool | None] = None
    """Whether such a case lives in ``common``, and only there; False: never there; None: in any ledger."""

    facts: list[CaseEvent]
    _history: list[CaseEvent] | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.commands = {}
        declared = [
            (method_name, method, *method.__command__)
            for owner in reversed(cls.__mro__)
            for method_name, method in vars(owner).items()
            if hasattr(method, "__command__")
        ]
        own = frozenset[Role]().union(*(roles for _, _, _, roles, _, _ in declared if roles is not None))
        for method_name, method, event, roles, opens, stream in declared:
            spec = CommandSpec(
                command_name(event), event, method_name, own if roles is None else roles, opens, stream, cls,
                " ".join((method.__doc__ or "").split()),
            )  # fmt: skip
            cls.commands[spec.name] = spec
            if opens or stream:
                _OPENED_BY.setdefault(event, cls)

    @classmethod
    def blank(cls, stream: str) -> Self:
        """A case with no facts yet."""
        case = cls.__new__(cls)
        case.__base_init__(stream, 0, datetime.now(UTC))
        case.facts = []
        case._history = None
        return case

    def copied(self) -> Self:
        """The same case: what is added to it leaves this one as it is."""
        case = self.blank(self.id)
        case.facts, case._history = [*self.facts], self._history
        case.version, case.modified_on = self.version, self.modified_on
        return case

    def take(self, fact: CaseEvent) -> None:
        """Adds a fact. Raises InvalidInput where its version is not the next one."""
        if fact.originator_version != self.version + 1:
            raise InvalidInput("version", str(self.version + 1), fact.originator_version)
        self.facts.append(fact)
        self._history = None
        self.version = fact.originator_version
        self.modified_on = fact.timestamp

    @property
    def history(self) -> list[CaseEvent]:
        """The facts as corrected: what law judges."""
        if self._history is None:
            self._history = effective(self.facts)
        return self._history

    @property
    def owner(self) -> str:
        """The organisation whose act the case is: content is written in the own ledger alone (1-law)."""
        return self.facts[0].header.actor.organisation

    @property
    def takes_over(self) -> CaseRef | None:
        """The predecessor's case that goes on here (1-law, 'Organisations change')."""
        found: CaseRef | None = getattr(self.history[0], "taken_over", None) if self.history else None
        return found

    def all(self, *kinds: type[Any]) -> list[Any]:
        """The facts of these kinds, as corrected, in the order recorded."""
        return [fact for fact in self.history if isinstance(fact, kinds)]

    def last(self, *kinds: type[Any]) -> Any:
        """The latest fact of these kinds, or None."""
        found = self.all(*kinds)
        return found[-1] if found else None

    def first(self, *kinds: type[Any]) -> Any:
        """The earliest fact of these kinds, or None."""
        found = self.all(*kinds)
        return found[0] if found else None

    def judge(self, proposed: CaseEvent, context: Context) -> None:
        """Whether law lets this fact be recorded; raises LawRefused or InvalidInput, changes nothing.

        A correction is judged in its place, and so is everything from the first place on at which the history
        as corrected differs: it must be one that law allows. The message names the entry that would not be.
        Raises Forbidden where the role, or the organisation, does not carry the act.
        """
        spec = self.commands.get(command_name(type(proposed)))
        if spec is not None:
            actor = proposed.header.actor
            general.role_may(actor.role, spec.roles, spec.name)
            general.writes_own_ledger(actor.role, actor.organisation, context.organisation_id)
        general.not_in_future(proposed.header.happened_on, context.today, context.now)
        self.check_any(proposed, context)
        corrects = proposed.header.corrects
        if corrects is None:
            self._check(proposed, context)
            return
        own = {fact.index: fact for fact in self.facts}
        general.correction_fits(corrects.index, proposed.name, {i: fact.name for i, fact in own.items()})
        corrected = own[corrects.index]
        if not any(fact is corrected for fact in self.history):
            raise InvalidInput("corrects.index", "an entry that no other one corrects yet", corrects.index)
        before, after = self._judged_in(self.history), self._judged_in(effective([*self.facts, proposed]))
        pairs = zip(before, after, strict=False)
        first = next((at for at, (one, other) in enumerate(pairs) if one is not other), len(before))
        scratch = type(self).blank(self.id)
        scratch.facts = [*self.facts, proposed]
        for position, fact in enumerate(after[first:], first):
            scratch._history = after[:position]
            try:
                scratch._check_next(fact, context)
            except LawRefused as refused:
                if fact is proposed:
                    raise
                raise LawRefused(
                    refused.citation,
                    f"as corrected, entry {fact.index} ({command_name(type(fact))}) would not be lawful: "
                    f"{refused.reason}; correct that entry first",
                ) from refused

    def _judged_in(self, history: list[CaseEvent]) -> list[CaseEvent]:
        """The order in which the facts of this kind of case are judged: as they were recorded."""
        return history

    def _check_next(self, fact: CaseEvent, context: Context) -> None:
        """Judges one fact by ``history``, all that stands before it. Raises LawRefused."""
        self._check(fact, context)

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """What holds for every fact of this kind of case; areas extend it."""

    def _check(self, proposed: CaseEvent, context: Context) -> None:
        spec = self.commands.get(command_name(type(proposed)))
        if spec is None:
            raise InvalidInput("command", "one of " + ", ".join(sorted(self.commands)), proposed.name)
        if spec.opens and self.history:
            raise InvalidInput("case", f"no case: {spec.name} opens a new one", self.id)
        if not spec.opens and not spec.stream and not self.history:
            raise NotFound(f"case {self.id}: nothing is recorded in it")
        getattr(self, spec.method)(proposed, context)


_OPENED_BY: dict[type[CaseEvent], type[Case]] = {}


def case_class_of(event: type[CaseEvent]) -> type[Case]:
    """The aggregate of a stream whose first fact is of this kind. Raises InvalidInput for another kind."""
    load_cases()
    try:
        return _OPENED_BY[event]
    except KeyError:
        raise InvalidInput("event", "one that opens a case", event.name) from None


@cache
def load_cases() -> tuple[type[Case], ...]:
    """Imports ``ledger/domain/*/aggregate.py``: every kind of case that this version knows."""
    for module in pkgutil.iter_modules(ledger.domain.__path__, "ledger.domain."):
        if module.ispkg:
            importlib.import_module(module.name + ".aggregate")
    return tuple(dict.fromkeys(_OPENED_BY.values()))


@cache
def command_table() -> Mapping[str, tuple[CommandSpec, ...]]:
    """Command name → its rows, one for each kind of case that takes it."""
    table: dict[str, list[CommandSpec]] = {}
    for case in load_cases():
        for spec in case.commands.values():
            table.setdefault(spec.name, []).append(spec)
    return {name: tuple(specs) for name, specs in sorted(table.items())}
