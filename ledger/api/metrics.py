"""What Prometheus reads of the ledgers: their entries, how far the registers are behind, what is parked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.api.service import Standing
from ledger.application.telling import Untold
from ledger.errors import Unavailable
from ledger.store.sealers import Sealed
from ledger.store.witnessing import Witnessed
from ledger.vault.shredding import Reconciled

Of = TypeVar("Of")
"""How one ledger stands."""
GAUGES: Mapping[str, tuple[str, str]] = {
    "entries": ("auditledger_ledger_entries", "Entries of the ledger"),
    "behind": ("auditledger_projection_lag_entries", "Entries that the registers do not hold yet"),
    "parked": ("auditledger_projection_parked_cases", "Cases that the registers cannot fold, set aside"),
    "paused": ("auditledger_projection_paused", "1 where the registers of the ledger stand still, else 0"),
}
UP = ("auditledger_projections_up", "1 where the registers are kept up, else 0: then there are no others")


@dataclass(frozen=True, eq=False)
class _Ledgers(Collector):
    standing: Standing
    slugs: Collection[str]

    def collect(self) -> Iterator[Metric]:
        """The gauges, read anew at each look."""
        try:
            found = self.standing()
        except Unavailable:
            yield GaugeMetricFamily(*UP, value=0)
            return
        yield GaugeMetricFamily(*UP, value=1)
        for key, named in GAUGES.items():
            gauge = GaugeMetricFamily(*named, labels=["ledger"])
            for slug, numbers in found.items():
                if slug in self.slugs:
                    gauge.add_metric([slug], numbers[key])
            yield gauge


def of_ledgers(standing: Standing, slugs: Collection[str]) -> bytes:
    """The gauges of these ledgers as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Ledgers(standing, slugs))
    return generate_latest(registry)


def of_sealing(found: Mapping[str, Sealed], slugs: Collection[str]) -> bytes:
    """How sealing of these ledgers stands, as Prometheus reads it."""
    return _gauges(
        found,
        slugs,
        {
            "auditledger_sealed_entries": ("Entries under the last signed checkpoint", lambda each: each.size),
            "auditledger_sealing_alarm": (
                "1 where nothing more is signed before a person has looked, else 0",
                lambda each: each.alarm is not None,
            ),
        },
    )


def of_witnessing(found: Mapping[str, Witnessed], slugs: Collection[str]) -> bytes:
    """How far the witnesses of these ledgers are, as Prometheus reads it."""
    return _gauges(
        found,
        slugs,
        {
            "auditledger_witnessed_entries": (
                "Entries under a checkpoint that meets the policy's quorum",
                lambda each: each.size,
            ),
            "auditledger_witnesses_away": (
                "Witnesses that have not cosigned the last checkpoint asked for",
                lambda each: len(each.away),
            ),
            "auditledger_witnesses_refusing": (
                "Of those, the ones that were shown another history",
                lambda each: len(each.refuse),
            ),
        },
    )


def of_vault(found: Mapping[str, Reconciled], slugs: Collection[str]) -> bytes:
    """How the vault stands to what entries of these ledgers destroyed, as Prometheus reads it."""
    return _gauges(
        found,
        slugs,
        {
            "auditledger_vault_destroyed_keys": (
                "Keys that entries of the ledger destroyed",
                lambda each: each.destroyed,
            ),
            "auditledger_vault_came_back": (
                "How often destroyed values were in the vault again",
                lambda each: each.came_back,
            ),
            "auditledger_vault_lost_keys": (
                "Keys that are missing and that no entry destroyed",
                lambda each: each.lost,
            ),
        },
    )


def of_emergency(found: Mapping[str, Untold], slugs: Collection[str]) -> bytes:
    """How emergency access in these ledgers stands, as Prometheus reads it."""
    return _gauges(
        found,
        slugs,
        {
            "auditledger_emergency_in_force": ("Emergency accesses in force", lambda each: each.in_force),
            "auditledger_emergency_untold": (
                "Emergency accesses that no privacy officer was told of",
                lambda each: each.untold,
            ),
            "auditledger_emergency_unreviewed": (
                "Emergency accesses that were not reviewed yet",
                lambda each: each.unreviewed,
            ),
            "auditledger_emergency_overdue": (
                "Emergency accesses not reviewed by the last day for it",
                lambda each: each.overdue,
            ),
        },
    )


def _gauges(
    found: Mapping[str, Of], slugs: Collection[str], gauges: Mapping[str, tuple[str, Callable[[Of], float]]]
) -> bytes:
    """Gauges by ledger: name → (what it says, its number)."""
    made: list[Metric] = []
    for name, (says, number) in gauges.items():
        gauge = GaugeMetricFamily(name, says, labels=["ledger"])
        for slug, each in found.items():
            if slug in slugs:
                gauge.add_metric([slug], number(each))
        made.append(gauge)
    registry = CollectorRegistry()
    registry.register(_Made(tuple(made)))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Made(Collector):
    metrics: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        """Them as they are."""
        yield from self.metrics
