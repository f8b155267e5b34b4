"""Keys that are missing and that no entry destroyed: an alarm, whoever found it, until they are back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.application import Installation, reconciling
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


@IN_BOTH
def test_what_is_destroyed_while_it_is_looked_for_is_not_shown_as_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is gone when the vault is asked, and no entry had said so when the entries were."""
    installation, ledger = house.installation, house.ledger
    lost, other = received(house), received(house)
    without_keys(house, lost)
    Reconciling(installation).all(whole=True, every_entry=True)
    found = [*rows(house, lost), *rows(house, other)]
    (index, *_), keys = (
        [row.index for row in rows(house, other)],
        {sealed.key for sealed, _ in sealed_in(rows(house, other)[0])},
    )
    real = Shredder.present

    def meanwhile(self: Shredder, *given: Any, **more: Any) -> Any:
        monkeypatch.setattr(Shredder, "present", real)
        apart = None if installation.vault is installation.database else installation.vault
        with Installation(installation.database, installation.data_dir, vault=apart) as other_process:
            destroy(replace(house, installation=other_process), case.pop())
        return real(self, *given, **more)

    case = [other]
    monkeypatch.setattr(Shredder, "present", meanwhile)
    gone = installation.gone(ledger, found)
    assert {type(gone[key]) for key in keys} == {Destroyed}
    assert {type(each) for key, each in gone.items() if key not in keys} == {Lost}
    third = received(house)
    case.append(third)
    monkeypatch.setattr(Shredder, "present", meanwhile)
    (shown,) = rows(house, third)
    words = installation.unopened_at(ledger.id, [(shown.index, "requester_name"), (index, "requester_name")])
    assert {at[0] for at in words} == {shown.index, index}
    assert all(word.startswith("destroyed on") for word in words.values())
