"""The times of entries by the cosignatures in the database: what holds, what was altered or backdated."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.clock import SimulatedClock
from ledger.errors import AuditLedgerError, Untrusted
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.witnessed import WitnessedTimes
from ledger.store.witnessing import Witnessing
from ledger.tlog.note import Note
from tests.store.test_witnessing import House, house
from tests.support import check_ledger

__all__ = ["house"]


def times_of(house: House) -> WitnessedTimes:
    asking = Witnessing(house.database, house.published, lambda: house.trusted, house.sealing)
    assert asking.ask()
    return WitnessedTimes(house.feed, house.trusted)


def no_fault(error: AuditLedgerError) -> None:
    raise error


def test_entries_are_bracketed_in_one_look_up_by_what_was_cosigned(house: House) -> None:
    started = int(time.time())
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times = WitnessedTimes(house.feed, house.trusted)
        assert times.of(house.ledger, [0, 5], no_fault) == [(None, None), (None, None)]
        assert times.size(house.ledger, no_fault) == 0
        times_of(house)
        time.sleep(1.1)
        house.grow(4)
        times_of(house)
    first, last, behind = times.of(house.ledger, [2, 3, 7], no_fault)
    assert first.not_before is None
    assert first.not_after is not None
    assert started <= first.not_after == last.not_before
    assert last.not_after is not None
    assert last.not_after > first.not_after
    assert behind == (last.not_after, None)
    assert times.size(house.ledger, no_fault) == 7
    assert times.outside(house.ledger) == []
    check_ledger(house.database, house.ledger)


def test_a_backdated_entry_is_shown_by_its_witnessed_bracket(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    """The operator's clock is set two hours back, so that what is written now looks as old as that."""
    house = House(database, ledger, tmp_path, SimulatedClock(datetime.now(UTC) - timedelta(hours=2)))
    house.grow()
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times_of(house)
        house.grow(5)
        times = times_of(house)
    (found,) = times.outside(ledger)
    assert (found.at, found.how) == (3, "before")
    assert found.bracket.not_before is not None
    assert found.bracket.not_before - found.recorded_at // 1_000_000 > 7000
    # The bytes are whole: nothing but the witness's time shows it.
    assert check_ledger(database, ledger) == 8
    house.close()


@pytest.mark.parametrize(
    "change",
    [
        # An earlier time in the note, the column as it was, and the other way round.
        "note = replace(note, split_part(note, E'\\n', 2), '3000')",
        "size = size + 1",
        "note = 'no note'",
        "note = replace(note, 'example.vic.gov.au', 'example.com')",
    ],
)
def test_an_altered_row_counts_for_nothing_and_is_said(house: House, change: str) -> None:
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times = times_of(house)
    with house.database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"UPDATE ledger.cosignatures SET {change}".encode())
    said: list[str] = []
    assert times.of(house.ledger, [0], lambda error: said.append(str(error))) == [(None, None)]
    assert "does not hold" in said[0]
    with pytest.raises(Untrusted, match=r"what witnesses said of . entries does not hold"):
        times.outside(house.ledger)


def test_the_time_in_the_column_is_not_believed(house: House) -> None:
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times = times_of(house)
    before = times.of(house.ledger, [0], no_fault)
    with house.database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.cosignatures SET cosigned_at = '2001-01-01Z'")
    assert times.of(house.ledger, [0], no_fault) == before


def test_a_witness_that_the_policy_does_not_name_says_nothing(house: House) -> None:
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times_of(house)
    stranger = house.policy()
    assert WitnessedTimes(house.feed, stranger).of(house.ledger, [0], no_fault) == [(None, None)]
    assert WitnessedTimes(house.feed, stranger).outside(house.ledger) == []


def test_the_checkpoints_around_entries_are_those_next_to_them(house: House) -> None:
    """Of single entries those on both sides, of a range each within it; never more than asked for."""
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        for _ in range(5):
            times_of(house)
            house.grow(2)
        times = times_of(house)
    sizes = [size for size, _ in times.around(house.ledger, range(13), dense=True, below=100, most=100)]
    assert sizes == [3, 5, 7, 9, 11, 13]

    def around(indexes: list[int], below: int = 100, most: int = 100, *, dense: bool = False) -> list[int]:
        found = times.around(house.ledger, indexes, dense=dense, below=below, most=most)
        return [size for size, _ in found]

    assert around([2]) == [3]
    assert around([5]) == [5, 7]
    assert around([5, 12]) == [5, 7, 11, 13]
    assert around([5, 12], dense=True) == [5, 7, 9, 11, 13]
    assert around([5, 12], below=13, dense=True) == [5, 7, 9, 11]
    assert around([0, 12], most=3, dense=True) == [3, 7, 13]
    check_ledger(house.database, house.ledger)


def test_the_cosignatures_of_a_size_are_in_one_note(house: House) -> None:
    with house.witness() as one, house.witness("witness.example/w2", state="second") as two:
        house.trusted = house.policy(one, two)
        times = times_of(house)
        house.grow(1)
    ((size, note),) = times.around(house.ledger, [2], dense=False, below=100, most=100)
    keys = [party.key for party in house.trusted.witnesses.values()]
    assert {each.key for each in Note.parse(note).verify(keys)} == set(keys)
    assert (size, len(keys)) == (3, 2)
