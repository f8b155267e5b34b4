"""Keys that are missing and that no entry destroyed: an alarm, whoever found it, until they are back."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.application import reconciling
from ledger.application.destroying import sealed_in
from ledger.application.reconciling import Reconciling
from ledger.domain.event import decode_event
from ledger.vault.opening import Destroyed, Lost
from ledger.vault.shredding import Shredder
from tests.application.conftest import House
from tests.application.test_destroying import destroy, opened, received, rows
from tests.application.test_reconciling import dumped, restored
from tests.conftest import IN_BOTH
from tests.support import check_ledger


@IN_BOTH
def test_a_key_that_is_missing_and_that_no_entry_names_is_lost(house: House) -> None:
    gone, case = received(house), received(house)
    destroy(house, gone)
    (missing,) = (
        key.id for key in house.installation.vault_keys.keys_of(house.ledger.id, case) if key.subject == "case"
    )
    service = Reconciling(house.installation)
    assert service.all(whole=True)["dffh"].lost == 0
    with house.installation.vault.connect_admin() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vault.keys WHERE id = %s", (missing,))
        connection.execute("DELETE FROM vault.keys WHERE id = %s", (missing,))
        found = service.all(whole=True)["dffh"]
        assert (found.lost, found.lost_key) == (1, missing)
        # It stays lost until it is there again.
        assert service.all(whole=False)["dffh"].lost == 1
        assert {type(each) for each in opened(house, rows(house, case)[0].index).values()} == {Lost}
        assert {type(each) for each in opened(house, rows(house, gone)[0].index).values()} == {Destroyed}
        connection.execute("INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    assert service.all(whole=False)["dffh"].lost == 0
    check_ledger(house.installation.database, house.ledger)


def without_keys(house: House, *cases: str) -> set[str]:
    """Takes the keys of cases out of the vault, into a table ``kept``; their ids."""
    with house.installation.vault.connect_admin() as connection:
        connection.execute(
            "CREATE TABLE kept AS SELECT * FROM vault.keys WHERE stream = ANY (%s)", (list(cases),)
        )
        gone = connection.execute("DELETE FROM vault.keys WHERE stream = ANY (%s) RETURNING id", (list(cases),))
        return {row[0] for row in gone}


def keys_again(house: House) -> None:
    """Puts them back."""
    with house.installation.vault.connect_admin() as connection:
        connection.execute("INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM kept")


def looking(house: House, monkeypatch: pytest.MonkeyPatch, in_turn: int) -> Reconciling:
    """A service that has looked at all there is, and goes through so many older entries with each look."""
    monkeypatch.setattr(reconciling, "IN_TURN", in_turn)
    service = Reconciling(house.installation)
    assert service.all(whole=True)["dffh"].lost == 0
    return service


def noted(house: House) -> int:
    """Keys that are noted as lost in the database, as ``doctor`` reads it."""
    return house.installation.shredder.lost(house.ledger.id).keys


@IN_BOTH
@pytest.mark.parametrize("cases", [1, 3])
def test_a_key_that_another_process_found_lost_stays_an_alarm(
    house: House, monkeypatch: pytest.MonkeyPatch, cases: int
) -> None:
    """The service has looked at these entries before; it says no 'ok' over what ``reconcile`` found."""
    begun = [received(house) for _ in range(cases)]
    service = looking(house, monkeypatch, in_turn=0)
    lost = {key for key in without_keys(house, *begun) if key in sealed_under(house)}
    assert len(lost) == cases
    assert Reconciling(house.installation).all(whole=True, every_entry=True)["dffh"].lost == cases
    for _ in range(2):
        assert service.all(whole=False)["dffh"].lost == cases
        assert noted(house) == cases
    keys_again(house)
    assert service.all(whole=False)["dffh"].lost == 0
    assert noted(house) == 0
    check_ledger(house.installation.database, house.ledger)


def test_a_key_that_another_process_found_lost_meanwhile_is_not_overwritten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = received(house)
    service = looking(house, monkeypatch, in_turn=0)
    note = Shredder.note

    def late(shredder: Shredder, *given: Any) -> bool:
        monkeypatch.setattr(Shredder, "note", note)
        without_keys(house, case)
        assert Reconciling(house.installation).all(whole=True, every_entry=True)["dffh"].lost == 1
        return note(shredder, *given)

    monkeypatch.setattr(Shredder, "note", late)
    assert service.one(house.ledger, whole=False).lost == 1
    assert noted(house) == 1


@IN_BOTH
def test_a_key_that_an_opening_found_lost_is_an_alarm_with_the_next_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = received(house)
    service = looking(house, monkeypatch, in_turn=0)
    without_keys(house, case)
    assert service.all(whole=False)["dffh"].lost == 0
    assert {type(each) for each in opened(house, rows(house, case)[0].index).values()} == {Lost}
    assert noted(house) == 1
    assert service.all(whole=False)["dffh"].lost == 1


def test_each_look_goes_through_some_older_entries_until_all_were_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = received(house)
    service = looking(house, monkeypatch, in_turn=2 * len(house.installation.ledgers.all()))
    without_keys(house, case)
    looks = -(-house.installation.feed.head(house.ledger.id).size // 2)
    found = [service.all(whole=False)["dffh"].lost for _ in range(2 * looks)]
    assert found[looks:] == [1] * looks
    keys_again(house)
    assert service.all(whole=False)["dffh"].lost == 0


@IN_BOTH
def test_a_vault_older_than_its_ledger_is_noticed_though_its_rows_are_missing_too(house: House) -> None:
    received(house)
    dump = dumped(house.installation.vault)
    case = received(house)
    (missing,) = {sealed.key for sealed in [row.decoded and _sealed(row) for row in rows(house, case)]}
    restored(house.installation.vault, dump)
    found = Reconciling(house.installation).all(whole=False)["dffh"]
    assert (found.lost, found.lost_key) == (1, missing)
    check_ledger(house.installation.database, house.ledger)


def sealed_under(house: House) -> set[str]:
    """The keys that entries name."""
    batches = house.installation.feed.scan(house.ledger.id)
    return {sealed.key for batch in batches for row in batch for sealed, _ in sealed_in(row)}


def _sealed(row: Any) -> Any:
    return decode_event(row.decoded).purpose
