"""A ledger that is closed: what it has sealed is opened and destroyed by the ledger that goes on from it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from ledger.application import Installation, Principal
from ledger.application.access import Matter, may
from ledger.application.destroying import plan
from ledger.application.reconciling import Reconciling
from ledger.application.searching import SEARCH, search
from ledger.domain.event import decode_event
from ledger.domain.openings.events import SealedFieldsSearched
from ledger.errors import CommandReused, Forbidden, LawRefused
from ledger.store.closing import end
from ledger.store.ledgers import Ledger
from ledger.vault.opening import Destroyed, Lost, Opened, Opening
from tests.application.conftest import House, people
from tests.application.test_destroying import GROUND, act, propose, received, rows
from tests.support import check_ledger


@dataclass
class Heir:
    """The house's department has ended, and this ledger (``next``) goes on with its cases."""

    house: House
    organisation: str
    administrator: Principal
    officer: Principal
    privacy_officer: Principal
    slug: str = "next"

    @property
    def ledger(self) -> Ledger:
        return self.house.installation.ledgers.get(self.slug)

    def act(self, word: str, principal: Principal | None = None, **fields: Any) -> Any:
        return self.house.run(
            f"destruction.{word}", fields, principal=principal or self.privacy_officer, ledger=self.slug,
            happened=self.house.today,
        )  # fmt: skip

    def propose(self, case: str, **fields: Any) -> str:
        destruction = str(uuid.uuid4())
        said = {"scope": "case", "case": case, "ledger": self.house.ledger.origin, **GROUND, **fields}
        self.act("DestructionProposed", destruction=destruction, **said)
        return destruction

    def opened(self, index: int, principal: Principal | None = None) -> dict[str, Opening]:
        """What is sealed in an entry of the closed ledger."""
        return self.house.installation.open_sealed(
            "dffh", [(index, None)], reason="an access request", principal=principal or self.privacy_officer
        )[0]


def closed(house: House, successor: str | None, heir: Heir | None = None) -> int:
    """The house's ledger, or its heir's, records its end; gives its size, which is its last."""
    ledger, administrator = (
        (house.ledger, house.administrator) if heir is None else (heir.ledger, heir.administrator)
    )
    fields = {"successor": successor}
    house.run("ledger.LedgerClosed", fields, principal=administrator, ledger=ledger.slug, happened=house.today)
    size = house.installation.feed.head(ledger.id).size
    assert end(house.installation.database, ledger, size)
    return size


def founded(house: House, slug: str = "next") -> Heir:
    organisation = str(uuid.uuid4())
    administrator, officer, privacy = people(organisation)
    house.installation.create_ledger(
        slug, origin=f"example.vic.gov.au/{slug}", organisation=organisation, legal_name=f"Department {slug}",
        administrator=administrator,
    )  # fmt: skip
    for person, role in ((officer, "officer"), (privacy, "privacy_officer")):
        grant = {"person": person.person, "role": role, "organisation": organisation}
        house.run("role.RoleGranted", grant, happened="2025-01-01", ledger=slug, principal=administrator)
    return Heir(house, organisation, administrator, officer, privacy, slug)


def check(heir: Heir, size: int) -> None:
    installation = heir.house.installation
    assert check_ledger(installation.database, heir.house.ledger) == size
    check_ledger(installation.database, heir.ledger)


def test_its_values_are_opened_and_destroyed_by_who_goes_on_with_its_cases(house: House) -> None:
    heir = founded(house)
    case, other = received(house), received(house)
    (entry,), (untouched,) = rows(house, case), rows(house, other)
    size = closed(house, heir.ledger.origin)
    before = house.installation.feed.head(heir.ledger.id).size
    assert may(house.installation, house.ledger, heir.officer, Matter.CASES)
    assert {type(each) for each in heir.opened(entry.index).values()} == {Opened}
    (opening,) = house.installation.feed.stream(heir.ledger.id, "openings")
    assert opening.index == before
    plan_of = plan(house.installation, house.ledger, {"case": case, "scope": "case"})
    assert (plan_of.entries, plan_of.demanded, plan_of.holds) == (1, False, ())
    destruction = heir.propose(case)
    heir.act("DestructionAuthorised", destruction=destruction)
    standing = house.installation.streams.destruction(heir.ledger)
    done = standing.destructions[destruction]
    assert done.authorised is not None
    assert (done.standing, done.authorised.ledger) == ("completed", house.ledger.origin)
    assert house.installation.vault_keys.keys_of(house.ledger.id, case) == []
    assert {type(each) for each in heir.opened(entry.index).values()} == {Destroyed}
    assert {type(each) for each in heir.opened(untouched.index).values()} == {Opened}
    # A service that has just begun says the same.
    with Installation(house.installation.database, house.installation.data_dir) as another:
        assert set(done.authorised.keys) <= set(another.streams.destroyed(house.ledger))
        found = Reconciling(another).all(whole=True, every_entry=True)
    assert [(each.lost, each.again) for each in found.values()] == [(0, 0)] * 3
    check(heir, size)


