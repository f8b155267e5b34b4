"""The entry: ``ledger.v1.Entry`` of 4-wire, made once, stored as it is, never encoded again to check it.

The schema is fixed for ever, so its bytes are made and read by hand here (three times as fast as through
a generic writer, on the one path where that counts); tests hold every byte against fastavro.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any, TypeVar

from ledger.clock import melbourne_date
from ledger.codec import avro
from ledger.codec.avro import decode_bytes, decode_long, decode_string, encode_long, encode_string
from ledger.codec.declare import (
    Sealed,
    Text,
    avro_enum,
    avro_record,
    days,
    micros,
    moment,
    type_schema,
)
from ledger.codec.reading import decode_day
from ledger.errors import CodecError, InvalidInput

HASH_LENGTH = 32
"""Bytes of a ``Hash``: SHA-256."""
MAX_ENTRY = 65_535
"""Bytes an entry may have: the tile format's limit (C2SP tlog-tiles)."""


@avro_enum("ledger.v1.Precision")
class Precision(StrEnum):
    """How exactly it is known when a thing happened."""

    INSTANT = "instant"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    UNKNOWN = "unknown"


@avro_enum("ledger.v1.SourceKind")
class SourceKind(StrEnum):
    """Where an entry comes from."""

    TYPED = "typed"
    API = "api"
    IMPORT = "import"
    SYSTEM = "system"


@avro_enum("ledger.v1.CorrectionKind")
class CorrectionKind(StrEnum):
    """Why an entry is corrected. ``duplicate`` and ``entered_in_error`` leave the corrected one out."""

    TYPING = "typing"
    DUPLICATE = "duplicate"
    RECLASSIFIED = "reclassified"
    LEGAL_READING = "legal_reading"
    ENTERED_IN_ERROR = "entered_in_error"


@avro_record("ledger.v1.Actor")
@dataclass(frozen=True, slots=True)
class Actor:
    """Who recorded it: an opaque id (names live in the vault), role, organisation, how they were known."""

    id: str
    role: str
    organisation: str
    authority: str


@avro_record("ledger.v1.Source")
@dataclass(frozen=True, slots=True)
class Source:
    """Where it comes from; for an import, its id, sheet and row."""

    kind: SourceKind
    reference: str | None = None


@avro_record("ledger.v1.Correction")
@dataclass(frozen=True, slots=True)
class Correction:
    """What an entry corrects: a smaller index of the same ledger, why, and the reason (sealed)."""

    index: int
    kind: CorrectionKind
    reason: Text


HappenedOn = date | datetime | None
E = TypeVar("E")


@avro_record("ledger.v1.Entry")
@dataclass(frozen=True)
class Entry:
    """One entry of a ledger, as 4-wire 'Entry' lays it down, field by field."""

    ledger: str
    index: int
    previous: Annotated[bytes, "fixed:ledger.v1.Hash:32"]
    stream: str
    version: int
    event: str
    recorded_at: datetime
    happened_on: HappenedOn
    precision: Precision
    actor: Actor
    source: Source
    command: str
    part: int
    corrects: Correction | None
    payload: bytes

    @cached_property
    def happened_date(self) -> date | None:
        """The Melbourne date on which it happened; None ⇔ unknown."""
        return happened_date(self.happened_on)


def entry_schema() -> dict[str, Any]:
    """The Avro schema of the entry, in the field order of 4-wire. Every entry ever written has this one."""
    seen: set[str] = set()

    def field(name: str, kind: Any) -> dict[str, Any]:
        return {"name": name, "type": type_schema(kind, seen)}

    def optional(name: str, kind: Any) -> dict[str, Any]:
        return {"name": name, "type": ["null", type_schema(kind, seen)], "default": None}

    happened: list[Any] = ["null", type_schema(date, seen), type_schema(datetime, seen)]
    return {
        "type": "record",
        "name": "ledger.v1.Entry",
        "doc": "One entry of a ledger. leaf hash = SHA-256(00 || these bytes); previous = leaf hash before it.",
        "fields": [
            field("ledger", str),
            field("index", int),
            field("previous", "fixed:ledger.v1.Hash:32"),
            field("stream", str),
            field("version", int),
            field("event", str),
            field("recorded_at", datetime),
            {"name": "happened_on", "type": happened, "default": None},
            field("precision", Precision),
            field("actor", Actor),
            field("source", Source),
            field("command", str),
            {"name": "part", "type": "int"},
            optional("corrects", Correction),
            field("payload", bytes),
        ],
    }


ENTRY_FRAME = avro.Writer(entry_schema()).frame
"""C3 01 and the entry schema's fingerprint: the first ten bytes of every entry."""


def happened_date(happened_on: HappenedOn) -> date | None:
    """The Melbourne date of a stated moment or day."""
    return melbourne_date(happened_on) if isinstance(happened_on, datetime) else happened_on


