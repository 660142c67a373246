"""Live scorecard: injected faults matched with the alarms of the running fleet."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.cohorts import NO_MEMBERS
from broker.contract.rule_targets import RuleTargets
from broker.store.snapshot import Health
from broker.truth.alarm_history import raised_by
from broker.truth.expectations import expectations
from broker.truth.ground_truth import RunHeader
from broker.truth.ledger import Ledger, LedgerReader
from broker.truth.matching import FALSE, GRACE_MS, SECONDARY, Matched, match, spread
from dashboard.clocks import TherapyClock
from dashboard.data import names
from dashboard.data.drill_records import Drill
from dashboard.data.fleet_clock import fleet_clock
from dashboard.data.fleet_index import facts_index
from dashboard.data.services import DataService

MAX_EVENTS: Final = 20_000
"""Journal entries that are evaluated, the newest."""
PENDING_H: Final = 24.0
"""An active injection without a detection is pending for this long, then counts as missed; modeling choice."""
REFRESH_INTERVAL_MS: Final = 2000
"""Minimum time between computations of the score, which all clients share."""
MS_PER_DAY: Final = 86_400_000


@dataclass(frozen=True)
class Score:
    """The ground truth matched with the alarms up to the therapy time `now`.

    `left_out` counts injections dropped from the ledger; `cut` is true if the journal has more entries than are
    evaluated. The subject of an alarm may be one of the `cohorts` instead of a pump. `speed` is that of the fleet.
    """

    header: RunHeader
    found: Matched
    now: int
    left_out: int
    cut: bool
    cohorts: frozenset[str] = frozenset()
    titles: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, RuleTargets] = field(default_factory=dict)
    speed: float = 1.0

    @property
    def pump_days(self) -> float:
        """Therapy days of all simulated pumps together since the run started."""
        return self.header.pumps * max(0, self.now - self.header.time) / MS_PER_DAY

    @property
    def clock(self) -> TherapyClock:
        """How therapy time is counted in this run."""
        return TherapyClock(start_ms=self.header.time, real=False)

    def title(self, rule: str) -> str:
        """Return a rule's title as the processor or the journal has it."""
        return names.rule_title(self.titles, rule)

    def fault_title(self, fault: str) -> str:
        """Return a fault's title as the simulator has it."""
        return names.fault_title(fault, {facts.fault: facts.title for facts in self.header.faults})

    @property
    def expected(self) -> set[str]:
        """The faults for which an alarm is expected."""
        return {fault for target in self.targets.values() for fault in (*target.identifies, *target.detects)}


@dataclass
class LiveScorecard:
    """The score of the running fleet, computed at most once in `REFRESH_INTERVAL_MS` for all clients."""

    data: DataService
    _reader: LedgerReader = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _computed: int = 0
    _score: Score | None = None

    def __post_init__(self) -> None:
        self._reader = LedgerReader(self.data.settings.data)

    def score(self) -> Score | None:
        """Return the score, or None if there is no ground truth."""
        with self._lock:
            if self._score is None or self.data.now() - self._computed >= REFRESH_INTERVAL_MS:
                ledger, snapshot = self._reader.read(), self.data.snapshot()
                now = fleet_clock(snapshot).therapy_ms
                health = msgspec.structs.replace(snapshot.health, therapy_ms=now)
                self._score = None if ledger is None else self._evaluate(ledger, health)
                self._computed = self.data.now()
            return self._score

    @property
    def incompatible(self) -> bool:
        """Whether there is no score because another version wrote the ground truth."""
        return self._reader.incompatible

    def _evaluate(self, ledger: Ledger, health: Health) -> Score:
        events, facts = self.data.events(limit=MAX_EVENTS), facts_index(self.data.snapshot().table.facts)
        injections, events = unblinded(ledger.injections, events, self.data.drills.blind())
        known = replace(ledger, injections=injections)
        return judge(known, events, health, facts.members(events["subject"].drop_nulls().unique()))


