"""Every durable step of an import fails once unwritten and once written, and the same file finishes it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from ledger.application import Installation
from ledger.application.together import Together
from ledger.codec.entry import Source
from ledger.errors import AuditLedgerError, Conflict, OutcomeUnknown, Unavailable
from ledger.imports.mapping import RegisterMapping
from tests.imports.desk import Desk
from tests.imports.log import bring, imports, row

ROWS = [row(number, "given", "2025-02-01") for number in range(1, 6)]


def failing(
    original: Callable[..., Any], at: int, error: AuditLedgerError, *, written: bool
) -> Callable[..., Any]:
    """``submit`` that fails at its nth call, before or after it has written."""
    calls = 0

    def submit(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != at:
            made = original(self, *arguments, **options)
            if calls > at and made is not None:
                # Nothing is in flight any more when the import has failed, and what is there is looked at.
                made.result()
            return made
        if written:
            original(self, *arguments, **options).result()
        future: Future[Any] = Future()
        future.set_exception(error)
        return future

    return submit


@pytest.mark.parametrize(
    ("error", "written"),
    [(Unavailable("the database is away"), False), (OutcomeUnknown("connection lost"), True)],
)
def test_rows_that_fail_unwritten_or_written_are_finished_by_the_same_file(
    desk: Desk, log: RegisterMapping, monkeypatch: pytest.MonkeyPatch, error: AuditLedgerError, written: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Together, "submit", failing(Together.submit, 3, error, written=written))
        with pytest.raises(type(error)):
            bring(desk, log, *ROWS)
    desk.check()
    result = bring(desk, log, *ROWS)
    assert (result.new, result.bad) == (5, 0)
    assert len(desk.imported()) == 10
    assert [each.new for each in imports(desk)] == [5]
    desk.check()


def test_corrections_that_fail_unwritten_or_written_are_finished_by_the_same_file(
    desk: Desk, log: RegisterMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(desk, log, *ROWS)
    later = [row(number, "none", "2025-02-01") for number in range(1, 6)]
    for at, error, written in ((2, Unavailable("away"), False), (1, OutcomeUnknown("lost"), True)):
        with monkeypatch.context() as patch:
            patch.setattr(Together, "submit", failing(Together.submit, at, error, written=written))
            with pytest.raises(type(error)):
                bring(desk, log, *later)
    result = bring(desk, log, *later)
    assert (result.corrected, result.bad, result.unchanged) == (5, 0, 0)
    assert len(desk.imported()) == 10 + 10
    assert [(each.new, each.corrected) for each in imports(desk)] == [(5, 0), (0, 5)]
    desk.check()


def test_a_row_whose_case_moves_on_meanwhile_is_planned_anew(
    desk: Desk, log: RegisterMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        moved = failing(Together.submit, 2, Conflict("the case moved on"), written=False)
        patch.setattr(Together, "submit", moved)
        result = bring(desk, log, *ROWS)
    assert (result.new, result.bad, result.entries) == (5, 0, 10)
    (recorded,) = imports(desk)
    assert (recorded.rows, recorded.new, recorded.bad, recorded.header.corrects) == (5, 5, 0, None)
    desk.check()


def test_a_row_whose_case_never_stands_still_is_listed_and_the_counts_are_corrected(
    desk: Desk, log: RegisterMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Together.submit

    def restless(self: Together, stream: str, steps: Any, source: Source) -> Any:
        if source.reference is not None and source.reference.endswith("/3"):
            raise Conflict("the case moved on")
        return original(self, stream, steps, source)

    with monkeypatch.context() as patch:
        patch.setattr(Together, "submit", restless)
        result = bring(desk, log, *ROWS)
    assert (result.new, result.bad, result.faults[0].row) == (4, 1, 3)
    (recorded,) = imports(desk)
    assert (recorded.rows, recorded.new, recorded.bad) == (5, 4, 1)
    assert recorded.header.corrects is not None
    again = bring(desk, log, *ROWS)
    assert (again.new, again.bad, again.entries) == (5, 0, 2)
    assert [(each.new, each.bad) for each in imports(desk)] == [(5, 0)]
    desk.check()


@pytest.mark.parametrize("step", ["keep_file", "execute"])
@pytest.mark.parametrize("written", [False, True])
def test_a_file_that_is_kept_or_recorded_before_a_crash_is_recorded_once(
    desk: Desk, log: RegisterMapping, monkeypatch: pytest.MonkeyPatch, step: str, written: bool
) -> None:
    original = getattr(Installation, step)

    def crashing(self: Any, *arguments: Any, **options: Any) -> Any:
        if written:
            original(self, *arguments, **options)
        raise Unavailable("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(Installation, step, crashing)
        with pytest.raises(Unavailable):
            bring(desk, log, *ROWS)
    assert desk.imported() == []
    result = bring(desk, log, *ROWS)
    assert (result.new, result.entries) == (5, 10)
    (recorded,) = imports(desk)
    assert recorded.file is not None
    _, chunks = desk.installation.read_attachment(
        "dffh", recorded.index, "file", reason="test", principal=desk.officer
    )
    assert b"".join(chunks).startswith(b"No,In,")
    desk.check()
