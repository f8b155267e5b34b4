from datetime import date

import pytest

from ledger.law.calendar import Calendar, seeded_calendar


@pytest.fixture(scope="session")
def calendar() -> Calendar:
    return seeded_calendar(date(2026, 1, 15))