def check_precision(happened_on: HappenedOn, precision: Precision) -> None:
    """4-wire: null ⇔ unknown, timestamp ⇔ instant, date ⇔ day, month (its first day), year (1 January)."""
    if isinstance(happened_on, datetime):
        fits = precision is Precision.INSTANT
    elif happened_on is None:
        fits = precision is Precision.UNKNOWN
    else:
        fits = (
            precision is Precision.DAY
            or (precision is Precision.MONTH and happened_on.day == 1)
            or (precision is Precision.YEAR and (happened_on.month, happened_on.day) == (1, 1))
        )
    if not fits:
        raise InvalidInput("happened_on", f"a value that fits precision {precision.value}", happened_on)


# The same few event names, days, actors and moments come again and again.
_known = lru_cache(maxsize=8192)(encode_string)
_moment = lru_cache(maxsize=64)(encode_long)
_PRECISIONS = {m: encode_long(i) for i, m in enumerate(Precision)}
_SOURCES = {m: encode_long(i) for i, m in enumerate(SourceKind)}
_CORRECTIONS = {m: encode_long(i) for i, m in enumerate(CorrectionKind)}


Template = tuple[bytes, bytes]
"""An entry's bytes but for what its place gives (ledger, index, previous, recorded_at): those of stream,
version and event, which stand between them, and those of happened_on … payload, which follow.

Made by the thread that submits, so that whoever gives the places only joins pieces and hashes.
"""


def template(
    *,
    stream: str,
    version: int,
    event: str,
    happened_on: HappenedOn,
    precision: Precision,
    actor: Actor,
    source: Source,
    command: str,
    part: int,
    corrects: Correction | None,
    payload: bytes,
) -> Template:
    """The bytes of everything of an entry that is known before it gets its place.

    ``corrects.reason`` must be sealed. Raises InvalidInput, CodecError.
    """
    if corrects is None:
        correction = b"\x00"
    else:
        if not isinstance(corrects.reason, Sealed):
            raise CodecError("entry.corrects.reason: must be sealed before it is encoded")
        correction = b"".join(
            (
                b"\x02",
                encode_long(corrects.index),
                _CORRECTIONS[corrects.kind],
                _fixed(corrects.reason.commitment),
                encode_string(corrects.reason.key),
            )
        )
    return (
        encode_string(stream) + encode_long(version) + _known(event),
        b"".join(
            (
                _circumstances(happened_on, precision, actor, source),
                encode_string(command),
                encode_long(part),
                correction,
                encode_long(len(payload)),
                payload,
            )
        ),
    )


@lru_cache(maxsize=1024)
def _circumstances(happened_on: HappenedOn, precision: Precision, actor: Actor, source: Source) -> bytes:
    """happened_on, precision, actor and source, which many entries of one client share."""
    check_precision(happened_on, precision)
    if happened_on is None:
        happened = b"\x00"
    elif isinstance(happened_on, datetime):
        happened = b"\x04" + encode_long(micros(happened_on))
    else:
        happened = b"\x02" + encode_long(days(happened_on))
    return b"".join(
        (
            happened,
            _PRECISIONS[precision],
            _known(actor.id),
            _known(actor.role),
            _known(actor.organisation),
            _known(actor.authority),
            _SOURCES[source.kind],
            b"\x00" if source.reference is None else b"\x02" + encode_string(source.reference),
        )
    )


def _fixed(value: bytes) -> bytes:
    if len(value) != HASH_LENGTH:
        raise CodecError(f"expected {HASH_LENGTH} bytes, got {len(value)}")
    return value


def prefix(ledger: str) -> bytes:
    """Frame and ``ledger`` field: the same for every entry of one ledger."""
    return ENTRY_FRAME + encode_string(ledger)


def place(ledger_prefix: bytes, index: int, previous: bytes, recorded_at: int, template: Template) -> bytes:
    """The entry bytes at their place; ``recorded_at`` in microseconds since 1970 UTC.

    Raises InvalidInput where the entry would exceed 65,535 bytes (the tile format's limit).
    """
    middle, tail = template
    entry = b"".join((ledger_prefix, encode_long(index), previous, middle, _moment(recorded_at), tail))
    if len(entry) > MAX_ENTRY:
        raise InvalidInput("entry", f"at most {MAX_ENTRY} bytes (attach larger things)", len(entry))
    return entry


def decode_entry(data: bytes) -> Entry:
    """The entry of its bytes, strictly. Raises CodecError for anything that is not its one encoding."""
    return Entry(*decode_fields(data))


Fields = tuple[
    str,
    int,
    bytes,
    str,
    int,
    str,
    datetime,
    HappenedOn,
    Precision,
    Actor,
    Source,
    str,
    int,
    Correction | None,
    bytes,
]
"""The fields of an entry, in its order."""


def decode_fields(data: bytes) -> Fields:
    """As ``decode_entry``, for readers of many that need no object."""
    try:
        return _decode_fields(data)
    except IndexError as error:
        raise CodecError("entry: cut short") from error
    except KeyError as error:
        raise CodecError(f"entry: no symbol is numbered by the byte {error}") from error
    except UnicodeDecodeError as error:
        raise CodecError(f"entry: text is not UTF-8: {error}") from error


