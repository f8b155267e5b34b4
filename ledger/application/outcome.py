"""Who asks, what they ask, and what they are answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from uuid import UUID

import rfc8785

from ledger.codec.declare import Attachment, fields_of
from ledger.codec.entry import Actor, Correction, CorrectionKind, HappenedOn, Precision
from ledger.codec.jsonform import parse_fields, parse_happened, unsaid
from ledger.domain.case import CommandSpec, command_table
from ledger.domain.event import CaseEvent
from ledger.errors import Forbidden, InvalidInput, NotFound
from ledger.law.general import Role
from ledger.store.feed import StoredRow
from ledger.store.ledgers import Ledger
from ledger.store.submission import Receipt

_STREAM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}(; charset=[a-z0-9-]{1,20})?")
"""A media type stands in an entry in clear: no name or sentence fits in it."""
_BY_DOING = {
    "vault.SealedFieldsOpened": "open them by POST /ledgers/{slug}/openings",
    "vault.SealedFieldsSearched": "search by 'auditledger search' or POST /ledgers/{slug}/search",
}
"""What an opening or a search records of itself, and how that is done."""
_BODY = ("case", "happened", "fields", "corrects")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is signed in: an opaque id, the organisation they act for, and how they are known.

    ``authority`` is the issuer and kind of sign-in; it stands in every entry they record.
    """

    person: str
    organisation: str
    authority: str

    def acting_as(self, role: Role) -> Actor:
        """The actor of an entry."""
        return Actor(self.person, role.value, self.organisation, self.authority)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a command: its case, the case's version after it, one receipt an entry.

    ``repeated``: the command had been recorded before; nothing was added.
    """

    stream: str
    version: int
    receipts: tuple[Receipt, ...]
    repeated: bool


@dataclass(frozen=True, slots=True, repr=False)
class CommandInput:
    """A command read from JSON; ``canonical`` is what a repeat must match (RFC 8785).

    It has no ``repr`` of its own: what is to be sealed stands in it in clear.
    """

    name: str
    specs: tuple[CommandSpec, ...]
    stream: str | None
    happened_on: HappenedOn
    precision: Precision
    fields: dict[str, Any]
    corrects: Correction | None
    canonical: bytes

    def attachments(self) -> list[tuple[str, Attachment]]:
        """The files that the fields name, each with the dotted path of its field."""
        return [found for name, value in self.fields.items() for found in files_in(name, value)]


def files_of(event: CaseEvent) -> Iterator[tuple[str, Attachment]]:
    """The files that a recorded event names, each with the dotted path of its field."""
    for each in fields_of(type(event)):
        yield from files_in(each.name, getattr(event, each.name))


def files_in(path: str, value: object) -> Iterator[tuple[str, Attachment]]:
    """The files that the value of a field names, each with the dotted path of where it stands."""
    if isinstance(value, Attachment):
        yield path, value
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from files_in(f"{path}.{place}", item)
    elif hasattr(type(value), "__avro_name__") and is_dataclass(value):
        for each in fields(value):
            yield from files_in(f"{path}.{each.name}", getattr(value, each.name))


def receipts_of(ledger: Ledger, rows: Iterable[StoredRow]) -> tuple[Receipt, ...]:
    """The receipts of what is recorded in a ledger."""
    return tuple(Receipt(ledger.origin, row.index, row.leaf_hash, row.recorded_at) for row in rows)


def parse_command_id(value: object) -> str:
    """A command id: a UUID, in lower case with hyphens. Raises InvalidInput."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise InvalidInput("command id (Idempotency-Key)", "a UUID", value) from None


def not_by_hand(name: str, body: object) -> None:
    """At the doors where somebody gives a command: of what was opened or searched they only correct an entry.

    Else an entry would say that fields were opened which nobody was shown. Raises Forbidden.
    """
    corrects = body.get("corrects") if isinstance(body, Mapping) else None
    if name in _BY_DOING and corrects is None:
        raise Forbidden(f"{name} is recorded by what is done, never by hand: {_BY_DOING[name]}")


def parse_command(name: str, body: object) -> CommandInput:
    """Reads ``{"case", "happened", "fields", "corrects"}``. Raises NotFound, InvalidInput by field."""
    specs = command_table().get(name)
    if specs is None:
        raise NotFound(f"no command is named {name!r}; 'auditledger record --list' names them all")
    if not isinstance(body, Mapping):
        raise InvalidInput("body", "an object", unsaid(body))
    for key in body:
        if key not in _BODY:
            raise InvalidInput(str(key), "one of " + ", ".join(_BODY), "an unknown field")
    stream = body.get("case")
    named = specs[0].stream
    if stream is not None and stream != named and not (isinstance(stream, str) and _STREAM.fullmatch(stream)):
        raise InvalidInput("case", "a case id (UUID)" if named is None else f"none, or {named!r}", stream)
    _no_nul(body, "body")
    happened_on, precision = parse_happened(body.get("happened"))
    canonical = _canonical({"command": name, **{k: v for k, v in body.items() if v is not None}})
    return CommandInput(
        name,
        specs,
        named or stream,
        happened_on,
        precision,
        parse_fields(specs[0].event, body.get("fields", {})),
        _parse_correction(body.get("corrects")),
        canonical,
    )


def asked_for(name: str, given: Mapping[str, Any]) -> bytes:
    """What a repeat must match where the fields are new at each attempt: what was asked for, as RFC 8785.

    Raises InvalidInput.
    """
    return _canonical({"command": name, "given": dict(given)})


def _canonical(value: dict[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInput("body", "JSON that RFC 8785 can write", str(error)) from None


def _no_nul(value: object, path: str) -> None:
    """PostgreSQL's text holds no NUL: refused at every door, with the place where it stands."""
    if isinstance(value, str) and "\0" in value:
        raise InvalidInput(path, "text without NUL characters", "text with one")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _no_nul(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            _no_nul(item, f"{path}.{place}")


def _parse_correction(value: object) -> Correction | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"index", "kind", "reason"}:
        raise InvalidInput("corrects", "an object with index, kind and reason", unsaid(value))
    index, reason = value["index"], value["reason"]
    if type(index) is not int or index < 0:
        raise InvalidInput("corrects.index", "the index of an entry", index)
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("corrects.reason", "text", type(reason).__name__)
    kinds = {kind.value: kind for kind in CorrectionKind}
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        raise InvalidInput("corrects.kind", "one of " + ", ".join(kinds), kind)
    return Correction(index, kinds[kind], reason)