def test_what_a_backup_brings_back_of_it_goes_again_and_is_recorded_by_its_heir(house: House) -> None:
    heir = founded(house)
    case = received(house)
    (entry,) = rows(house, case)
    size = closed(house, heir.ledger.origin)
    with house.installation.database.connect_admin() as connection:
        for table in ("keys", "sealed"):
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM vault.{table}".encode())
        destruction = heir.propose(case)
        heir.act("DestructionAuthorised", destruction=destruction)
        where = "WHERE k.stream = %s"
        connection.execute(
            f"INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM keys k {where}".encode(), (case,)
        )
        connection.execute(
            f"INSERT INTO vault.sealed SELECT s.* FROM sealed s JOIN keys k ON k.id = s.key {where}".encode(),
            (case,),
        )
    assert not {type(each) for each in heir.opened(entry.index).values()} & {Opened, Lost}
    found = Reconciling(house.installation).all(whole=True)
    assert (found["next"].again, found["dffh"].lost) == (2, 0)
    assert house.installation.vault_keys.keys_of(house.ledger.id, case) == []
    (again,) = house.installation.streams.destruction(heir.ledger).came_back
    assert again.destructions == (destruction,)
    check(heir, size)


def test_its_holds_stand_until_its_heir_releases_them_and_two_people_stay_two(house: House) -> None:
    heir = founded(house)
    case = received(house)
    act(house, "HoldPlaced", house.privacy_officer, hold="inquiry", reason="an inquiry", case=case)
    act(house, "SecondPersonDemanded", house.administrator, demanded=True)
    size = closed(house, heir.ledger.origin)
    heir.act("HoldPlaced", hold="inquiry", reason="another", area="complaint")
    with pytest.raises(LawRefused, match="held: inquiry"):
        heir.propose(case)
    # Its own hold of that id is another.
    heir.act("HoldReleased", hold="inquiry")
    assert plan(house.installation, house.ledger, {"case": case, "scope": "case"}).holds == ("inquiry",)
    heir.act("HoldReleased", hold="inquiry", ledger=house.ledger.origin)
    with pytest.raises(LawRefused, match="hold inquiry is not open"):
        heir.act("HoldReleased", hold="inquiry", ledger=house.ledger.origin)
    heir.act("HoldPlaced", hold="later", reason="an order", case=case, ledger=house.ledger.origin)
    with pytest.raises(LawRefused, match="held: later"):
        heir.propose(case)
    heir.act("HoldReleased", hold="later")
    destruction = heir.propose(case)
    with pytest.raises(LawRefused, match="demands a second person"):
        heir.act("DestructionAuthorised", destruction=destruction)
    heir.act("DestructionApproved", heir.administrator, destruction=destruction)
    heir.act("DestructionAuthorised", destruction=destruction)
    with pytest.raises(LawRefused, match="nothing to destroy"):
        heir.propose(case)
    check(heir, size)


def test_it_is_searched_in_the_ledger_that_goes_on_from_it(house: House) -> None:
    heir = founded(house)
    # Its heir has fewer entries than it: what was searched is told by its own.
    cases = [received(house, requester_name="Jo Bloggs") for _ in range(20)]
    (entry,) = rows(house, cases[-1])
    value = "jo bloggs"
    size = closed(house, heir.ledger.origin)
    command_id = str(uuid.uuid4())

    def look(text: str, principal: Principal = heir.officer, **more: Any) -> list[int]:
        answer = search(house.installation, "dffh", text, reason="access", principal=principal, **more)
        assert answer.end == size
        return [each.row.index for each in answer.entries]

    assert house.installation.feed.head(heir.ledger.id).size < size
    found = look(value, command_id=command_id)
    assert (entry.index in found, len(found)) == (True, 20)
    (row,) = house.installation.feed.stream(heir.ledger.id, "openings")
    event = decode_event(row.decoded)
    assert isinstance(event, SealedFieldsSearched)
    assert (event.ledger, event.searched_to, len(event.found)) == (house.ledger.origin, size, 20)
    with pytest.raises(CommandReused, match="a search is not repeated"):
        look(value, command_id=command_id)
    for who in (house.officer, heir.administrator):
        with pytest.raises(Forbidden, match="searching sealed fields of dffh takes a role"):
            look(value, who)
    heir.act("DestructionAuthorised", destruction=heir.propose(cases[-1]))
    assert len(look(value)) == 19
    # In its own search of the heir's entries nothing of it is found.
    assert search(house.installation, "next", value, reason="access", principal=heir.officer).entries == ()
    check(heir, size)


