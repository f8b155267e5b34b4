"""The base of every event: a frozen fact with its payload, and the header of the entry it stands in."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache, cached_property
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from eventsourcing.domain import CanMutateAggregate, MetaDomainEvent
from eventsourcing.utils import register_topic

import ledger.domain
from ledger.codec.avro import FRAME
from ledger.codec.declare import Seal, avro_record, to_avro
from ledger.codec.entry import (
    Actor,
    Correction,
    CorrectionKind,
    Entry,
    HappenedOn,
    Precision,
    Source,
    decode_fields,
    happened_date,
)
from ledger.codec.reading import Read, reader_of
from ledger.codec.registry import registry
from ledger.errors import CodecError, UnknownSchema

if TYPE_CHECKING:
    from ledger.domain.case import Case

E = TypeVar("E", bound="type[CaseEvent]")
Upcast = Callable[[dict[str, Any]], dict[str, Any]]

EVENTS: dict[str, type[CaseEvent]] = {}
"""Full name → class of every event that this version knows; filled by ``load_events``."""
UPCASTS: dict[str, tuple[str, Upcast]] = {}
"""Former full name → (the name that replaced it, how its Avro value becomes the new one's)."""

LEAVES_OUT = frozenset({CorrectionKind.DUPLICATE, CorrectionKind.ENTERED_IN_ERROR})
"""Corrections that take the corrected entry out of the history instead of standing in its place."""


class Header(NamedTuple):
    """What an entry says beside its payload (4-wire 'Entry')."""

    happened_on: HappenedOn
    precision: Precision
    actor: Actor
    source: Source
    command: str
    part: int
    corrects: Correction | None = None
    at: int | None = None
    """Its index, which is the name of a tuple's own method; None until it has one."""


class CaseEvent(CanMutateAggregate[str], metaclass=MetaDomainEvent):
    """A fact of one case. Subclasses add the payload's fields and are declared with ``avro_event``."""

    originator_id: str
    originator_version: int
    timestamp: datetime
    header: Header

    name: ClassVar[str]
    __avro_name__: ClassVar[str]
    __avro_skip__: ClassVar[frozenset[str]] = frozenset(
        {"originator_id", "originator_version", "timestamp", "header"}
    )

    @cached_property
    def happened_date(self) -> date | None:
        """The Melbourne date on which it happened: what law judges by. None ⇔ unknown (a gap)."""
        return happened_date(self.header.happened_on)

    @cached_property
    def index(self) -> int:
        """Its place in the ledger. Raises CodecError while it has none."""
        if self.header.at is None:
            raise CodecError(f"{self.name}: not recorded yet, so it has no index")
        return self.header.at

    def mutate(self, aggregate: Any) -> Any:
        """Adds this fact to its case; the first fact of a stream makes the case (eventsourcing's contract)."""
        case: Case
        if aggregate is None:
            from ledger.domain.case import case_class_of

            case = case_class_of(type(self)).blank(self.originator_id)
        else:
            case = aggregate
        case.take(self)
        return case


def avro_event(full_name: str, *, replaces: Mapping[str, Upcast] | None = None) -> Callable[[E], E]:
    """Declares an event class under its one name: schema, eventsourcing topic, header in Kafka, golden file.

    ``replaces``: former full names with the function that turns their Avro value into this one's.
    """

    def mark(cls: E) -> E:
        avro_record(full_name)(cls)
        cls.name = full_name
        if EVENTS.setdefault(full_name, cls) is not cls:
            raise TypeError(f"two events are named {full_name}")
        register_topic(full_name, cls)
        for former, upcast in (replaces or {}).items():
            UPCASTS[former] = (full_name, upcast)
        return cls

    return mark


@cache
def load_events() -> Mapping[str, type[CaseEvent]]:
    """Imports ``ledger/domain/*/events.py`` and returns EVENTS: a new area needs no list to be edited."""
    for module in pkgutil.iter_modules(ledger.domain.__path__, "ledger.domain."):
        if module.ispkg:
            importlib.import_module(module.name + ".events")
    return EVENTS


def encode_payload(event: CaseEvent, seal: Seal | None = None) -> bytes:
    """The payload's single-object bytes; personal fields go through ``seal`` (4-wire 'Sealed fields').

    Raises InvalidInput naming the field that does not fit, CodecError.
    """
    return registry().writer(event.name).encode(to_avro(type(event))(event, "", seal))


def decode_event(entry: Entry) -> CaseEvent:
    """The event of an entry, read by the schema it was written with and upcast to today's class.

    Raises CodecError; UnknownSchema for an event newer than this version.
    """
    e = entry
    header = Header(e.happened_on, e.precision, e.actor, e.source, e.command, e.part, e.corrects, e.index)
    return _event(e.stream, e.version, e.event, e.recorded_at, header, e.payload)


def read_event(data: bytes) -> CaseEvent:
    """The event of an entry's bytes: as ``decode_event`` of ``decode_entry``, for readers of many."""
    (
        _, index, _, stream, version, event, recorded_at, happened_on, precision, actor, source, command, part,
        corrects, payload,
    ) = decode_fields(data)  # fmt: skip
    header = Header._make((happened_on, precision, actor, source, command, part, corrects, index))
    return _event(stream, version, event, recorded_at, header, payload)


def _event(
    stream: str, version: int, name: str, recorded_at: datetime, header: Header, payload: bytes
) -> CaseEvent:
    found = _READINGS.get(payload[:FRAME])
    if found is None:
        found = _READINGS[payload[:FRAME]] = _reading(payload)
    written_as, cls, read = found
    if written_as != name:
        raise CodecError(f"entry {header.at}: event says {name}, payload is {written_as}")
    state = read(payload)
    state["originator_id"] = stream
    state["originator_version"] = version
    state["timestamp"] = recorded_at
    state["header"] = header
    # What the cached properties of these names would find, and every reader asks for.
    state["index"] = header.at
    if type(header.happened_on) is not datetime:
        state["happened_date"] = header.happened_on
    # As eventsourcing's own mapper does: the stored state was checked when it was written.
    event = object.__new__(cls)
    _set_state(event, state)
    return event


_set_state: Callable[[CaseEvent, dict[str, Any]], None] = getattr_static(CaseEvent, "__dict__").__set__
"""Gives an event all its attributes at once."""


_READINGS: dict[bytes, tuple[str, type[CaseEvent], Read]] = {}
"""Frame of a payload → the name it was written under, today's class, the reader of that class's fields."""


def _reading(payload: bytes) -> tuple[str, type[CaseEvent], Read]:
    writer = registry().written_with(payload)
    cls = class_of(writer.name)
    if writer.name not in UPCASTS:
        return writer.name, cls, reader_of(writer.schema, cls)
    today = registry().writer(cls.name)
    read_former, read_today = reader_of(writer.schema), reader_of(today.schema, cls)

    def read(data: bytes) -> dict[str, Any]:
        name, value = writer.name, read_former(data)
        while name in UPCASTS:
            name, upcast = UPCASTS[name]
            value = upcast(value)
        return read_today(today.encode(value))

    return writer.name, cls, read


def class_of(name: str) -> type[CaseEvent]:
    """Today's class of an event by any name that it had. Raises UnknownSchema for a name unknown here."""
    while name in UPCASTS:
        name, _ = UPCASTS[name]
    try:
        return load_events()[name]
    except KeyError:
        raise UnknownSchema(f"event {name} is unknown here: upgrade this reader first") from None


def effective(facts: Iterable[CaseEvent]) -> list[CaseEvent]:
    """The history as corrected (5-architecture 'Corrections').

    A correction stands in the place of the entry it corrects; one of kind ``duplicate`` or
    ``entered_in_error`` takes that entry out. A correction of a correction works on the same place.
    """
    slots: list[CaseEvent | None] = []
    place_of: dict[int, int] = {}
    for fact in facts:
        header = fact.header
        corrects = header.corrects
        place = None if corrects is None else place_of.get(corrects.index)
        if place is None:
            # A correction whose original is not among these facts (a fold by happened date) stands by itself.
            place = len(slots)
            slots.append(None)
        slots[place] = None if corrects is not None and corrects.kind in LEAVES_OUT else fact
        if header.at is not None:
            place_of[header.at] = place
    return [fact for fact in slots if fact is not None]
