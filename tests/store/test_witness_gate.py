"""Fail-closed: without witnesses for too long nothing is recorded, and what is not known counts as not seen."""

from __future__ import annotations

import time

import pytest

from ledger.errors import Unavailable
from ledger.store import witness_gate
from ledger.store.witness_gate import WitnessGate, lag_of
from ledger.tlog.note import COSIGNATURE, SigningKey
from ledger.tlog.policy import read_policy
from tests.store.test_witnessed import times_of
from tests.store.test_witnessing import House, house

__all__ = ["house"]


@pytest.fixture(autouse=True)
def _always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_gate, "LOOKED_AT", 0.0)


def test_what_a_witness_has_not_seen_for_too_long_stops_writing_until_it_has(house: House) -> None:
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        gate = WitnessGate(house.feed, lambda: house.trusted, 0.5)
        times_of(house)
        gate.check(house.ledger)
        assert lag_of(house.feed, house.trusted, house.ledger) == (3, None)
        house.grow(2)
        gate.check(house.ledger)
        time.sleep(0.6)
        with pytest.raises(Unavailable, match=r"dffh: nothing was recorded: entry 3 .* allows 0\.5"):
            gate.check(house.ledger)
        times_of(house)
        gate.check(house.ledger)


def test_without_a_policy_nothing_is_witnessed(house: House) -> None:
    gate = WitnessGate(house.feed, lambda: None, 0.01)
    time.sleep(0.02)
    with pytest.raises(Unavailable, match="entry 0 has been without a witness"):
        gate.check(house.ledger)


def test_a_spoilt_cosignature_counts_for_nothing(house: House) -> None:
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times_of(house)
    with house.database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.cosignatures SET note = replace(note, 'dffh', 'djcs')")
    assert lag_of(house.feed, house.trusted, house.ledger).size == 0


def test_of_two_that_are_asked_for_one_is_not_enough(house: House) -> None:
    with house.witness() as witness:
        house.trusted = house.policy(witness)
        times_of(house)
        path = house.folder / "policy"
        other = str(SigningKey("witness.example/w2", COSIGNATURE, bytes([2] * 32)).verifier)
        path.write_text(f"witness a {witness.key}\nwitness b {other}\ngroup g all a b\nquorum g\n")
        assert lag_of(house.feed, read_policy(path), house.ledger).size == 0
