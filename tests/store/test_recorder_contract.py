"""eventsourcing's own contract tests, on our recorder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.tests.persistence import ApplicationRecorderTestCase

from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.recorder import LedgerRecorder
from ledger.store.writer import Writer
from tests.support import check_ledger


class TestLedgerRecorder(ApplicationRecorderTestCase[Any]):
    INITIAL_VERSION = 0

    @pytest.fixture(autouse=True)
    def _store(self, database: Database, ledger: Ledger) -> Iterator[None]:
        with Writer(database) as writer, Feed(database) as feed:
            self.recorder = LedgerRecorder(writer, feed, ledger.id)
            yield
        check_ledger(database, ledger)

    def create_recorder(self) -> LedgerRecorder:
        return self.recorder

    def new_originator_id(self) -> str:
        return str(uuid4())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


del ApplicationRecorderTestCase