def test_along_a_chain_what_each_closed_ledger_held_released_and_demanded_counts(house: House) -> None:
    middle, last = founded(house), founded(house, "last")
    case, other = received(house), received(house)
    act(house, "HoldPlaced", house.privacy_officer, hold="first", reason="an inquiry", case=case)
    size = closed(house, middle.ledger.origin)
    middle.act("HoldReleased", hold="first", ledger=house.ledger.origin)
    middle.act("HoldPlaced", hold="second", reason="an order", case=case, ledger=house.ledger.origin)
    middle.act("DestructionAuthorised", destruction=middle.propose(other))
    middle.act("SecondPersonDemanded", middle.administrator, demanded=True)
    middle_size = closed(house, last.ledger.origin, middle)

    planned = plan(house.installation, house.ledger, {"case": case, "scope": "case"})
    assert (planned.holds, planned.demanded) == (("second",), True)
    with pytest.raises(LawRefused, match="held: second;"):
        last.propose(case)
    with pytest.raises(LawRefused, match="hold first is not open"):
        last.act("HoldReleased", hold="first", ledger=house.ledger.origin)
    last.act("HoldReleased", hold="second", ledger=middle.ledger.origin)
    assert plan(house.installation, house.ledger, {"case": case, "scope": "case"}).holds == ()
    destruction = last.propose(case)
    with pytest.raises(LawRefused, match="demands a second person"):
        last.act("DestructionAuthorised", destruction=destruction)
    last.act("DestructionApproved", last.administrator, destruction=destruction)
    last.act("DestructionAuthorised", destruction=destruction)
    for gone in (case, other):
        with pytest.raises(LawRefused, match="nothing to destroy"):
            last.propose(gone)
    assert check_ledger(house.installation.database, middle.ledger) == middle_size
    check(last, size)


def test_where_no_ledger_goes_on_from_it_that_is_said_with_what_to_do(house: House) -> None:
    heir = founded(house)
    case = received(house)
    (entry,) = rows(house, case)
    size = closed(house, None)
    with pytest.raises(LawRefused, match=r"no ledger goes on from it .*'auditledger ledger continue'"):
        heir.opened(entry.index, house.privacy_officer)
    with pytest.raises(LawRefused, match="no ledger goes on from it"):
        search(house.installation, "dffh", "Jo Bloggs", reason="access", principal=house.officer)
    with pytest.raises(LawRefused, match="no ledger goes on from it"):
        plan(house.installation, house.ledger, {"case": case, "scope": "case"})
    with pytest.raises(LawRefused, match="goes on from no closed ledger"):
        heir.propose(case)
    with pytest.raises(LawRefused, match="is closed: nothing enters it"):
        propose(house, case)
    assert not may(house.installation, house.ledger, heir.officer, Matter.CASES)
    check(heir, size)


def test_nobody_speaks_for_a_ledger_that_is_open_or_anothers(house: House) -> None:
    heir = founded(house)
    case = received(house)
    (entry,) = rows(house, case)
    with pytest.raises(LawRefused, match="goes on from no closed ledger"):
        heir.propose(case)
    with pytest.raises(LawRefused, match="goes on from no closed ledger"):
        heir.act("HoldPlaced", hold="h-1", reason="x", case=case, ledger=house.ledger.origin)
    with pytest.raises(LawRefused, match="goes on from no closed ledger"):
        heir.act("HoldReleased", hold="h-1", ledger="example.vic.gov.au/nobody")
    with pytest.raises(Forbidden):
        heir.opened(entry.index)
    said = {"found": [], "searched_from": 0, "searched_to": 1, "reason": "x", "ledger": house.ledger.origin}
    with pytest.raises(LawRefused, match="goes on from no closed ledger"):
        house.installation.record_reading(heir.ledger, SEARCH, said, heir.officer, None, None)
    size = closed(house, "example.vic.gov.au/elsewhere")
    with pytest.raises(LawRefused, match="goes on from no closed ledger"):
        heir.propose(case)
    with pytest.raises(LawRefused, match="no ledger goes on from it"):
        heir.opened(entry.index)
    check(heir, size)
