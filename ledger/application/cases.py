"""eventsourcing's application over the cases of one ledger."""

from __future__ import annotations

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.utils import Environment

from ledger.domain.case import Case
from ledger.store.ledgers import Ledger
from ledger.store.mapper import LedgerMapper
from ledger.store.recorder import LedgerFactory, LedgerRecorder


class LedgerApplication(Application[str]):
    """eventsourcing's application over one ledger: its cases, by stream id."""

    def __init__(self, ledger: Ledger, recorder: LedgerRecorder) -> None:
        self.ledger = ledger
        self._ledger_recorder = recorder
        super().__init__()

    def construct_factory(self, env: Environment) -> LedgerFactory:
        """The ledger's own recorder, and no table of eventsourcing's."""
        return LedgerFactory(env, self._ledger_recorder)

    def construct_mapper(self) -> LedgerMapper:
        """The mapper that seals."""
        return LedgerMapper(self.construct_transcoder())

    def load(self, stream: str) -> Case | None:
        """The case of a stream, or None where nothing is recorded in it."""
        try:
            case: object = self.repository.get(stream)
        except AggregateNotFoundError:
            return None
        assert isinstance(case, Case)
        return case
