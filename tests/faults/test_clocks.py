"""A service on a machine whose clock is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.faults.service import Service
from tests.faults.site import RECEIVED, Load, Site
from tests.waiting import until


def test_a_clock_that_jumps_ahead_and_steps_back(site: Site, tmp_path: Path) -> None:
    """More than 2 s ahead of the database nothing is written; behind it, ``recorded_at`` never goes back."""
    offset = tmp_path / "offset"

    def set_clock(seconds: float) -> None:
        new = offset.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(offset)

    set_clock(0)
    before = site.sizes()
    with Service(site.data_dir, database_url=site.database.admin, clock=offset) as service:
        load = Load(site, [service], clients=2)
        with load.running():
            load.wait_for(10)
            set_clock(1.5)
            load.wait_for(10)
            set_clock(3600)
            refused = load.seen["503 Unavailable"]
            until(lambda: load.seen["503 Unavailable"] >= refused + 5, lambda: load.seen)
            answer = site.post(service, RECEIVED, site.request("dffh"))
            assert answer.status_code == 503
            assert "ahead of the database's" in answer.json()["detail"], answer.text
            set_clock(-3600)
            load.wait_for(10)
            set_clock(0)
            load.wait_for(10)
        assert load.seen["503 Unavailable"] >= refused + 5
        sizes = site.check(load.acknowledged)
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
        assert not service.failures()


def test_a_service_that_starts_behind_records_no_moment_before_the_last(site: Site, tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("-86400")
    before = datetime.now(UTC)
    with Service(site.data_dir, database_url=site.database.admin, clock=offset) as service:
        answer = site.post(service, RECEIVED, site.request("dffh"))
        assert answer.status_code == 201, answer.text
        (receipt,) = answer.json()["receipts"]
        # The grant of the officer was recorded by a right clock, a moment before.
        recorded = datetime.fromisoformat(receipt["recorded_at"])
        assert abs((recorded - before).total_seconds()) < 120
        site.check()
