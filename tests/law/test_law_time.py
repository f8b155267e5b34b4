"""The rules of time: known answers of the design, more worked out by hand, and properties."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidInput
from ledger.law import time
from ledger.law.calendar import with_added, with_substituted
from ledger.law.time import Period, Rule

DAYS = st.dates(date(2014, 9, 17), date(2031, 6, 30))
COUNTS = st.integers(1, 200)


@pytest.mark.parametrize(
    ("section", "trigger", "days", "nominal", "due", "moved_by"),
    [
        ("IPP 6.8", date(2026, 2, 20), 45, date(2026, 4, 6), date(2026, 4, 7), ["Easter Monday"]),
        ("62(1)", date(2025, 6, 17), 90, date(2025, 9, 15), date(2025, 9, 15), []),
        ("83(2)(a)", date(2026, 2, 2), 28, date(2026, 3, 2), date(2026, 3, 2), []),
        (
            "83(2)",
            date(2025, 11, 28),
            28,
            date(2025, 12, 26),
            date(2025, 12, 29),
            ["Boxing Day", "Saturday", "Sunday"],
        ),
        (
            "83(2)",
            date(2026, 3, 6),
            28,
            date(2026, 4, 3),
            date(2026, 4, 7),
            ["Good Friday", "Easter Saturday", "Easter Sunday", "Easter Monday"],
        ),
        ("62(4)", date(2025, 3, 1), 60, date(2025, 4, 30), date(2025, 4, 30), []),
        (
            "83D(1)",
            date(2025, 4, 17),
            3,
            date(2025, 4, 20),
            date(2025, 4, 22),
            ["Easter Sunday", "Easter Monday"],
        ),
        ("69(1)(a)", date(2025, 5, 10), 30, date(2025, 6, 9), date(2025, 6, 10), ["King's Birthday"]),
        ("83(2)", date(2025, 10, 7), 28, date(2025, 11, 4), date(2025, 11, 5), ["Melbourne Cup Day"]),
    ],
)
def test_r1_ila_s44_last_day_rolls_to_the_next_ordinary_day(
    calendar, section, trigger, days, nominal, due, moved_by
):
    found = time.statutory(trigger, days, calendar)
    assert (found.nominal, found.due) == (nominal, due), section
    assert [passed.why for passed in found.rolled_over] == moved_by
    assert (found.rule, found.days, found.counted_from) == (Rule.STATUTORY, days, trigger)
    assert "ILA 1984 s 44" in found.choices[0]


def test_r1_council_substitute_moves_the_day_in_its_municipality(calendar):
    changed = with_substituted(
        calendar, "Greater Bendigo", date(2025, 11, 4), date(2025, 10, 29), "Bendigo Cup Day", date(2025, 7, 1)
    )
    there = changed.of_municipality("Greater Bendigo")
    assert time.statutory(date(2025, 10, 7), 28, there).due == date(2025, 11, 4)
    assert time.statutory(date(2025, 10, 1), 28, there).due == date(2025, 10, 30)
    assert time.statutory(date(2025, 10, 7), 28, changed).due == date(2025, 11, 5)


def test_r2_pdpa_s83C_1_seven_clear_days_before(calendar):
    found = time.clear_days_before(date(2025, 6, 20), 7, calendar)
    assert (found.due, found.safe_day) == (date(2025, 6, 12), date(2025, 6, 12))


def test_r2_pdpa_s83C_1_latest_day_rolls_forward_and_the_safe_day_back(calendar):
    found = time.clear_days_before(date(2025, 4, 29), 7, calendar)
    assert (found.nominal, found.due) == (date(2025, 4, 21), date(2025, 4, 22))
    assert found.safe_day == date(2025, 4, 17)


def test_r2_pdpa_s57_2_c_forty_five_clear_days(calendar):
    assert time.clear_days_before(date(2025, 8, 15), 45, calendar).due == date(2025, 6, 30)


def test_r3_vps_formal_request_received_2025_06_11_is_due_2025_06_25(calendar):
    assert time.policy(date(2025, 6, 11), Period(days=14), calendar).due == date(2025, 6, 25)


def test_r3_vps_no_roll_on_anzac_day_next_working_day_is_information(calendar):
    found = time.policy(date(2025, 4, 11), Period(days=14), calendar)
    assert (found.nominal, found.due, found.next_working_day) == (
        date(2025, 4, 25),
        date(2025, 4, 25),
        date(2025, 4, 28),
    )
    assert found.rolled_over == ()


def test_r3_datavic_3_2_2_four_weeks(calendar):
    assert time.policy(date(2025, 3, 28), Period(weeks=4), calendar).due == date(2025, 4, 25)


def test_r4_pdpa_s72_4_fixed_period_does_not_roll(calendar):
    assert time.fixed(date(2025, 3, 23), Period(days=28), calendar).due == date(2025, 4, 20)
    assert time.fixed(date(2025, 3, 1), date(2025, 4, 20), calendar).due == date(2025, 4, 20)


def test_r4_pdpa_s37_twelve_months_from_29_february(calendar):
    assert time.fixed(date(2024, 2, 29), Period(months=12), calendar).due == date(2025, 2, 28)


def test_r4_refuses_an_end_before_the_trigger(calendar):
    with pytest.raises(InvalidInput, match="until"):
        time.fixed(date(2025, 3, 2), date(2025, 3, 1), calendar)


@pytest.mark.parametrize(
    ("trigger", "period", "due"),
    [
        (date(2024, 2, 29), Period(years=1), date(2025, 2, 28)),
        (date(2024, 2, 29), Period(years=4), date(2028, 2, 29)),
        (date(2024, 2, 28), Period(years=1), date(2025, 2, 28)),
        (date(2025, 1, 31), Period(months=1), date(2025, 2, 28)),
        (date(2024, 12, 31), Period(months=2), date(2025, 2, 28)),
        (date(2020, 6, 30), Period(years=5), date(2025, 6, 30)),
        (date(2025, 6, 30), Period(weeks=2, days=1), date(2025, 7, 15)),
        (date(2023, 4, 25), Period(years=2), date(2025, 4, 25)),
    ],
)
def test_r5_anniversary_is_the_corresponding_date_without_roll(calendar, trigger, period, due):
    found = time.anniversary(trigger, period, calendar)
    assert (found.nominal, found.due) == (due, due)


def test_elapsed_pdpa_s64_1_power_arises_when_ninety_days_have_run(calendar):
    found = time.elapsed(date(2025, 1, 2), 90, calendar)
    assert (found.due, found.arises_on) == (date(2025, 4, 2), date(2025, 4, 3))


def test_elapsed_does_not_roll(calendar):
    assert time.elapsed(date(2025, 1, 20), 90, calendar).due == date(2025, 4, 20)


def test_due_beyond_the_seeded_years_is_provisional(calendar):
    assert time.anniversary(date(2025, 1, 1), Period(years=7), calendar).provisional
    assert not time.anniversary(date(2025, 1, 1), Period(years=6), calendar).provisional


def test_a_roll_over_the_end_of_the_seeded_years_is_provisional(calendar):
    closed = with_added(calendar, date(2031, 12, 31), "Closed", date(2026, 1, 1))
    assert time.statutory(date(2031, 12, 3), 28, closed).provisional


@pytest.mark.parametrize(
    ("choice", "rule"),
    [
        ("STATUTORY_ROLL", lambda calendar: time.statutory(date(2025, 3, 28), 28, calendar)),
        ("CLEAR_DAYS_ROLL", lambda calendar: time.clear_days_before(date(2025, 5, 3), 7, calendar)),
        ("POLICY_ROLL", lambda calendar: time.policy(date(2025, 3, 28), Period(weeks=4), calendar)),
        ("FIXED_ROLL", lambda calendar: time.fixed(date(2025, 3, 28), Period(weeks=4), calendar)),
        ("ANNIVERSARY_ROLL", lambda calendar: time.anniversary(date(2024, 4, 25), Period(years=1), calendar)),
        ("ELAPSED_ROLL", lambda calendar: time.elapsed(date(2025, 3, 28), 28, calendar)),
    ],
)
def test_each_roll_is_one_named_choice(calendar, monkeypatch, choice, rule):
    anzac_day = date(2025, 4, 25)
    for roll, due in (
        (time.Roll.FORWARD, date(2025, 4, 28)),
        (time.Roll.BACKWARD, date(2025, 4, 24)),
        (time.Roll.NO_ROLL, anzac_day),
    ):
        monkeypatch.setattr(time, choice, roll)
        found = rule(calendar)
        assert (found.nominal, found.due) == (anzac_day, due)


@pytest.mark.parametrize("days", [10**9, 4_000_000])
def test_an_end_beyond_the_year_9999_is_our_error(calendar, days):
    with pytest.raises(InvalidInput, match="9999"):
        time.statutory(date(2025, 1, 1), days, calendar)
    with pytest.raises(InvalidInput, match="9999"):
        time.anniversary(date(2025, 1, 1), Period(years=8000), calendar)


@pytest.mark.parametrize("text", ["", "P", "5Y", "PT5H", "P-1Y", "P1.5Y", "P5Y ", "P٣D"])
def test_period_refuses_what_is_no_duration(text):
    with pytest.raises(InvalidInput, match="period"):
        Period.from_iso(text)


def test_period_refuses_negative_numbers():
    with pytest.raises(InvalidInput, match="days"):
        Period(days=-1)


def test_period_in_words():
    assert str(Period(years=1, months=6)) == "1 year and 6 months"
    assert str(Period(days=14)) == "14 days"
    assert str(Period()) == "at once"


@given(st.builds(Period, *[st.integers(0, 40)] * 4))
def test_property_period_iso_round_trip(period):
    assert Period.from_iso(period.iso()) == period


@given(trigger=DAYS, days=COUNTS)
def test_property_r1_due_is_the_first_ordinary_day_from_the_nominal_on(calendar, trigger, days):
    found = time.statutory(trigger, days, calendar)
    assert found.nominal == trigger + timedelta(days=days)
    assert found.due >= found.nominal
    assert calendar.is_ordinary(found.due)
    assert len(found.rolled_over) == (found.due - found.nominal).days
    assert not any(calendar.is_ordinary(passed.day) for passed in found.rolled_over)


@given(trigger=DAYS, days=COUNTS)
def test_property_r1_is_monotonic_in_trigger_and_in_days(calendar, trigger, days):
    found = time.statutory(trigger, days, calendar).due
    assert time.statutory(trigger + timedelta(days=1), days, calendar).due >= found
    assert time.statutory(trigger, days + 1, calendar).due >= found


@given(event=DAYS, days=COUNTS)
def test_property_r2_leaves_that_many_clear_days_between(calendar, event, days):
    found = time.clear_days_before(event, days, calendar)
    assert len(range(found.nominal.toordinal() + 1, event.toordinal())) == days
    assert found.safe_day <= found.nominal <= found.due
    assert calendar.is_ordinary(found.safe_day)
    assert calendar.is_ordinary(found.due)


@given(trigger=DAYS, days=COUNTS)
def test_property_r3_r4_r5_and_elapsed_never_roll(calendar, trigger, days):
    last = trigger + timedelta(days=days)
    for found in (
        time.policy(trigger, Period(days=days), calendar),
        time.fixed(trigger, Period(days=days), calendar),
        time.anniversary(trigger, Period(days=days), calendar),
        time.elapsed(trigger, days, calendar),
    ):
        assert found.due == found.nominal == last
        assert found.rolled_over == ()
        assert found.next_working_day == calendar.next_ordinary_day(last)


@given(trigger=DAYS, years=st.integers(0, 60))
def test_property_r5_keeps_month_and_day_except_29_february(calendar, trigger, years):
    found = time.anniversary(trigger, Period(years=years), calendar).due
    assert (found.year, found.month) == (trigger.year + years, trigger.month)
    assert found.day == trigger.day or (trigger.month, trigger.day, found.day) == (2, 29, 28)


@given(trigger=DAYS, period=st.builds(Period, *[st.integers(0, 10)] * 4))
def test_property_r5_is_monotonic(calendar, trigger, period):
    found = time.anniversary(trigger, period, calendar).due
    assert trigger <= found <= time.anniversary(trigger + timedelta(days=1), period, calendar).due


@given(day=DAYS, years=st.integers(0, 10))
def test_property_years_before_is_undone_by_years_after_except_29_february(day, years):
    earlier = time.years_before(day, years)
    assert time.add(earlier, Period(years=years)) in (day, day - timedelta(days=1))
