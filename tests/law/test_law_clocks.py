"""The clock table, the states of a clock, and their explanation."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidInput, LawRefused
from ledger.law import clock_table, clocks, time
from ledger.law.calendar import with_added, with_removed
from ledger.law.clocks import CLOCKS, Nature, State
from ledger.law.time import Period, Rule

RECEIVED = date(2025, 6, 11)
DUE = date(2025, 6, 25)


def test_table_holds_the_clocks_of_these_areas_each_with_its_section():
    assert set(CLOCKS) >= {
        "vps.response",
        "vps.refusal_copy",
        "vps.informal",
        "nsw.acknowledge",
        "nsw.response",
        "ciss.complaint",
        "pdpa.notice_period",
        "pdpa.notice_review",
        "pdpa.notice_effect",
        "ipp4.destroy",
        "retention.action",
    }
    assert len(CLOCKS) == len(clock_table.ROWS)
    assert all(row.section and row.starts and row.ended_by for row in CLOCKS.values())


def test_only_rows_without_a_number_have_rule_none():
    for row in CLOCKS.values():
        assert (row.rule is Rule.NONE) == (not row.period and not row.period_stated and not row.at_once)


def test_vps_response_14_days(calendar):
    assert clocks.due("vps.response", RECEIVED, calendar).due == DUE


def test_vps_response_before_28_4_2021_is_not_judged(calendar):
    assert clocks.due("vps.response", date(2021, 4, 27), calendar) is None
    assert clocks.due("vps.response", date(2021, 4, 28), calendar).due == date(2021, 5, 12)


@pytest.mark.parametrize(
    "clock_id",
    ["vps.refusal_copy", "vps.informal", "nsw.acknowledge", "nsw.response", "ciss.complaint", "ipp4.destroy"],
)
def test_clocks_without_a_number_have_no_due_date_and_are_never_overdue(calendar, clock_id):
    assert clocks.due(clock_id, RECEIVED, calendar) is None
    assert clocks.state(clock_id, None, None, date(2035, 1, 1)) is State.OPEN
    assert clocks.state(clock_id, None, date(2025, 7, 1), date(2035, 1, 1)) is State.MET


def test_pdpa_s83_2_review_28_days(calendar):
    assert clocks.due("pdpa.notice_review", date(2026, 2, 2), calendar).due == date(2026, 3, 2)


def test_pdpa_s78_2_period_is_the_notices_own(calendar):
    assert clocks.due("pdpa.notice_period", date(2025, 3, 23), calendar) is None
    by_length = clocks.due("pdpa.notice_period", date(2025, 3, 23), calendar, period=Period(days=28))
    by_day = clocks.due("pdpa.notice_period", date(2025, 3, 23), calendar, until=date(2025, 4, 20))
    assert by_length.due == by_day.due == date(2025, 4, 20)


def test_pdpa_s82_2_effect_is_its_own_day(calendar):
    assert clocks.due("pdpa.notice_effect", date(2025, 4, 20), calendar).due == date(2025, 4, 20)


def test_nsw_s3_retention_runs_its_period_or_is_due_at_once(calendar):
    assert clocks.due("retention.action", date(2010, 6, 30), calendar, period=Period(years=20)).due == date(
        2030, 6, 30
    )
    assert clocks.due("retention.action", date(2025, 6, 30), calendar).due == date(2025, 6, 30)


def test_a_period_is_refused_where_the_section_fixes_it(calendar):
    with pytest.raises(InvalidInput, match="does not leave it to an instrument"):
        clocks.due("vps.response", RECEIVED, calendar, period=Period(days=30))
    with pytest.raises(InvalidInput, match="until"):
        clocks.due("retention.action", RECEIVED, calendar, until=date(2026, 1, 1))


def test_unknown_clock_is_named(calendar):
    with pytest.raises(InvalidInput, match=r"vps\.reply"):
        clocks.due("vps.reply", RECEIVED, calendar)


@pytest.mark.parametrize(
    ("ended_on", "on", "expected"),
    [
        (None, DUE, State.OPEN),
        (None, date(2025, 6, 26), State.OVERDUE),
        (DUE, date(2025, 7, 1), State.MET),
        (date(2025, 6, 26), date(2025, 7, 1), State.MET_LATE),
        (date(2025, 6, 26), DUE, State.OPEN),
        (date(2025, 6, 26), date(2025, 6, 26), State.MET_LATE),
        (DUE, DUE, State.MET),
        (date(2025, 7, 1), date(2025, 6, 30), State.OVERDUE),
    ],
)
def test_vps_response_a_duty_is_open_overdue_met_or_met_late(calendar, ended_on, on, expected):
    due = clocks.due("vps.response", RECEIVED, calendar)
    assert clocks.state("vps.response", due, ended_on, on) is expected


def test_pdpa_s83_2_a_right_lapses_and_is_never_overdue(calendar):
    due = clocks.due("pdpa.notice_review", date(2026, 2, 2), calendar)
    assert clocks.state("pdpa.notice_review", due, None, date(2026, 3, 2)) is State.OPEN
    assert clocks.state("pdpa.notice_review", due, None, date(2026, 3, 3)) is State.LAPSED
    assert clocks.state("pdpa.notice_review", due, date(2026, 3, 2), date(2026, 4, 1)) is State.MET


def test_pdpa_s82_2_period_over_but_not_in_effect_is_pending_not_overdue(calendar):
    due = clocks.due("pdpa.notice_period", date(2025, 3, 3), calendar, until=date(2025, 3, 10))
    period = "pdpa.notice_period"
    effect = date(2025, 3, 31)
    assert clocks.state(period, due, None, date(2025, 3, 10)) is State.OPEN
    assert clocks.state(period, due, None, date(2025, 5, 1)) is State.PENDING
    assert clocks.state(period, due, None, date(2025, 3, 31), in_effect_on=effect) is State.PENDING
    assert clocks.state(period, due, None, date(2025, 4, 1), in_effect_on=effect) is State.OVERDUE
    assert clocks.state(period, due, effect, date(2025, 5, 1), in_effect_on=effect) is State.MET
    late = date(2025, 4, 1)
    assert clocks.state(period, due, late, date(2025, 5, 1), in_effect_on=effect) is State.MET_LATE
    assert clocks.state(period, due, None, date(2025, 5, 1), never=True) is State.NEVER


def test_pdpa_s82_2_effect_is_pending_until_its_day(calendar):
    due = clocks.due("pdpa.notice_effect", date(2025, 3, 31), calendar)
    assert clocks.state("pdpa.notice_effect", None, None, date(2025, 5, 1)) is State.PENDING
    assert clocks.state("pdpa.notice_effect", due, None, date(2025, 3, 30)) is State.PENDING
    assert clocks.state("pdpa.notice_effect", due, None, date(2025, 3, 31)) is State.IN_EFFECT
    assert clocks.state("pdpa.notice_effect", None, None, date(2025, 5, 1), never=True) is State.NEVER


def test_nsw_s3_retention_is_held_while_a_hold_is_open(calendar):
    due = clocks.due("retention.action", date(2020, 6, 30), calendar, period=Period(years=5))
    on = date(2025, 8, 1)
    assert clocks.state("retention.action", due, None, on, held=True) is State.HELD
    assert clocks.state("retention.action", due, None, on) is State.OVERDUE


def test_pdpa_s83_2_a_late_application_is_refused(calendar):
    due = clocks.due("pdpa.notice_review", date(2026, 2, 2), calendar)
    clocks.refuse_late("pdpa.notice_review", due, date(2026, 3, 2))
    with pytest.raises(LawRefused, match=r"lapsed after 2026-03-02.*83\(2\)"):
        clocks.refuse_late("pdpa.notice_review", due, date(2026, 3, 3))
    assert clocks.lapsed("pdpa.notice_review", due, date(2026, 3, 3))


def test_a_late_duty_is_recorded_never_refused(calendar):
    due = clocks.due("vps.response", RECEIVED, calendar)
    clocks.refuse_late("vps.response", due, date(2025, 12, 1))
    assert not clocks.lapsed("vps.response", due, date(2025, 12, 1))


def test_a_power_that_has_not_arisen_is_pending_and_refused(calendar, monkeypatch):
    row = clock_table.ClockRule(
        "pdpa.stale",
        "PDPA 64(1)",
        "request for a response",
        Period(days=90),
        Rule.ELAPSED,
        "response",
        Nature.POWER,
        date(2014, 9, 17),
    )
    monkeypatch.setitem(CLOCKS, row.id, row)
    due = clocks.due(row.id, date(2025, 1, 2), calendar)
    assert clocks.state(row.id, due, None, date(2025, 4, 2)) is State.PENDING
    assert clocks.state(row.id, due, None, date(2025, 4, 3)) is State.OPEN
    with pytest.raises(LawRefused, match=r"arises on 2025-04-03.*64\(1\)"):
        clocks.refuse_early(row.id, due, date(2025, 4, 2))
    clocks.refuse_early(row.id, due, date(2025, 4, 3))
    clocks.refuse_late(row.id, due, date(2026, 1, 1))


def test_a_new_row_of_each_rule_is_enough_for_a_new_clock(calendar, monkeypatch):
    expected = {
        Rule.STATUTORY: time.statutory(RECEIVED, 45, calendar),
        Rule.CLEAR_DAYS_BEFORE: time.clear_days_before(RECEIVED, 45, calendar),
        Rule.ELAPSED: time.elapsed(RECEIVED, 45, calendar),
        Rule.POLICY: time.policy(RECEIVED, Period(days=45), calendar),
        Rule.FIXED: time.fixed(RECEIVED, Period(days=45), calendar),
        Rule.ANNIVERSARY: time.anniversary(RECEIVED, Period(days=45), calendar),
    }
    for rule, due in expected.items():
        row = clock_table.ClockRule("x", "s 1", "a", Period(days=45), rule, "b", Nature.DUTY, date(2014, 9, 17))
        monkeypatch.setitem(CLOCKS, "x", row)
        assert clocks.due("x", RECEIVED, calendar) == due
    row = clock_table.ClockRule("x", "s 1", "a", Period(years=1), Rule.STATUTORY, "b", Nature.DUTY, date.min)
    monkeypatch.setitem(CLOCKS, "x", row)
    with pytest.raises(InvalidInput, match="a number of days"):
        clocks.due("x", RECEIVED, calendar)


def test_a_holiday_gazetted_later_restates_the_due_date_and_says_why(calendar):
    decided = date(2025, 6, 2)
    changed = with_added(calendar, date(2025, 8, 1), "Another day", date(2025, 6, 20))
    changed = with_added(changed, date(2025, 6, 30), "Day of Mourning", date(2025, 6, 20))
    due = clocks.due("pdpa.notice_review", decided, changed)
    assert (due.due, due.restated_from) == (date(2025, 7, 1), date(2025, 6, 30))
    words = clocks.explain("pdpa.notice_review", decided, due, date(2025, 7, 1))
    assert "Restated: it was 2025-06-30" in words
    assert "2025-06-30 (Day of Mourning) added, known on 2025-06-20" in words
    assert "Another day" not in words


def test_a_change_known_before_the_trigger_was_recorded_restates_nothing(calendar):
    changed = with_removed(calendar, date(2025, 11, 4), date(2025, 6, 20))
    due = clocks.due("pdpa.notice_review", date(2025, 10, 7), changed)
    assert (due.due, due.restated_from) == (date(2025, 11, 4), None)
    later = with_removed(calendar, date(2025, 11, 4), date(2025, 10, 20))
    assert clocks.due("pdpa.notice_review", date(2025, 10, 7), later).restated_from == date(2025, 11, 5)
    recorded_late = clocks.due("pdpa.notice_review", date(2025, 10, 7), later, known_on=date(2025, 10, 21))
    assert recorded_late.restated_from is None


def test_explain_names_trigger_entry_section_rule_days_holidays_and_state(calendar):
    decided = date(2026, 3, 6)
    due = clocks.due("pdpa.notice_review", decided, calendar)
    words = clocks.explain("pdpa.notice_review", decided, due, date(2026, 4, 8), trigger_entry="ovic=41")
    for part in (
        "PDPA 83(2): later of the decision to serve",
        "on 2026-03-06 (entry ovic=41)",
        "28 days counted",
        "(R1)",
        "2026-04-03 (Good Friday), 2026-04-04 (Easter Saturday)",
        "Moved to Tuesday 2026-04-07",
        "Last day 2026-04-07.",
        "the last day rolls forward (ILA 1984 s 44)",
        "On 2026-04-08, after 33 days: lapsed",
    ):
        assert part in words


def test_explain_says_which_choice_a_policy_clock_used(calendar):
    due = clocks.due("vps.response", date(2025, 4, 11), calendar)
    words = clocks.explain("vps.response", date(2025, 4, 11), due, date(2025, 5, 2), ended_on=date(2025, 4, 29))
    assert "It does not move; the next working day is 2025-04-28." in words
    assert "Due 2025-04-25." in words
    assert "policy clock: no roll (choice)" in words
    assert "agency in receipt" in words
    assert "Ended on 2025-04-29 after 18 days" in words
    assert "done late" in words


def test_explain_says_provisional_no_number_and_not_judged(calendar):
    far = clocks.due("retention.action", date(2025, 6, 30), calendar, period=Period(years=20))
    assert "Provisional" in clocks.explain("retention.action", date(2025, 6, 30), far, RECEIVED)
    assert "no number of days" in clocks.explain("vps.informal", RECEIVED, None, DUE)
    assert "no number of days" in clocks.explain("vps.refusal_copy", date(2021, 4, 28), None, DUE)
    assert "in force from 2021-04-28" in clocks.explain("vps.refusal_copy", date(2021, 4, 27), None, DUE)
    assert "in force from 2021-04-28" in clocks.explain("vps.response", date(2020, 1, 1), None, DUE)
    period = clocks.explain("pdpa.notice_period", RECEIVED, None, DUE)
    assert "No period is stated" in period
    assert "Not in effect yet" in period


def test_explain_gives_the_safe_day_of_clear_days_and_the_day_a_power_arises(calendar, monkeypatch):
    said = {}
    for rule in (Rule.CLEAR_DAYS_BEFORE, Rule.ELAPSED, Rule.STATUTORY):
        row = clock_table.ClockRule("x", "s 1", "a", Period(days=7), rule, "b", Nature.POWER, date.min)
        monkeypatch.setitem(CLOCKS, "x", row)
        due = clocks.due("x", date(2025, 4, 29), calendar)
        said[rule] = clocks.explain("x", date(2025, 4, 29), due, date(2025, 4, 29))
    assert "The safe day is 2025-04-17." in said[Rule.CLEAR_DAYS_BEFORE]
    assert "The power arises on 2025-05-07." in said[Rule.ELAPSED]
    assert "safe day" not in said[Rule.ELAPSED] + said[Rule.STATUTORY]
    assert "The power arises" not in said[Rule.CLEAR_DAYS_BEFORE] + said[Rule.STATUTORY]


@given(ended=st.none() | st.dates(date(2025, 6, 1), date(2025, 9, 1)), on=st.dates(RECEIVED, date(2025, 9, 1)))
def test_property_only_a_duty_is_overdue_and_never_before_its_due_date(calendar, ended, on):
    for row in CLOCKS.values():
        given_period = Period(days=14) if row.period_stated else None
        due = clocks.due(row.id, RECEIVED, calendar, period=given_period)
        state = clocks.state(row.id, due, ended, on, in_effect_on=RECEIVED)
        if state in (State.OVERDUE, State.MET_LATE):
            assert row.nature is Nature.DUTY
            assert due is not None
            assert on > due.due
        assert on.isoformat() in clocks.explain(row.id, RECEIVED, due, on)


def test_vps_informal_has_an_age_in_days_and_no_due_date(calendar):
    assert clocks.clock("vps.informal").period is None
    assert clocks.due("vps.informal", RECEIVED, calendar) is None
    assert clocks.age(RECEIVED, None, DUE) == 14
    assert clocks.age(RECEIVED, date(2025, 6, 13), DUE) == 2
    assert clocks.age(RECEIVED, date(2025, 7, 1), DUE) == 14


def test_1_law_head_a_clock_judges_what_happened_since_its_rule_is_in_force():
    since = clocks.clock("vps.response").in_force_from
    assert clocks.judges("vps.response", since)
    assert not clocks.judges("vps.response", since - timedelta(days=1))
