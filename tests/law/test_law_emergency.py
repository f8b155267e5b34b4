from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.law import emergency as law
from ledger.law.general import Role

NOON = datetime(2025, 6, 11, 2, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
ONE, OTHER = ("p-1", "dffh"), ("p-2", "dffh")


@given(taken=MOMENTS, minutes=st.integers(1, 60), after=st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_it_is_in_force_up_to_one_moment_and_never_from_it_on(taken, minutes, after):
    """PDPA Sch 1 IPP 4.1, ours: an end before its time only shortens it; an hour after it none is in force."""
    whole, ended = (law.emergency_access_ends(taken, minutes, end) for end in (None, taken + after))
    assert whole == taken + timedelta(minutes=minutes)
    assert ended == min(whole, taken + after)
    law.used_while_in_force(4, whole, whole - timedelta(microseconds=1))
    for late in (whole, whole + timedelta(microseconds=1), taken + timedelta(minutes=60)):
        with pytest.raises(Forbidden, match="ended at"):
            law.used_while_in_force(4, ended, late)
    if ended < whole:
        with pytest.raises(LawRefused, match="already"):
            law.ended_while_in_force(4, ended, ended)


@pytest.mark.parametrize("minutes", [-1, 0, 61, 1 << 40])
def test_it_lasts_one_to_sixty_minutes(minutes):
    with pytest.raises(LawRefused, match=rf"1 to 60 minutes, not {minutes}") as refused:
        law.emergency_access_is_short(minutes)
    assert refused.value.citation == "ledger rule: emergency access (PDPA Sch 1 IPP 4.1)"
    for well in (1, 15, 60):
        law.emergency_access_is_short(well)


def test_it_is_for_named_cases_or_says_that_it_is_for_all():
    law.emergency_access_is_no_wider_than_needed(("c-1", "c-2"), False)
    law.emergency_access_is_no_wider_than_needed((), True)
    for cases, whole in (((), False), (("c-1",), True), (("c-1", "c-1"), False)):
        with pytest.raises(LawRefused):
            law.emergency_access_is_no_wider_than_needed(cases, whole)
    with pytest.raises(InvalidInput, match="at most 100"):
        law.emergency_access_is_no_wider_than_needed([f"c-{n}" for n in range(101)], False)


def test_it_states_a_reason_and_happens_when_it_is_recorded():
    with pytest.raises(LawRefused, match="the reason must be stated"):
        law.emergency_access_states_reason(" ")
    with pytest.raises(LawRefused, match="happened on 2025-06-11"):
        law.emergency_access_happens_when_recorded(date(2025, 6, 10), date(2025, 6, 11))
    with pytest.raises(LawRefused, match="happened on 2025-06-11"):
        law.emergency_access_happens_when_recorded(None, date(2025, 6, 11))
    law.emergency_access_happens_when_recorded(date(2025, 6, 11), date(2025, 6, 11))


def test_an_opening_rests_on_a_role_or_on_one_access():
    openers = {Role.OFFICER}
    law.opening_rests_on_a_right("officer", openers, None)
    law.opening_rests_on_a_right("administrator", openers, 4)
    with pytest.raises(Forbidden, match="without emergency access: it takes officer"):
        law.opening_rests_on_a_right("administrator", openers, None)
    with pytest.raises(LawRefused, match="needs no emergency access"):
        law.opening_rests_on_a_right("officer", openers, 4)


def test_it_is_of_one_person_and_its_cases():
    law.used_by_who_took_it(4, ONE, ONE)
    for other in (OTHER, ("p-1", "djcs")):
        with pytest.raises(Forbidden, match="who took it alone may use it"):
            law.used_by_who_took_it(4, ONE, other)
    law.used_for_what_it_names(4, ("c-1",), False, "c-1")
    law.used_for_what_it_names(4, (), True, "c-9")
    with pytest.raises(Forbidden, match="is not for case c-9"):
        law.used_for_what_it_names(4, ("c-1",), False, "c-9")


def test_who_ends_it_and_who_reviews_it():
    law.ended_by_who_took_it_or_a_keeper(ONE, ONE, "reporter")
    for role in ("privacy_officer", "administrator", "regulator"):
        law.ended_by_who_took_it_or_a_keeper(ONE, OTHER, role)
    with pytest.raises(Forbidden, match="did not take it"):
        law.ended_by_who_took_it_or_a_keeper(ONE, OTHER, "reporter")
    law.reviewed_by_another(ONE, OTHER)
    with pytest.raises(Forbidden, match="may not review it"):
        law.reviewed_by_another(ONE, ONE)


def test_it_is_told_once_and_reviewed_once_when_it_is_over():
    law.told_once(4, False)
    with pytest.raises(LawRefused, match="told of the emergency access of entry 4 already"):
        law.told_once(4, True)
    law.reviewed_once(4, False)
    with pytest.raises(LawRefused, match="reviewed already"):
        law.reviewed_once(4, True)
    law.reviewed_when_over(4, NOON, NOON)
    with pytest.raises(LawRefused, match="in force until 2025-06-11T02:00:00Z: end it first"):
        law.reviewed_when_over(4, NOON, NOON - timedelta(microseconds=1))
    with pytest.raises(LawRefused, match="the words of the review must be stated"):
        law.review_states_why("")
    with pytest.raises(LawRefused, match="entry 5 is none"):
        law.emergency_access_was_taken(5, {4})
    law.emergency_access_was_taken(4, {4})


def test_a_corrected_review_stays_of_its_access_and_its_day():
    """PDPA Sch 1 IPP 4.1; ours: a late review is late, whatever is corrected of it."""
    day = date(2025, 6, 30)
    law.corrected_review_keeps_access_and_day((4, day), (4, day))
    for other in ((4, date(2025, 6, 12)), (4, date(2025, 7, 1)), (4, None), (5, day)):
        with pytest.raises(
            LawRefused, match="stays that of the emergency access of entry 4, and of 2025-06-30"
        ):
            law.corrected_review_keeps_access_and_day((4, day), other)


def test_a_ledger_is_closed_when_each_emergency_access_is_reviewed():
    """PDPA Sch 1 IPP 4.1; ours: nobody escapes a review by closing the ledger."""
    law.closed_when_all_is_reviewed(())
    with pytest.raises(LawRefused, match="of entry 4, 11 is not reviewed: a ledger is closed after its review"):
        law.closed_when_all_is_reviewed([11, 4])


def test_the_review_is_due_on_the_seventh_day_after():
    assert law.review_due(date(2025, 4, 17)) == date(2025, 4, 24)


def test_what_was_done_under_it_is_not_corrected():
    law.use_of_emergency_access_stays(None, True)
    law.use_of_emergency_access_stays("a correction", False)
    with pytest.raises(LawRefused, match="such an entry is not corrected"):
        law.use_of_emergency_access_stays("a correction", True)


def test_nobody_who_opens_takes_it_and_nobody_who_takes_it_reviews():
    """PDPA Sch 1 IPP 4.1, ours: the roles that take it are none that open, and none that are told."""
    assert not law.TAKERS & law.TOLD
    assert not law.TAKERS & {Role.OFFICER, Role.CUSTODIAN, Role.AUDITOR, Role.SYSTEM}
