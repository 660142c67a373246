"""FHIR resources of what a data directory holds: the snapshot, the history and the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from broker.contract.signals import SIGNALS
from broker.contract.subjects import kind_by_name
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

    Times of samples are therapy ms, those of the journal wall ms. `version` is that of Pumpwatch. With `changed_since`
    (wall ms), what changed later than that: alarms, samples and the audit trail. `occurred` are the occurrences of
    alarms (`dashboard.data.occurrences.SCHEMA`).
    """

    data: Path
    snapshot: Snapshot
    pumps: Collection[str] | None = None
    since: int | None = None
    until: int | None = None
    version: str = ""
    changed_since: int | None = None
    occurred: pl.DataFrame | None = None

    def alarms(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield the open alarms, then those that are over, each with whether it is over."""
        opened, closed = self.snapshot.alarms.with_columns(changed=pl.lit(None, pl.Int64)), None
        if self.occurred is not None:
            opened = open_alarms(self.snapshot, self.occurred)
            closed = closed_alarms(self.snapshot, self.occurred)
            if self.until is not None:
                closed = closed.filter(pl.col("onset") <= self.until)
            if self.since is not None:
                closed = closed.filter(pl.col("ended") >= self.since)
        for frame in (opened, closed):
            if frame is not None:
                for row in self.later(self.of(frame), "changed").iter_rows(named=True):
                    yield row, frame is closed

    def later(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """Return the rows that changed after `changed_since`, which a column says (wall ms)."""
        return frame if self.changed_since is None else frame.filter(pl.col(column) > self.changed_since)

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows about the chosen pumps."""
        return frame if self.pumps is None else frame.filter(pl.col("pump").is_in(sorted(self.pumps)))


def rule_terms(snapshot: Snapshot) -> Mapping[str, str | None]:
    """Return the reference id of the event in IEEE 11073 of each rule, by the rule's name."""
    return dict(zip(snapshot.rules["rule"], snapshot.rules["mdc"], strict=True))


def closed_alarms(snapshot: Snapshot, over: pl.DataFrame) -> pl.DataFrame:
    """Return the occurrences of alarms that are over, each alarm once.

    `over` are occurrences by alarm (`dashboard.data.occurrences.SCHEMA`); added are `subject_kind`, `onset` and `ended`
    (therapy ms).
    """
    names = over.select("subject").filter(over["pump"].is_null()).unique()["subject"].drop_nulls()
    kinds = {name: kind_by_name(name) for name in names}
    return (
        over.drop_nulls(["raised", "returned", "rule", "priority", "subject"])
        .filter(pl.col("alarm").is_in(snapshot.alarms["alarm"].implode()).not_())
        .unique("alarm", keep="last", maintain_order=True)
        .with_columns(
            pl.when(pl.col("pump").is_not_null())
            .then(pl.lit("pump"))
            .otherwise(pl.col("subject").replace_strict(kinds, default=None, return_dtype=pl.String))
            .alias("subject_kind"),
            pl.col("title").fill_null(pl.col("rule")),
            pl.col("therapy").alias("onset"),
            (pl.col("therapy") + pl.col("lasted_ms")).alias("ended"),
        )
    )


def open_alarms(snapshot: Snapshot, occurred: pl.DataFrame) -> pl.DataFrame:
    """Return the open alarms with `changed`, when each changed last, as `observations.changed` says it."""
    latest = occurred.group_by("alarm").agg(pl.col("changed").max())
    joined = snapshot.alarms.join(latest, on="alarm", how="left", maintain_order="left")
    return joined.with_columns(pl.max_horizontal(observations.CHANGES).alias("changed"))


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
    """Yield the alarms, then the samples of the history. Raises `OSError`."""
    terms = rule_terms(source.snapshot)
    for alarm, is_over in source.alarms():
        make = observations.alarm_over if is_over else observations.alarm
        yield make(alarm, terms.get(alarm["rule"]))
    for block in blocks(source.data, source.pumps, source.since or 0, source.until):
        for row in source.later(block.samples, "sent").iter_rows(named=True):
            yield from observations.sample(row)


def alert_resources(source: Source) -> Iterator[Resource]:
    """Yield the alarms as the preview of R6 has them."""
    terms = rule_terms(source.snapshot)
    for alarm, is_over in source.alarms():
        make = device_alerts.alert_over if is_over else device_alerts.device_alert
        yield make(alarm, terms.get(alarm["rule"]))


def audit_resources(source: Source) -> Iterator[Resource]:
    """Yield what people did, newest first. Raises `sqlite3.Error`."""
    after = None if source.changed_since is None else source.changed_since + 1
    since = max((at for at in (source.since, after) if at is not None), default=None)
    for pump in (None,) if source.pumps is None else sorted(source.pumps):
        before = None
        while True:
            query = Query(pump=pump, since=since, until=source.until, people_only=True, limit=ENTRIES, before=before)
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
