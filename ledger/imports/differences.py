"""What a row states otherwise than an entry, field by field; sealed words are compared and never shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ledger.codec.declare import fields_of
from ledger.codec.jsonform import parse_fields, show, show_happened
from ledger.domain.event import CaseEvent
from ledger.imports.interpret import Wanted

SEALED = "sealed"
NO_LONGER = "A later file of the register no longer states this."
"""Stands in a correction that takes an entry out, where its words would have to be repeated."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that changes. A sealed old value reads 'sealed'; ``certain``: it is known to differ itself."""

    field: str
    old: Any
    new: Any
    certain: bool = True


def masked(value: Any) -> Any:
    """A value as JSON, with the word 'sealed' for whatever is sealed, or will be."""
    if isinstance(value, tuple):
        return [masked(each) for each in value]
    if dataclasses.is_dataclass(value) and hasattr(type(value), "__avro_name__"):
        return {
            f.name: _masked_field(getattr(value, f.name), sealed=f.personal is not None)
            for f in fields_of(cast(type, type(value)))
        }
    return show(value)


def _masked_field(value: Any, *, sealed: bool) -> Any:
    return SEALED if sealed and value is not None else masked(value)


def clear_differences(fact: CaseEvent, wanted: Wanted) -> list[Difference]:
    """What differs in clear: values, the happened date, whether a sealed field is stated."""
    found = []
    old_happened = show_happened(fact.header.happened_on, fact.header.precision)
    if old_happened != wanted.body["happened"]:
        found.append(Difference("happened", old_happened, wanted.body["happened"]))
    stated = parse_fields(type(fact), wanted.body["fields"])
    for each in fields_of(type(fact)):
        sealed = each.personal is not None
        old = _masked_field(getattr(fact, each.name), sealed=sealed)
        if old != _masked_field(stated[each.name], sealed=sealed):
            found.append(Difference(each.name, old, wanted.body["fields"].get(each.name)))
    return found


def differences(
    fact: CaseEvent, wanted: Wanted, submitted: Callable[[Mapping[str, Any]], bool]
) -> list[Difference]:
    """Every field that differs, or may.

    ``submitted`` tells whether the entry came from exactly this body: so it is known whether the sealed words
    differ at all. Which of several they are shows only when they are opened, which is itself an entry.
    """
    found = clear_differences(fact, wanted)
    fields = wanted.body["fields"]
    both = [
        f.name
        for f in fields_of(type(fact))
        if fields.get(f.name) is not None
        and getattr(fact, f.name) is not None
        and (f.personal is not None or SEALED in str(masked(getattr(fact, f.name))))
    ]
    if both and not submitted(_with_old_clear(fact, wanted, set(both))):
        found += [Difference(name, SEALED, fields[name], certain=len(both) == 1) for name in both]
    return found


def _with_old_clear(fact: CaseEvent, wanted: Wanted, keep: set[str]) -> dict[str, Any]:
    """The row's sealed words under the entry's own happened date and clear fields."""
    fields = {name: value for name, value in wanted.body["fields"].items() if name in keep}
    for each in fields_of(type(fact)):
        value = getattr(fact, each.name)
        named = each.name in wanted.body["fields"]
        if each.name not in keep and value is not None and (named or value != each.default):
            fields[each.name] = show(value)
    return {
        "happened": show_happened(fact.header.happened_on, fact.header.precision),
        "fields": fields,
    }


def left_out(fact: CaseEvent) -> dict[str, Any]:
    """The fields of a correction that takes an entry out: what stands in clear, no word of what is sealed."""
    return _without_words(fact)


def _without_words(record: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for each in fields_of(cast(type, type(record))):
        value = getattr(record, each.name)
        if value is None:
            continue
        if each.personal is None:
            out[each.name] = _inner(value)
        elif not each.optional:
            out[each.name] = NO_LONGER
    return out


def _inner(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_inner(each) for each in value]
    if dataclasses.is_dataclass(value) and hasattr(type(value), "__avro_name__"):
        return _without_words(value)
    return show(value)
