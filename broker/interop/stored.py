"""FHIR resources of what a data directory holds: the snapshot, the history and the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.signals import SIGNALS
from broker.interop import audit_events, device_alerts, devices, observations
from broker.interop.coding import Resource
from broker.store import journal_query
from broker.store.journal_query import Query
from broker.store.segments import blocks
from broker.store.snapshot import Snapshot

ENTRIES: Final = 500
"""Entries of the journal that are read at once."""


@dataclass(frozen=True)
class Source:
    """Where resources come from, and which: some pumps (None: all), times from `since` to `until` (None: no end).

    Times of samples are therapy ms, those of the journal wall ms. `version` is that of Pumpwatch.
    """

    data: Path
    snapshot: Snapshot
    pumps: Collection[str] | None = None
    since: int | None = None
    until: int | None = None
    version: str = ""

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows about the chosen pumps."""
        return frame if self.pumps is None else frame.filter(pl.col("pump").is_in(sorted(self.pumps)))


def rule_terms(snapshot: Snapshot) -> Mapping[str, str | None]:
    """Return the reference id of the event in IEEE 11073 of each rule, by the rule's name."""
    return dict(zip(snapshot.rules["rule"], snapshot.rules["mdc"], strict=True))


def device_resources(source: Source) -> Iterator[Resource]:
    """Yield Pumpwatch, the gateways, and the pumps."""
    if source.pumps is None:
        yield devices.pumpwatch(source.version)
        yield from map(devices.gateway, source.snapshot.gateways.iter_rows(named=True))
    yield from map(devices.pump, source.of(source.snapshot.pumps).iter_rows(named=True))


def metric_resources(source: Source) -> Iterator[Resource]:
    """Yield the metrics of each pump."""
    for serial in source.of(source.snapshot.table.facts)["pump"]:
        for signal in SIGNALS:
            yield devices.metric(serial, signal)


def observation_resources(source: Source) -> Iterator[Resource]:
    """Yield the open alarms, then the samples of the history. Raises `OSError`."""
    terms = rule_terms(source.snapshot)
    for row in source.of(source.snapshot.alarms).iter_rows(named=True):
        yield observations.alarm(row, terms.get(row["rule"]))
    for block in blocks(source.data, source.pumps, source.since or 0, source.until):
        for row in block.samples.iter_rows(named=True):
            yield from observations.sample(row)


def alert_resources(source: Source) -> Iterator[Resource]:
    """Yield the open alarms as the preview of R6 has them."""
    terms = rule_terms(source.snapshot)
    for row in source.of(source.snapshot.alarms).iter_rows(named=True):
        yield device_alerts.device_alert(row, terms.get(row["rule"]))


def audit_resources(source: Source) -> Iterator[Resource]:
    """Yield what people did, newest first. Raises `sqlite3.Error`."""
    for pump in (None,) if source.pumps is None else sorted(source.pumps):
        before = None
        while True:
            query = Query(
                pump=pump, since=source.since, until=source.until, people_only=True, limit=ENTRIES, before=before
            )
            found = journal_query.numbered(source.data, query)
            yield from map(audit_events.audit_event, found.iter_rows(named=True))
            if found.height < ENTRIES:
                break
            before = int(found["id"][-1])


KINDS: Final[dict[str, Callable[[Source], Iterator[Resource]]]] = {
    "Device": device_resources,
    "DeviceMetric": metric_resources,
    "Observation": observation_resources,
    "AuditEvent": audit_resources,
    "DeviceAlert": alert_resources,
}
"""Where the resources of each type come from. DeviceAlert is of R6, the others are of R4."""
