from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidInput
from ledger.law.calendar import (
    Calendar,
    Holiday,
    seed_days,
    seeded_calendar,
    with_added,
    with_removed,
    with_substituted,
)

KNOWN = date(2025, 7, 1)
CUP_DAY = date(2025, 11, 4)
SHOW_DAY = date(2025, 10, 29)
DAYS = st.dates(date(2014, 1, 1), date(2031, 12, 31))


def test_seed_holds_the_public_holidays_of_victoria_in_2025():
    assert [(h.day.month, h.day.day) for h in seed_days(2025, 2025)] == [
        (1, 1),
        (1, 27),
        (3, 10),
        (4, 18),
        (4, 19),
        (4, 20),
        (4, 21),
        (4, 25),
        (6, 9),
        (9, 26),
        (11, 4),
        (12, 25),
        (12, 26),
    ]


def test_seed_covers_2014_to_five_years_ahead_and_is_provisional_beyond(calendar):
    assert calendar.days[0] == Holiday(date(2014, 1, 1), "New Year's Day")
    assert calendar.days[-1].day.year == 2031
    assert not calendar.is_provisional(date(2031, 12, 31))
    assert calendar.is_provisional(date(2032, 1, 1))


def test_seed_refuses_years_out_of_order():
    with pytest.raises(InvalidInput, match="last_year"):
        seed_days(2025, 2024)


def test_saturday_sunday_and_holidays_are_not_ordinary(calendar):
    assert calendar.why_not_ordinary(date(2025, 6, 14)) == "Saturday"
    assert calendar.why_not_ordinary(date(2025, 6, 15)) == "Sunday"
    assert calendar.why_not_ordinary(date(2025, 4, 25)) == "ANZAC Day"
    assert calendar.why_not_ordinary(date(2025, 6, 16)) is None
    assert [calendar.is_ordinary(date(2025, 6, day)) for day in (13, 14, 15, 16)] == [True, False, False, True]


def test_next_and_previous_ordinary_day_step_over_easter(calendar):
    assert calendar.next_ordinary_day(date(2025, 4, 18)) == date(2025, 4, 22)
    assert calendar.previous_ordinary_day(date(2025, 4, 21)) == date(2025, 4, 17)
    assert calendar.next_ordinary_day(date(2025, 4, 22)) == date(2025, 4, 22)


def test_no_ordinary_day_at_the_end_of_time_is_our_error():
    last = Calendar((Holiday(date.max, "the last day"),), date.max)
    with pytest.raises(InvalidInput, match="ordinary day beside it"):
        last.next_ordinary_day(date.max)


def test_gazetted_day_is_no_ordinary_day_once_added(calendar):
    mourning = date(2025, 8, 14)
    changed = with_added(calendar, mourning, "Day of Mourning", KNOWN)
    assert calendar.is_ordinary(mourning)
    assert changed.why_not_ordinary(mourning) == "Day of Mourning"
    with pytest.raises(InvalidInput, match="no public holiday yet"):
        with_added(changed, mourning, "again", KNOWN)


def test_removed_day_is_ordinary(calendar):
    changed = with_removed(calendar, CUP_DAY, KNOWN)
    assert changed.is_ordinary(CUP_DAY)
    assert changed.changes[-1].name == "Melbourne Cup Day"
    with pytest.raises(InvalidInput, match="a public holiday"):
        with_removed(changed, CUP_DAY, KNOWN)


def test_council_substitute_for_cup_day_holds_in_its_municipality_only(calendar):
    changed = with_substituted(calendar, "Greater Bendigo", CUP_DAY, SHOW_DAY, "Bendigo Cup Day", KNOWN)
    there = changed.of_municipality("Greater Bendigo")
    assert (there.is_ordinary(CUP_DAY), there.is_ordinary(SHOW_DAY)) == (True, False)
    assert (changed.is_ordinary(CUP_DAY), changed.is_ordinary(SHOW_DAY)) == (False, True)
    elsewhere = changed.of_municipality("Ballarat")
    assert (elsewhere.is_ordinary(CUP_DAY), elsewhere.is_ordinary(SHOW_DAY)) == (False, True)


def test_substitute_replaces_cup_day_only(calendar):
    with pytest.raises(InvalidInput, match="Melbourne Cup Day"):
        with_substituted(calendar, "Greater Bendigo", date(2025, 12, 25), SHOW_DAY, "x", KNOWN)
    with pytest.raises(InvalidInput, match="no public holiday yet"):
        with_substituted(calendar, "Greater Bendigo", CUP_DAY, date(2025, 12, 25), "x", KNOWN)


def test_calendar_as_known_earlier_leaves_later_changes_out(calendar):
    changed = with_removed(calendar, CUP_DAY, KNOWN)
    assert not changed.known_on(date(2025, 6, 30)).is_ordinary(CUP_DAY)
    assert changed.known_on(KNOWN).is_ordinary(CUP_DAY)


@given(day=DAYS)
def test_property_next_ordinary_day_is_the_first_one(calendar, day):
    found = calendar.next_ordinary_day(day)
    assert calendar.is_ordinary(found)
    assert not any(calendar.is_ordinary(date.fromordinal(n)) for n in range(day.toordinal(), found.toordinal()))


@given(day=DAYS)
def test_property_ordinary_days_have_no_reason_not_to_be(calendar, day):
    assert calendar.is_ordinary(day) == (calendar.why_not_ordinary(day) is None)


def test_seeded_calendar_of_a_year_is_the_same_twice():
    assert seeded_calendar(date(2024, 7, 1)) == seeded_calendar(date(2024, 12, 31))
