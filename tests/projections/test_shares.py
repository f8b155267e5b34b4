"""Shares of a rebuild folded by another process: the same rows and refusals, and what its death leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.request.events import RequestAcknowledged
from ledger.errors import Unavailable, UnknownSchema
from ledger.store.ledgers import Ledger
from projections import tables
from projections.base import register
from projections.connection import connect
from projections.facts import LedgerHead
from projections.shares import OtherProcess, Share, ThisProcess, fold_shares, shares_of
from tests.projections.book import Book, make
from tests.projections.test_live import formal, rows
from tests.waiting import DEADLINE

DAY = date(2025, 6, 11)
REQUESTS = "requests"


@pytest.fixture
def new_table(conninfo: str) -> Iterator[None]:
    with connect(conninfo) as connection:
        tables.create(connection, register(REQUESTS), tables.table(register(REQUESTS), tables.NEW))
        yield
        tables.drop(connection, tables.table(register(REQUESTS), tables.NEW))


def head_of(book: Book, ledger: Ledger) -> LedgerHead:
    return LedgerHead(ledger.id, ledger.slug, ledger.origin, ledger.organisation, book.size)


@pytest.mark.usefixtures("new_table")
def test_another_process_folds_as_this_one(book: Book, ledger: Ledger, conninfo: str) -> None:
    for case in [book.case(formal(DAY)) for _ in range(20)]:
        book.put(case, make(RequestAcknowledged, DAY))
    (share,) = shares_of(head_of(book, ledger))
    found: list[list[dict[str, Any]]] = []
    for process in (ThisProcess, OtherProcess):
        with process(conninfo, [REQUESTS]) as folding:
            assert folding.fold(share) == book.size
        found.append(rows(conninfo, REQUESTS + tables.NEW))
        with connect(conninfo) as connection:
            connection.execute("DELETE FROM registers.requests__new")
    assert len(found[0]) == 20
    assert found[0] == found[1]


@pytest.mark.usefixtures("new_table")
def test_another_process_imports_what_this_one_does(
    book: Book, ledger: Ledger, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.case(formal(DAY))
    (tmp_path / "projections.py").write_text("raise SystemExit('imported from the folder it is started in')")
    monkeypatch.chdir(tmp_path)
    with OtherProcess(conninfo, [REQUESTS]) as folding:
        assert folding.fold(Share(head_of(book, ledger), "", "~")) == book.size


def test_shares_hold_every_stream_once(ledger: Ledger) -> None:
    shares = list(shares_of(LedgerHead(ledger.id, ledger.slug, ledger.origin, ledger.organisation, 10**9)))
    assert shares[0].low == ""
    assert [share.high for share in shares[:-1]] == [share.low for share in shares[1:]]
    assert sorted(share.low for share in shares) == [share.low for share in shares]
    assert shares[-1].high > "organisation-\N{LATIN SMALL LETTER Y WITH DIAERESIS}"


@pytest.mark.usefixtures("new_table")
def test_an_event_that_another_process_does_not_know_is_said_here(
    book: Book, ledger: Ledger, conninfo: str
) -> None:
    book.put_bytes(book.case(formal(DAY)), "ledger.request.v9.RequestFoo", b"\xc3\x01" + bytes(8) + b"\x00")
    share = Share(head_of(book, ledger), "", "~")
    with OtherProcess(conninfo, [REQUESTS]) as folding, pytest.raises(UnknownSchema, match="unknown here"):
        folding.fold(share)
    assert rows(conninfo, REQUESTS + tables.NEW) == []
    with pytest.raises(UnknownSchema, match="unknown here"):
        fold_shares(conninfo, [REQUESTS], [share] * 3, 2, lambda *_: None)


def test_the_death_of_another_process_ends_the_rebuild(
    book: Book, ledger: Ledger, conninfo: str, capfd: pytest.CaptureFixture[str]
) -> None:
    book.case(formal(DAY))
    with (
        OtherProcess(conninfo, [REQUESTS]) as folding,
        pytest.raises(Unavailable, match="a process of it died"),
    ):
        # There is no new table for it to write into.
        folding.fold(Share(head_of(book, ledger), "", "~"))
    assert "registers.requests__new" in capfd.readouterr().err


INTERRUPTED = """
import json, os, signal, sys
from projections.facts import LedgerHead
from projections.shares import OtherProcess, Share

conninfo, head = json.load(sys.stdin)
share = Share(LedgerHead(**head), "", "~")
with OtherProcess(conninfo, []) as folding:
    folding.fold(share)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.killpg(0, signal.SIGINT)
    print(folding.fold(share))
"""


def test_ctrl_c_is_said_by_the_program_alone(book: Book, ledger: Ledger, conninfo: str) -> None:
    """It reaches all processes of a terminal's group: a trace of each would stand beside its one line."""
    book.case(formal(DAY))
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        input=json.dumps([conninfo, asdict(head_of(book, ledger))]),
        capture_output=True, text=True, timeout=DEADLINE, start_new_session=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{book.size}\n", "")
