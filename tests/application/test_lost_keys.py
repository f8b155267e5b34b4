"""Destroying what is sealed under keys that the vault has lost: it is gone, and is so when they come back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.application.destroying import subjects_of
from ledger.application.reconciling import Reconciling
from ledger.application.searching import catch_up
from ledger.errors import InvalidInput, LawRefused
from ledger.vault.opening import Destroyed, Opened
from tests.application.conftest import House
from tests.application.test_closed_ledgers import check, closed, founded
from tests.application.test_destroying import REQUEST, destroy, opened, propose, rows
from tests.application.test_reconciling import keys_of, left_of, tokens_of, with_a_file
from tests.conftest import IN_BOTH
from tests.support import check_ledger


@contextmanager
def lacking(house: House, condition: str, *values: object) -> Iterator[None]:
    """Takes keys out of the vault, as if it were older than their entries; brings them back at the end."""
    with house.installation.vault.connect_admin() as connection:
        connection.execute(f"CREATE TABLE kept AS SELECT * FROM vault.keys WHERE {condition}".encode(), values)
        connection.execute("DELETE FROM vault.keys WHERE id IN (SELECT id FROM kept)")
        yield
        connection.execute("INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM kept")
        connection.execute("DROP TABLE kept")


@IN_BOTH
@pytest.mark.parametrize("lost", ["case", ""])
def test_what_a_lost_key_sealed_is_destroyed_and_does_not_come_back_with_it(house: House, lost: str) -> None:
    """A vault older than its ledger lacks keys of it; which they are its entries say. ``lost``: '' is all."""
    case, command_id = with_a_file(house), str(uuid.uuid4())
    house.run(
        "request.RequestReceived", REQUEST, case=case, command_id=command_id,
        corrects={"index": rows(house, case)[0].index, "kind": "typing", "reason": "a word"},
    )  # fmt: skip
    indexes = [row.index for row in rows(house, case)]
    keys = keys_of(house, case)
    catch_up(house.installation, house.ledger)
    subjects = [lost] if lost else ["case", "content"]
    with lacking(house, "stream = %s AND subject = ANY (%s)", case, subjects):
        destruction = destroy(house, case)
        assert (left_of(house, keys), tokens_of(house, keys)) == ((0, 0, 0, 0), 0)
        done = house.installation.streams.destruction(house.ledger).destructions[destruction].completed
        assert done is not None
        # Of a key of contents an entry says no more than its first bytes: lost, it is not named.
        assert (done.keys, done.fields, done.files) == (2 - ("content" in subjects), 8, 1)
        with pytest.raises(LawRefused, match="nothing to destroy"):
            propose(house, case)
    assert all(isinstance(each, Destroyed) for index in indexes for each in opened(house, index).values())
    found = Reconciling(house.installation).all(whole=True, every_entry=True)["dffh"]
    assert (found.again, found.lost) == (1, 0)
    # With it went the key by which a guess at what was recorded could be told.
    assert keys_of(house, case) == ()
    check_ledger(house.installation.database, house.ledger)


def test_what_a_lost_key_sealed_of_a_subject_is_destroyed_and_nothing_of_another(house: House) -> None:
    people = [str(uuid.uuid4()) for _ in range(3)]
    for person in people:
        named = {"person": person, "role": "officer", "organisation": house.organisation, "name_of_person": "N"}
        house.run("role.RoleGranted", named, principal=house.administrator)
    indexes = [row.index for row in rows(house, "roles")[-3:]]
    keys = {subject: key for key, subject in subjects_of(rows(house, "roles")).items()}
    with lacking(house, "stream = 'roles' AND subject = ANY (%s)", people):
        destroy(house, "roles", scope="subject", subject=people[0])
        destroy(house, "roles", scope="subject", keys=[keys[people[1]]])
        with pytest.raises(InvalidInput, match="keys that serve case roles and are not destroyed"):
            propose(house, "roles", scope="subject", keys=[keys[people[0]]])
        with pytest.raises(LawRefused, match="nothing to destroy"):
            propose(house, "roles", scope="subject", subject=people[0])
    assert Reconciling(house.installation).all(whole=True)["dffh"].again == 2
    found = [opened(house, index)["name_of_person"] for index in indexes]
    assert [type(each) for each in found] == [Destroyed, Destroyed, Opened]
    assert left_of(house, tuple(keys[person] for person in people[:2])) == (0, 0, 0, 0)
    check_ledger(house.installation.database, house.ledger)


def test_what_a_lost_key_of_a_closed_ledger_sealed_is_destroyed_by_its_heir(house: House) -> None:
    heir = founded(house)
    case = with_a_file(house)
    indexes = [row.index for row in rows(house, case)]
    keys = keys_of(house, case)
    size = closed(house, heir.ledger.origin)
    with lacking(house, "stream = %s", case):
        destruction = heir.propose(case)
        heir.act("DestructionAuthorised", destruction=destruction)
        assert left_of(house, keys) == (0, 0, 0, 0)
        with pytest.raises(LawRefused, match="nothing to destroy"):
            heir.propose(case)
    assert all(isinstance(each, Destroyed) for index in indexes for each in heir.opened(index).values())
    assert Reconciling(house.installation).all(whole=True)["next"].again == 1
    assert keys_of(house, case) == ()
    check(heir, size)