def _decode_fields(data: bytes) -> Fields:
    # Texts of one byte of length are read in place, which nearly all are. One that runs past the end comes out
    # cut short, and the end of the whole is then not where the data ends.
    at = avro.FRAME + 1 + (data[avro.FRAME] >> 1) if len(data) > avro.FRAME else 0
    ledger = _ledgers.get(data[:at])
    if ledger is None:
        ledger, at = _read_ledger(data)
    index, at = decode_long(data, at)
    previous = data[at : at + HASH_LENGTH]
    at += HASH_LENGTH
    size = data[at]
    if size & 0x81:
        stream, at = decode_string(data, at)
    else:
        start = at + 1
        at = start + (size >> 1)
        stream = data[start:at].decode()
    version, at = decode_long(data, at)
    size = data[at]
    if size & 0x81:
        event, at = decode_string(data, at)
    else:
        start = at + 1
        at = start + (size >> 1)
        event = data[start:at].decode()
    recorded_at, at = decode_long(data, at)
    branch = data[at]
    happened_on: HappenedOn = None
    if branch == 2:
        happened_on, at = decode_day(data, at + 1)
    elif branch == 4:
        value, at = decode_long(data, at + 1)
        happened_on = moment(value)
    elif branch:
        raise CodecError(f"entry: union branch at byte {at}")
    else:
        at += 1
    precision = _PRECISION_OF[data[at]]
    actor, at = _actor(data, at + 1)
    kind = _SOURCE_OF[data[at]]
    source, at = (kind, at + 2) if data[at + 1] == 0 else _referring(kind, data, at + 1)
    size = data[at]
    if size & 0x81:
        command, at = decode_string(data, at)
    else:
        start = at + 1
        at = start + (size >> 1)
        command = data[start:at].decode()
    part, at = decode_long(data, at)
    corrects: Correction | None = None
    if data[at] == 0:
        at += 1
    else:
        corrects, at = _correction(data, at)
    payload, at = decode_bytes(data, at)
    if at != len(data):
        raise CodecError(f"entry: expected {at} bytes, got {len(data)}")
    if not -(1 << 31) <= part < 1 << 31:
        raise CodecError(f"entry: part out of range: {part}")
    if precision is not Precision.DAY or type(happened_on) is not date:
        try:
            check_precision(happened_on, precision)
        except InvalidInput as error:
            raise CodecError(f"entry: {error}") from error
    return (
        ledger, index, previous, stream, version, event, moment(recorded_at), happened_on, precision, actor,
        source, command, part, corrects, payload,
    )  # fmt: skip


# What comes again in many entries is kept by its bytes, and not read again.
_KEPT = 10_000
_ledgers: dict[bytes, str] = {}
_actors: dict[bytes, tuple[bytes, Actor]] = {}
"""By the bytes of the id: all the bytes that the actor last had, and the actor."""


def _read_ledger(data: bytes) -> tuple[str, int]:
    if data[: avro.FRAME] != ENTRY_FRAME:
        avro.fingerprint_of(data)
        raise CodecError(f"expected an entry (fingerprint {ENTRY_FRAME[2:].hex()}), got {data[2:10].hex()}")
    ledger, at = decode_string(data, avro.FRAME)
    return _keep(_ledgers, data[:at], ledger), at


def _actor(data: bytes, at: int) -> tuple[Actor, int]:
    known = _actors.get(data[at : at + 1 + (data[at] >> 1)])
    if known is not None and data.startswith(known[0], at):
        return known[1], at + len(known[0])
    actor_id, id_end = decode_string(data, at)
    role, end = decode_string(data, id_end)
    organisation, end = decode_string(data, end)
    authority, end = decode_string(data, end)
    actor = Actor(actor_id, role, organisation, authority)
    _keep(_actors, data[at:id_end], (data[at:end], actor))
    return actor, end


def _keep(kept: dict[bytes, E], read: bytes, value: E) -> E:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[read] = value
    return value


def _referring(kind: Source, data: bytes, at: int) -> tuple[Source, int]:
    if data[at] != 2:
        raise CodecError(f"entry: union branch at byte {at}")
    reference, at = decode_string(data, at + 1)
    return Source(kind.kind, reference), at


def _correction(data: bytes, at: int) -> tuple[Correction, int]:
    if data[at] != 2:
        raise CodecError(f"entry: union branch at byte {at}")
    corrected, at = decode_long(data, at + 1)
    why = _CORRECTION_OF[data[at]]
    commitment = data[at + 1 : at + 1 + HASH_LENGTH]
    key, at = decode_string(data, at + 1 + HASH_LENGTH)
    return Correction(corrected, why, Sealed(commitment, key)), at


_PRECISION_OF = {2 * number: member for number, member in enumerate(Precision)}
_SOURCE_OF = {2 * number: Source(member) for number, member in enumerate(SourceKind)}
_CORRECTION_OF = {2 * number: member for number, member in enumerate(CorrectionKind)}
