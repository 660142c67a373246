"""Processor that monitors itself: given readings go in, alarms about the system come out."""

from __future__ import annotations

import polars as pl

from broker.contract.evidence import Evidence, decode
from broker.store.snapshot import CapacityLimit
from processor.alarms import evidence, hold, lifecycle
from processor.alarms.states import state_of
from processor.alarms.subjects import Subjects
from processor.engine.sequence import Totals
from processor.rules.system import SYSTEM_RULES
from processor.watch import readings
from processor.watch.self_monitoring import SelfMonitor, score

START_MS = 1_767_225_600_000
MINUTE = 60.0
NO_LOSS = {"dropped": 0, "refused": 0, "droppers": ()}


def limit_at(
    name: str = "messages waiting", value: float = 0.0, reached: int = 0, **settings: object
) -> list[CapacityLimit]:
    return [CapacityLimit(name, value, 100.0, "messages", reached, **{"warn_at": 0.9, **settings})]  # type: ignore[arg-type]


class MonitoredProcessor:
    """Processor that monitors itself; therapy time runs sixty times as fast as wall-clock time."""

    def __init__(self) -> None:
        self.monitor, self.alarms, self.wall_s = SelfMonitor(), lifecycle.no_alarms(), 0.0
        self.timers = hold.no_timers()
        self.events: list[str] = []

    def read(
        self,
        after_s: float = 1.0,
        *,
        troubles=None,
        bounds=(),
        lag_s=0.0,
        received=0,
        lost=0,
        redelivered=0,
        forged=0,
        claimed=0,
        **counts,
    ):
        """Let seconds of wall-clock time pass, then take these readings and update the alarms."""
        self.wall_s += after_s
        taken = readings.frame(
            readings.troubles(troubles or {}),
            readings.capacities(bounds),
            readings.lag(lag_s, 10.0),
            readings.counts(
                Totals(received, lost, late=0, repeated=0, redelivered=redelivered), **{**NO_LOSS, **counts}
            ),
            readings.refusals(forged=forged, claimed=claimed),
        )
        now, time = START_MS + round(1000 * self.wall_s), START_MS + round(60_000 * self.wall_s)
        self.monitor, found = score(self.monitor, taken, self.timers, now=now, time=time)
        self.timers, conditions = hold.hold(self.timers, found.scores, SYSTEM_RULES, now)
        self.alarms, changes = lifecycle.advance(
            self.alarms, conditions, now=now, subjects=no_pumps(time), rules=SYSTEM_RULES
        )
        self.alarms, changes = evidence.bear(
            self.alarms, changes, found.evidence(conditions.standing, self.timers, now)
        )
        self.events = [f"{kind} {rule}" for kind, rule in changes.select("kind", "rule").iter_rows()]
        self.texts = changes["text"].to_list()
        return self

    def check(self, *events: str, **states: str) -> MonitoredProcessor:
        """Check the latest events, and that exactly these rules have alarms, in these states."""
        assert self.events == list(events)
        assert dict(self.alarms.select("rule", state_of()).iter_rows()) == states
        return self

    def evidence(self) -> Evidence:
        found = decode(self.alarms["evidence"][0])
        assert found is not None
        return found


def no_pumps(time: int) -> Subjects:
    return Subjects(
        pl.Series("pump", [], dtype=pl.String),
        pl.Series("owner", [], dtype=pl.UInt32),
        pl.Series("gateway", ["ward"]),
        pl.Series("now", [time], dtype=pl.Int64),
    )