def unblinded(
    injections: pl.DataFrame, events: pl.DataFrame, drills: Sequence[Drill]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return injections and journal entries without those of running drills, which count once they have ended.

    The alarms of a drill are left out with its injection: without it they would count as false.
    """
    for drill in drills:
        on_pump = pl.col("pump") == drill.pump
        injections = injections.filter(
            ~(on_pump & (pl.col("fault") == drill.fault) & (pl.col("injected_by") == drill.by))
        )
        events = events.filter(~(on_pump & (pl.col("at") >= drill.injected_at)).fill_null(value=False))
    return injections, events


def judge(ledger: Ledger, events: pl.DataFrame, health: Health, members: pl.DataFrame = NO_MEMBERS) -> Score:
    """Match the ground truth with the journal's alarms since the run started, up to the therapy time in `health`.

    The delay of a fault that waits for a refill is not counted. `health` has the rules' targets, and `members`
    (`broker.contract.cohorts.MEMBERS`) the pumps of each cohort.
    """
    header, now, targets = ledger.header, health.therapy_ms, health.rule_targets
    expected = expectations(targets, dict.fromkeys(targets, PENDING_H), header.faults)
    # Alarms about Pumpwatch itself are neither right nor false about a pump.
    of_fleet = events.filter((pl.col("subject_kind") != "system").fill_null(value=True))
    raised = raised_by(of_fleet).filter(pl.col("raised") >= header.time)
    found = match(ledger.injections, raised, expected, now, members)
    waiting = pl.col("fault").is_in([fault.fault for fault in header.faults if fault.waits_for])
    delays = [pl.when(~waiting).then(pl.col(name)).alias(name) for name in ("delay_h", "right_delay_h")]
    within = pl.col("end").is_not_null() & (now <= pl.col("end") + GRACE_MS) & ~pl.col("detected")
    undecided = (pl.col("undecided") | within).alias("undecided")
    injections = found.injections.with_columns(*delays, undecided)
    return Score(
        header,
        Matched(injections, found.alarms),
        now,
        ledger.dropped,
        events.height >= MAX_EVENTS,
        frozenset(members["cohort"]),
        health.rules | dict(of_fleet.select("rule", "title").drop_nulls().unique("rule", keep="first").iter_rows()),
        targets,
        health.speed,
    )


def totals(score: Score) -> dict[str, Any]:
    """Return the totals of detectable injections and of alarms."""
    counted = score.found.injections.filter(pl.col("fault").is_in(score.expected))
    verdicts = score.found.alarms["verdict"]
    false = int((verdicts == FALSE).sum())
    return {
        **_counts(counted),
        "alarms": verdicts.len(),
        "false": false,
        "false_a_pump_day": false / score.pump_days if score.pump_days else None,
        "secondary": int((verdicts == SECONDARY).sum()),
        "unseen": score.found.injections.height - counted.height,
    }


def by_fault(score: Score) -> list[dict[str, Any]]:
    """Return the same figures per injected fault, the most often missed first."""
    rows = [
        {"fault": fault[0], "visible": fault[0] in score.expected, **_counts(cases)}
        for fault, cases in score.found.injections.partition_by("fault", as_dict=True).items()
    ]
    return sorted(rows, key=lambda row: (not row["visible"], -row["missed"], -row["undecided"], row["fault"]))


def _counts(cases: pl.DataFrame) -> dict[str, Any]:
    found, undecided = int(cases["detected"].sum()), int(cases["undecided"].sum())
    first = cases["by"].drop_nulls().value_counts(sort=True)
    return {
        "injected": cases.height,
        "found": found,
        "right_cause": int(cases["right_cause"].sum()),
        "undecided": undecided,
        "missed": cases.height - found - undecided,
        "delay_h": spread(cases["delay_h"]),
        "first": first["by"].to_list(),
    }
