"""Whole-of-government annual compliance report: the sections that exist so far (3-registers 'Reports')."""

from __future__ import annotations

from collections.abc import Sequence

from projections.reports.agencies import Agencies
from projections.reports.figures import Section
from projections.reports.period import Period
from projections.reports.sharing import sharing
from projections.reports.snapshot import Snapshot


def compliance(snapshot: Snapshot, agencies: Agencies, period: Period) -> Sequence[Section]:
    """Its sections, in order."""
    return [sharing(snapshot, agencies, period, condensed=True)]
