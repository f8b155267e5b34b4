"""Emergency access: who may take it, what opens under it and until when, who is told of it and reviews it."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation, Principal
from ledger.application.telling import Telling
from ledger.clock import SimulatedClock
from ledger.errors import Forbidden, InvalidInput, LawRefused, NotFound
from ledger.store.closing import end
from ledger.store.database import Database
from ledger.tlog.checkpoint import Checkpoint
from ledger.vault.opening import Opened
from tests.application.conftest import House, people
from tests.application.glass import REASON, act, case_with_words, looked, reporter, review, take
from tests.application.test_destroying import received
from tests.support import check_ledger

START = datetime(2025, 6, 11, 1, tzinfo=UTC)


def opened(house: House, index: int, who: Principal, **given: Any) -> dict[str, Any]:
    """All sealed fields of an entry."""
    return house.installation.open_sealed(
        "dffh", [(index, None)], reason="to find her", principal=who, **given
    )[0]


def openings(house: House) -> list[Any]:
    """The entries of the stream, decoded."""
    return [
        row.decoded
        for row in house.installation.feed.stream(house.ledger.id, "openings")
        if row.event == "ledger.vault.v1.SealedFieldsOpened"
    ]


@pytest.fixture
def clocked(database: Database, tmp_path: Path) -> Iterator[House]:
    """A ledger whose clock the test moves."""
    with Installation(database, tmp_path, clock=SimulatedClock(START)) as installation:
        organisation = str(uuid.uuid4())
        administrator, officer, privacy = people(organisation)
        installation.create_ledger(
            "dffh", origin="example.vic.gov.au/dffh", organisation=organisation, legal_name="Department",
            administrator=administrator, demonstration=True,
        )  # fmt: skip
        made = House(installation, organisation, administrator, officer, privacy)
        for person, role in ((officer, "officer"), (privacy, "privacy_officer")):
            fields = {"person": person.person, "role": role, "organisation": organisation}
            made.run("role.RoleGranted", fields, happened="2025-01-01", principal=administrator)
        yield made


def move(house: House, to: datetime) -> None:
    """Sets the simulated clock."""
    clock = house.installation.clock
    assert isinstance(clock, SimulatedClock)
    clock.move_to(to)


def test_who_took_emergency_access_opens_what_it_names_and_each_opening_names_it(house: House) -> None:
    case, index = case_with_words(house)
    with pytest.raises(Forbidden, match=r"or emergency access: .* has taken no emergency access"):
        opened(house, index, house.administrator)
    assert openings(house) == []
    access = take(house, case)
    found = opened(house, index, house.administrator)
    assert isinstance(found["requester_name"], Opened)
    assert found["requester_name"].value == "Petra Planted"
    (entry,) = openings(house)
    assert entry.actor.role == "administrator"
    (listed,) = looked(house, house.administrator)
    assert (listed["entry"], listed["cases"], listed["minutes"], listed["in_force"]) == (
        access,
        [case],
        15,
        True,
    )
    assert listed["openings"] == [entry.index]
    with house.installation.database.connect_admin() as connection:
        rows = connection.execute("SELECT entry FROM ledger.entries").fetchall()
    assert not [row for row in rows if b"Petra" in bytes(row[0])]
    check_ledger(house.installation.database, house.ledger)


def test_what_is_taken_is_of_one_person_for_its_cases_alone(house: House) -> None:
    other = reporter(house)
    (case, index), (_, elsewhere) = case_with_words(house), case_with_words(house)
    access = take(house, case)
    with pytest.raises(Forbidden, match="has taken no emergency access"):
        opened(house, index, other)
    with pytest.raises(Forbidden, match=rf"emergency access of entry {access} is not for case"):
        opened(house, elsewhere, house.administrator)
    with pytest.raises(Forbidden, match=rf"entry {access} is not for case"):
        house.installation.open_sealed(
            "dffh", [(index, None), (elsewhere, None)], reason="both", principal=house.administrator
        )
    assert openings(house) == []
    take(house, whole_ledger=True, who=other)
    assert isinstance(opened(house, elsewhere, other)["requester_name"], Opened)
    with pytest.raises(Forbidden, match="is not for case"):
        opened(house, elsewhere, house.administrator)
    stated = {"opened": [{"entry": elsewhere, "paths": ["requester_name"]}], "reason": "by hand"}
    with pytest.raises(Forbidden, match="who took it alone may use it"):
        house.run(
            "vault.SealedFieldsOpened",
            stated | {"emergency_access": access},
            principal=other,
            happened=house.today,
        )
    check_ledger(house.installation.database, house.ledger)


def test_nothing_opens_from_the_moment_on_at_which_it_is_over(clocked: House) -> None:
    """To the microsecond, by the time of the ledger."""
    case, index = case_with_words(clocked)
    access = take(clocked, case, minutes=60)
    until = START + timedelta(minutes=60)
    move(clocked, until - timedelta(microseconds=1))
    key = str(uuid.uuid4())
    assert isinstance(opened(clocked, index, clocked.administrator, command_id=key)["requester_name"], Opened)
    move(clocked, until)
    for given in ({}, {"command_id": key}):
        with pytest.raises(Forbidden, match=rf"entry {access} ended at 2025-06-11T02:00:00Z"):
            opened(clocked, index, clocked.administrator, **given)
    assert len(openings(clocked)) == 1
    stated = {
        "opened": [{"entry": index, "paths": ["requester_name"]}],
        "reason": "late",
        "emergency_access": access,
    }
    with pytest.raises(Forbidden, match="ended at"):
        clocked.run("vault.SealedFieldsOpened", stated, principal=clocked.administrator, happened=clocked.today)
    check_ledger(clocked.installation.database, clocked.ledger)


def test_an_opening_whose_entry_came_too_late_shows_nothing(house: House) -> None:
    """The time of the ledger counts, not that of a process whose clock is behind it."""
    case, index = case_with_words(house)
    access = take(house, case, minutes=1)

    class Behind:
        def now(self) -> datetime:
            return datetime.now(UTC) - timedelta(minutes=2)

    with house.installation.database.connect_admin() as connection:
        # A ledger's time never falls: what comes next is recorded a minute on.
        connection.execute("UPDATE ledger.heads SET recorded_at = recorded_at + interval '1 minute'")
    with (
        Installation(house.installation.database, house.installation.data_dir, clock=Behind()) as late,
        pytest.raises(Forbidden, match=rf"^the emergency access of entry {access} ended at"),
    ):
        late.open_sealed("dffh", [(index, None)], reason="late", principal=house.administrator)
    assert len(openings(house)) == 1
    check_ledger(house.installation.database, house.ledger)


def test_files_open_under_it_too(house: House) -> None:
    case, _ = case_with_words(house)
    outcome = house.installation.attach(
        "dffh", case, io.BytesIO(b"words of Petra"), None, media_type="text/plain", title="a file",
        principal=house.officer, command_id=str(uuid.uuid4()),
    )  # fmt: skip
    index = outcome.receipts[0].index
    wanted: dict[str, Any] = {"reason": "to find her", "principal": house.administrator}
    with pytest.raises(Forbidden, match="no emergency access"):
        house.installation.read_attachment("dffh", index, "file", **wanted)
    access = take(house, case)
    _, chunks = house.installation.read_attachment("dffh", index, "file", **wanted)
    assert b"".join(chunks) == b"words of Petra"
    (listed,) = looked(house, house.administrator)
    assert (listed["entry"], len(listed["openings"])) == (access, 1)
    check_ledger(house.installation.database, house.ledger)


def test_a_grant_that_ends_ends_it(house: House) -> None:
    who = reporter(house)
    case, index = case_with_words(house)
    take(house, case, who=who)
    opened(house, index, who)
    fields = {"person": who.person, "role": "reporter", "organisation": house.organisation}
    house.run("role.RoleEnded", fields, happened=house.today, principal=house.administrator)
    with pytest.raises(Forbidden, match="holds no role there"):
        opened(house, index, who)
    check_ledger(house.installation.database, house.ledger)


def test_it_ends_early_by_who_took_it_a_privacy_officer_or_an_administrator(house: House) -> None:
    who, other = reporter(house), reporter(house)
    case, index = case_with_words(house)
    for ender in (who, house.privacy_officer, house.administrator):
        access = take(house, case, who=who)
        opened(house, index, who)
        with pytest.raises(Forbidden, match="did not take it"):
            act(house, "EmergencyAccessEnded", access, other)
        act(house, "EmergencyAccessEnded", access, ender)
        with pytest.raises(Forbidden, match=rf"entry {access} ended at"):
            opened(house, index, who)
        with pytest.raises(LawRefused, match="already"):
            act(house, "EmergencyAccessEnded", access, ender)
    with pytest.raises(Forbidden, match="takes one of"):
        act(house, "EmergencyAccessEnded", access, house.officer)
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"minutes": 61}, "1 to 60 minutes, not 61"),
        ({"minutes": 0}, "1 to 60 minutes, not 0"),
        ({"reason": " "}, r"fields\.reason: expected text of more than white space"),
        ({"cases": []}, "cases that it is for must be stated"),
        ({"whole_ledger": True}, "not for both"),
        ({"cases": ["00000000-0000-4000-8000-000000000000"]}, "nothing is recorded in it"),
        ({"happened": "2025-06-11"}, "works from its entry on"),
    ],
)
def test_what_law_refuses_to_be_taken(house: House, wrong: dict[str, Any], said: str) -> None:
    case, _ = case_with_words(house)
    happened = wrong.pop("happened", house.today)
    fields = {"reason": REASON, "cases": [case], **wrong}
    with pytest.raises((LawRefused, InvalidInput, NotFound), match=said):
        house.run("vault.EmergencyAccessTaken", fields, principal=house.administrator, happened=happened)
    wrong["happened"] = happened
    assert looked(house, house.privacy_officer) == []
    check_ledger(house.installation.database, house.ledger)


def test_a_stranger_never_takes_it_and_who_may_open_needs_none(house: House) -> None:
    case, index = case_with_words(house)
    stranger = Principal(str(uuid.uuid4()), house.organisation, "test")
    elsewhere = Principal(house.administrator.person, str(uuid.uuid4()), "test")
    for who in (stranger, elsewhere):
        with pytest.raises(Forbidden, match="holds no role there"):
            take(house, case, who=who)
    for who in (house.officer, house.privacy_officer):
        with pytest.raises(Forbidden, match="takes one of administrator, minister_office, reporter"):
            take(house, case, who=who)
    access = take(house, case)
    opened(house, index, house.officer)
    stated = {
        "opened": [{"entry": index, "paths": ["requester_name"]}],
        "reason": "r",
        "emergency_access": access,
    }
    with pytest.raises(LawRefused, match="needs no emergency access"):
        house.run("vault.SealedFieldsOpened", stated, happened=house.today)
    (listed,) = looked(house, house.administrator)
    assert listed["openings"] == []
    check_ledger(house.installation.database, house.ledger)


def test_the_privacy_officer_is_told_by_the_list_once_and_an_entry_says_so(house: House) -> None:
    case, _ = case_with_words(house)
    access = take(house, case)
    (seen,) = looked(house, house.administrator)
    assert seen["told"] is None
    assert looked(house, house.officer)[0]["told"] is None
    (seen,) = looked(house, house.privacy_officer)
    assert seen["told"] is not None
    assert (seen["told"]["how"], seen["told"]["person"]) == ("list", house.privacy_officer.person)
    size = house.installation.feed.head(house.ledger.id).size
    assert looked(house, house.privacy_officer) == [seen]
    assert house.installation.feed.head(house.ledger.id).size == size
    told = house.installation.feed.entry(house.ledger.id, size - 1).decoded
    assert (told.event, told.actor.role) == ("ledger.vault.v1.PrivacyOfficerTold", "system")
    with pytest.raises(LawRefused, match=rf"told of the emergency access of entry {access} already"):
        house.installation.record_as_system(
            house.ledger, "vault.PrivacyOfficerTold", {"access": access, "how": "list"}
        )
    with pytest.raises(Forbidden, match="takes one of system"):
        act(house, "PrivacyOfficerTold", access, house.privacy_officer, how="list")
    check_ledger(house.installation.database, house.ledger)


def test_others_see_their_own_alone(house: House) -> None:
    who = reporter(house)
    take(house, case_with_words(house)[0])
    own = take(house, case_with_words(house)[0], who=who)
    assert [each["entry"] for each in looked(house, who)] == [own]
    assert len(looked(house, house.administrator)) == 2
    check_ledger(house.installation.database, house.ledger)


def test_nobody_escapes_a_review_by_closing_the_ledger(house: House) -> None:
    """Not while it is in force, nor untold, nor told and over and not reviewed; afterwards it still lists."""
    case, _ = case_with_words(house)
    access, other = take(house, case), take(house, case)

    def refused(entries: str) -> None:
        with pytest.raises(LawRefused, match=rf"emergency access of entry {entries} is not reviewed"):
            house.run("ledger.LedgerClosed", {}, principal=house.administrator, happened=house.today)

    refused(f"{access}, {other}")
    looked(house, house.privacy_officer)
    for each in (access, other):
        act(house, "EmergencyAccessEnded", each, house.administrator)
    refused(f"{access}, {other}")
    review(house, other)
    refused(str(access))
    review(house, access)
    house.run("ledger.LedgerClosed", {}, principal=house.administrator, happened=house.today)
    assert [each["told"]["how"] for each in looked(house, house.privacy_officer)] == ["list", "list"]
    check_ledger(house.installation.database, house.ledger)


def test_a_ledger_that_could_not_be_closed_still_lists(house: House) -> None:
    """One that is left without an entry, since it cannot go on ('ledger continue'): told again each time."""
    take(house, case_with_words(house)[0])
    size = house.installation.feed.head(house.ledger.id).size
    assert end(house.installation.database, house.ledger, size)
    for _ in range(2):
        (seen,) = looked(house, house.privacy_officer)
        assert seen["told"] is None
    check_ledger(house.installation.database, house.ledger)


def test_nobody_opens_a_closed_ledger_under_emergency_access(house: House) -> None:
    """What goes on from it would name another ledger's entry: neither its own access serves nor the heir's."""
    case, index = case_with_words(house)
    take(house, case)
    installation = house.installation
    size = installation.feed.head(house.ledger.id).size
    assert end(installation.database, house.ledger, size)
    installation.create_ledger(
        "next", origin="example.vic.gov.au/next", organisation=house.organisation,
        administrator=house.administrator, predecessor_note="its last",
        predecessor=Checkpoint(house.ledger.origin, size, bytes(32)),
    )  # fmt: skip
    heir = installation.ledgers.get("next")
    for _ in range(2):
        with pytest.raises(Forbidden, match="there is no emergency access to a closed ledger"):
            opened(house, index, house.administrator)
        house.run(
            "vault.EmergencyAccessTaken", {"reason": REASON, "whole_ledger": True}, ledger="next",
            principal=house.administrator, happened=house.today,
        )  # fmt: skip
    assert "SealedFieldsOpened" not in str([row.event for row in installation.feed.stream(heir.id, "openings")])
    check_ledger(installation.database, house.ledger)
    check_ledger(installation.database, heir)


def test_the_review_is_another_ones_once_it_is_over(house: House) -> None:
    case, _ = case_with_words(house)
    access = take(house, case)
    with pytest.raises(LawRefused, match="end it first"):
        review(house, access)
    act(house, "EmergencyAccessEnded", access, house.administrator)
    # Who took it becomes privacy officer: it is still another one's to review.
    fields = {
        "person": house.administrator.person,
        "role": "privacy_officer",
        "organisation": house.organisation,
    }
    second = Principal(str(uuid.uuid4()), house.organisation, "test")
    grant = {"person": second.person, "role": "administrator", "organisation": house.organisation}
    house.run("role.RoleGranted", grant, principal=house.administrator, happened=house.today)
    house.run("role.RoleGranted", fields, principal=second, happened=house.today)
    words = {"justified": True, "words": "w"}
    with pytest.raises(Forbidden, match="took it and may not review it"):
        act(house, "EmergencyAccessReviewed", access, house.administrator, **words)
    assert looked(house, house.administrator)[0]["told"] is None
    with pytest.raises(InvalidInput, match=r"fields\.words: expected text of more than white space"):
        act(house, "EmergencyAccessReviewed", access, house.privacy_officer, justified=True, words=" ")
    with pytest.raises(LawRefused, match="is none by which emergency access was taken"):
        review(house, access + 1)
    index = review(house, access)
    with pytest.raises(LawRefused, match="reviewed already"):
        review(house, access)
    (seen,) = looked(house, house.privacy_officer)
    assert seen["reviewed"]["justified"] is True
    assert seen["told"] is None
    corrects = {"index": index, "kind": "typing", "reason": "the wrong box"}
    house.run(
        "vault.EmergencyAccessReviewed", {"access": access, "justified": False, "words": "no need"},
        principal=house.privacy_officer, happened=house.today, corrects=corrects,
    )  # fmt: skip
    (seen,) = looked(house, house.privacy_officer)
    assert seen["reviewed"]["justified"] is False
    check_ledger(house.installation.database, house.ledger)


def test_what_was_done_under_it_is_never_corrected_away(clocked: House) -> None:
    """And a correction of another opening judges what came after it at its own moment, not now."""
    case, index = case_with_words(clocked)
    opened(clocked, index, clocked.officer)
    access = take(clocked, case)
    opened(clocked, index, clocked.administrator)
    first, used = openings(clocked)
    move(clocked, START + timedelta(days=3))
    corrects = {"index": used.index, "kind": "entered_in_error", "reason": "never happened"}
    stated = {"opened": [{"entry": index, "paths": ["purpose"]}], "reason": "r"}
    for fields in (stated, stated | {"emergency_access": access}):
        for who in (clocked.officer, clocked.administrator):
            with pytest.raises((LawRefused, Forbidden)):
                clocked.run(
                    "vault.SealedFieldsOpened", fields, principal=who, happened="2025-06-11", corrects=corrects
                )
    with pytest.raises(LawRefused, match="such an entry is not corrected"):
        clocked.run(
            "vault.EmergencyAccessTaken", {"reason": "r", "cases": [case]}, principal=clocked.administrator,
            happened=clocked.today, corrects={"index": access, "kind": "entered_in_error", "reason": "no"},
        )  # fmt: skip
    clocked.run(
        "vault.SealedFieldsOpened", stated, happened="2025-06-11",
        corrects={"index": first.index, "kind": "typing", "reason": "a slip"},
    )  # fmt: skip
    (seen,) = looked(clocked, clocked.administrator)
    assert seen["openings"] == [used.index]
    check_ledger(clocked.installation.database, clocked.ledger)


def test_a_late_review_stays_late_whatever_is_corrected_of_it(clocked: House) -> None:
    """A correction is of the same access and of the day of the review, also one of a correction."""
    case, _ = case_with_words(clocked)
    access, other = take(clocked, case), take(clocked, case)
    move(clocked, START + timedelta(days=30))
    index = review(clocked, access)

    def corrected(of: int, happened: str, named: int = access) -> int:
        outcome = clocked.run(
            "vault.EmergencyAccessReviewed", {"access": named, "justified": False, "words": "no need"},
            principal=clocked.privacy_officer, happened=happened,
            corrects={"index": of, "kind": "typing", "reason": "the wrong box"},
        )  # fmt: skip
        return outcome.receipts[0].index

    reviewed_on = clocked.today
    move(clocked, START + timedelta(days=31))
    for day in ("2025-06-12", "2025-06-01", clocked.today):
        with pytest.raises(LawRefused, match=f"entry {access}, and of {reviewed_on}"):
            corrected(index, day)
    with pytest.raises(LawRefused, match=f"entry {access}, and of {reviewed_on}"):
        corrected(index, reviewed_on, other)
    index = corrected(index, reviewed_on)
    with pytest.raises(LawRefused, match=f"entry {access}, and of {reviewed_on}"):
        corrected(index, "2025-06-12")
    check_ledger(clocked.installation.database, clocked.ledger)


def test_a_review_falls_due_after_seven_days(clocked: House) -> None:
    access = take(clocked, received(clocked))
    told = Telling(clocked.installation, None, lambda *_, **__: None)

    def overdue() -> bool:
        told.look()
        found: bool = looked(clocked, clocked.administrator)[0]["review_overdue"]
        assert told.state()["dffh"].overdue == int(found)
        return found

    assert not overdue()
    assert looked(clocked, clocked.administrator)[0]["review_due"] == "2025-06-18"
    move(clocked, datetime(2025, 6, 18, 13, 59, tzinfo=UTC))
    assert not overdue()
    move(clocked, datetime(2025, 6, 18, 14, 0, tzinfo=UTC))
    assert overdue()
    review(clocked, access, justified=False)
    assert not overdue()
    assert "Petra" not in json.dumps(looked(clocked, clocked.administrator))
    check_ledger(clocked.installation.database, clocked.ledger)


def test_a_process_whose_clock_is_behind_opens_nothing_after_the_end(house: House) -> None:
    """What is recorded after the end comes after it, whatever its clock says."""
    case, index = case_with_words(house)
    access = take(house, case)
    act(house, "EmergencyAccessEnded", access, house.privacy_officer)

    class Behind:
        def now(self) -> datetime:
            return datetime.now(UTC) - timedelta(seconds=30)

    with Installation(house.installation.database, house.installation.data_dir, clock=Behind()) as late:
        with pytest.raises(Forbidden, match=rf"emergency access of entry {access} ended at"):
            late.open_sealed("dffh", [(index, None)], reason="late", principal=house.administrator)
        stated = {"opened": [{"entry": index, "paths": ["purpose"]}], "reason": "r", "emergency_access": access}
        with pytest.raises(Forbidden, match=rf"^the emergency access of entry {access} ended at"):
            late.execute(
                "dffh", "vault.SealedFieldsOpened", {"happened": house.today, "fields": stated},
                principal=house.administrator, command_id=str(uuid.uuid4()),
            )  # fmt: skip
    assert openings(house) == []
    check_ledger(house.installation.database, house.ledger)
