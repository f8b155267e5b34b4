"""What Prometheus reads of the ledgers: their entries, how far the registers are behind, what is parked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.api.service import Standing
from ledger.errors import Unavailable
from ledger.store.sealers import Sealed

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


def of_sealing(standing: Mapping[str, Sealed], slugs: Collection[str]) -> bytes:
    """How the sealing of these ledgers stands, as Prometheus reads it."""
    sealed = GaugeMetricFamily(
        "auditledger_sealed_entries", "Entries under the last signed checkpoint", labels=["ledger"]
    )
    alarm = GaugeMetricFamily(
        "auditledger_sealing_alarm", "1 where nothing more is signed before a person has looked, else 0",
        labels=["ledger"],
    )  # fmt: skip
    for slug, found in standing.items():
        if slug in slugs:
            sealed.add_metric([slug], found.size)
            alarm.add_metric([slug], int(found.alarm is not None))
    registry = CollectorRegistry()
    registry.register(_Made((sealed, alarm)))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Made(Collector):
    metrics: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        """Them as they are."""
        yield from self.metrics
