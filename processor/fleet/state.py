"""State of the fleet: everything that judging and operators change, and what can be asked about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from processor.alarms import lifecycle as alarm_list
from processor.alarms.hold import no_timers, shift
from processor.alarms.subjects import Subjects, no_orders
from processor.engine import engine, epochs
from processor.engine.columns import Rules
from processor.engine.sequence import Gaps
from processor.intake.ages import ages_s
from processor.intake.backlog import Backlog
from processor.intake.registry import Registry
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from processor.watch.cohorts import CohortWatch
from processor.watch.gateways import GatewayWatch
from processor.watch.self_monitoring import SelfMonitor


@dataclass
class FleetState:
    """Pumps, alarms, timers and orders as they are now; what a checkpoint holds is in here.

    `action_ids` are those of recent operator actions, in order. `shared` says that other processors have other pumps
    of the fleet, and hear the same actions.
    """

    rules: Rules = RULES
    registry: Registry = field(default_factory=Registry)
    state: pl.DataFrame = field(init=False)
    alarms: pl.DataFrame = field(default_factory=alarm_list.no_alarms)
    gaps: Gaps = field(default_factory=Gaps)
    timers: pl.DataFrame = field(default_factory=no_timers)
    monitor: SelfMonitor = field(default_factory=SelfMonitor)
    orders: pl.DataFrame = field(default_factory=no_orders)
    cohorts: CohortWatch = field(default_factory=CohortWatch)
    gateways: GatewayWatch = field(default_factory=GatewayWatch)
    action_ids: dict[str, None] = field(default_factory=dict)
    backlog: Backlog = field(default_factory=Backlog)
    shared: bool = False

    def __post_init__(self) -> None:
        self.state = engine.new_state(0, self.rules)

    @property
    def listed(self) -> Rules:
        """Every rule that can raise an alarm: of pumps, gateways and fleet, of cohorts, of Pumpwatch itself."""
        return (*self.rules, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)

    def subjects(self, now: int) -> Subjects:
        """Return everything that alarms can be about, and where the therapy clocks stand at `now` (wall ms)."""
        facts, gateways = self.registry.facts(), self.registry.gateways
        return Subjects(
            pumps=facts["pump"],
            owners=facts["owner"],
            gateways=gateways.names(),
            clocks=gateways.clocks(now),
            wall=now,
            orders=self.orders,
            facts=facts,
            speeds=pl.Series("speed", gateways.speeds()),
        )

    def clocks(self, now: int) -> pl.Series:
        """Return where the clock of each pump should stand at `now` (wall ms), wrong or not (Int64 ms)."""
        return epochs.own_clocks(self.registry.clocks(now), self.state)

    def ages(self, clocks: pl.Series) -> pl.Series:
        """Return how old the newest sample of each pump is by its clock (s), one that waits to be judged included."""
        return ages_s(self.registry, clocks, self.backlog.newest(self.state["time"]))

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`, so that nothing seems older or newer than it is."""
        self.registry.shift_wall_clock(step_ms)
        self.monitor = self.monitor.shift_wall_clock(step_ms)
        self.timers = shift(self.timers, SYSTEM_RULES, step_ms)
