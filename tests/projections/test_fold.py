"""Folding streams together: what each gives alone; a fault of one is no other's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pytest

from ledger.domain.case import command_table
from ledger.domain.event import CaseEvent
from ledger.domain.request.events import RequestAcknowledged, RequestReceived, RequestScheme
from projections.base import Column, Kind, Register, Row, StreamInfo, registers
from projections.calendar import NO_CALENDAR
from projections.fold import TOGETHER, Stream, fold, fold_all
from tests.projections.book import make

DAY = date(2025, 6, 11)


def size_of(facts: Sequence[CaseEvent], _about: StreamInfo) -> int:
    return len(facts)


class Sizes(Register):
    """How many facts each stream has; cannot take in a stream of the third acknowledgement."""

    name = "sizes"
    title = "Sizes"
    columns = (
        Column("days", Kind.DATES, "any"),
        Column("facts", Kind.INT, "how many"),
        Column("words", Kind.TEXT, "any"),
    )
    opened_by = (RequestReceived,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row."""
        size = about.view(size_of, facts)
        if size > 3:
            raise ArithmeticError("too many")
        yield Row(facts[0], {"facts": size})


def stream(name: str, acknowledged: int) -> Stream:
    """A request, acknowledged so many times."""
    facts = [make(RequestReceived, DAY, scheme=RequestScheme.VPS)]
    facts += [make(RequestAcknowledged, DAY) for _ in range(acknowledged)]
    for index, fact in enumerate(facts):
        object.__setattr__(fact, "header", fact.header._replace(at=index))
    return StreamInfo(1, "example/x", "dffh", name, RequestReceived, NO_CALENDAR), facts


def test_streams_folded_together_give_what_each_gives_alone() -> None:
    numbers = range(2 * TOGETHER + 3)
    together = fold_all([stream(f"s{n}", n % 5) for n in numbers], [Sizes()])
    for number, folded in zip(numbers, together, strict=True):
        about, facts = stream(f"s{number}", number % 5)
        assert folded == fold(facts, about, [Sizes()])
        (line,) = folded.lines["sizes"]
        # Of a stream that fails from its fourth fact on, the row is that of the three before.
        assert line.split("\t")[1] == f"s{number}"
        assert line.split("\t")[-2] == str(min(number % 5 + 1, 3))
        expected = (3, "ArithmeticError: too many") if number % 5 > 2 else None
        parked = folded.parked
        assert (parked and (parked.index, parked.reason)) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"facts": "3"}, "sizes.facts: expected int, got str"),
        ({"facts": True}, "sizes.facts: expected int, got bool"),
        ({"facts": DAY}, "sizes.facts: expected int, got date"),
        ({"words": 3}, "sizes.words: expected str, got int"),
        ({"thing": 3}, "sizes has no column thing"),
        ({"days": [DAY, "2025-06-11"]}, "expected a list of date, got str in it"),
    ],
)
def test_a_value_that_its_column_does_not_take_parks_the_case(values: dict[str, Any], message: str) -> None:
    class Wrong(Sizes):
        """Gives these values."""

        def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
            """One row."""
            yield Row(facts[0], values)

    about, facts = stream("s", 0)
    folded = fold(facts, about, [Wrong()])
    assert folded.lines == {}
    assert folded.parked is not None
    assert folded.parked.reason == f"TypeError: {message}"


def test_words_are_escaped_for_copy_and_a_row_of_other_columns_is_laid_out_anew() -> None:
    class Words(Sizes):
        """Words, and a row without them."""

        def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
            """Two rows."""
            yield Row(facts[0], {"words": "a\tb\\c\nd", "facts": 1})
            yield Row(facts[0], {"facts": 2}, "second")

    about, facts = stream("s", 0)
    first, second = fold(facts, about, [Words()]).lines["sizes"]
    assert first.endswith("\t1\ta\\tb\\\\c\\nd\n")
    assert second.endswith("\t2\t\\N\n")
    assert second.split("\t")[2] == "second"


def test_two_rows_of_one_key_park_the_case() -> None:
    class Twice(Sizes):
        """The same key twice."""

        def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
            """Two rows."""
            yield Row(facts[0], {"facts": 1}, "key")
            yield Row(facts[0], {"facts": 2}, "key")

    about, facts = stream("s", 0)
    folded = fold(facts, about, [Twice()])
    assert folded.lines == {}
    assert folded.parked is not None
    assert folded.parked.reason.endswith("two rows of one case have the same key")


def test_a_register_looks_at_a_named_stream_whichever_event_it_begins_with() -> None:
    """One that left out a first event would lose every later fact of that stream."""
    streams: dict[str, set[type[CaseEvent]]] = {}
    for spec in (spec for specs in command_table().values() for spec in specs if spec.stream is not None):
        streams.setdefault(spec.stream or "", set()).add(spec.event)
    assert {"openings", "destruction", "roles", "calendar", "attestations"} <= set(streams)
    looked_at = [
        (register.name, stream, {event.name for event in events if not register.looks_at(event)})
        for register in registers().values()
        for stream, events in streams.items()
        if any(map(register.looks_at, events))
    ]
    assert {"emergency_access", "emergency_openings", "destructions", "holds"} <= {
        each[0] for each in looked_at
    }
    assert [each for each in looked_at if each[2]] == []
