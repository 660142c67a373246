"""Result of a load test: the figures of every stage, why it is void or failed, as JSON and for reports."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trials.load.metrics import BUSIEST, SYSTEM
from trials.load.profile import Profile

VERSION: Final = 1
EVIDENCE_EMPTY: Final = "no sample of this stage reached a snapshot"


class Check(msgspec.Struct, kw_only=True, frozen=True):
    """A threshold and what was measured: None if the metric was not measured, which fails."""

    metric: str
    below: float
    measured: float | None

    @property
    def kept(self) -> bool:
        """Whether the threshold was kept."""
        return self.measured is not None and self.measured <= self.below


class StageResult(msgspec.Struct, kw_only=True):
    """Figures of one stage, of the samples due while it held.

    `offered`, `made`, `judged` and `shown` are samples. `latency` counts from when they were due, `raw` from when they
    were made: percentiles in s by hop. `lost` are samples by the hop that they did not reach. `resources` are of each
    part. `void` says why the generator and not the system was measured, `failures` what else was not as it should be.
    """

    name: str
    pumps: int
    begin_s: float
    seconds: float
    offered: int
    made: int
    judged: int
    shown: int
    offered_per_s: float
    shown_per_s: float
    latency: dict[str, dict[str, float | None]]
    raw: dict[str, dict[str, float | None]]
    curve: dict[str, list[tuple[float, float]]]
    lost: dict[str, int]
    duplicates: int
    disorder: int
    empty_seconds: int
    alarms: dict[str, float | None]
    resources: dict[str, dict[str, float]]
    void: list[str]
    checks: list[Check]
    failures: list[str]

    def value(self, metric: str) -> float | None:
        """Return a metric (`trials.load.metrics.METRICS`) in s or as a number; None if it was not measured."""
        kind, _, rest = metric.partition(".")
        if kind in {"latency", "raw"}:
            hop, _, percentile = rest.partition(".")
            return (self.latency if kind == "latency" else self.raw).get(hop, {}).get(percentile)
        if metric == BUSIEST:
            return max((self.resources[part]["cores"] for part in SYSTEM if part in self.resources), default=None)
        if kind in {"cpu", "memory"}:
            return self.resources.get(rest, {}).get("cores" if kind == "cpu" else "memory_mb")
        counts: dict[str, float | None] = {
            "loss": self.lost.get("shown", 0),
            "duplicates": self.duplicates,
            "disorder": self.disorder,
            "empty_seconds": self.empty_seconds,
            "alarms.missed": self.alarms.get("missed"),
        }
        return counts[metric]

    @property
    def passed(self) -> bool:
        """Whether it is not void, nothing failed, and every threshold was kept."""
        return not self.void and not self.failures and all(check.kept for check in self.checks)


class Result(msgspec.Struct, kw_only=True):
    """A whole run, as `pumpwatch load --json` writes it.

    `course` is a table by columns: p50 and p99 of each hop and samples, by the second in which they were due. `use` is
    the resources of each part over time. `blame` names the part that gave way first, with the evidence, if any did.
    `knee` is what a search found: the most that was carried, its probes, and what gave way beyond; `loads` are the
    knees of repeated searches. `void_reasons` say why the whole run is void, such as a lost worker. `clock_offsets` are
    of workers and the processor, in ms: how far their clock is ahead, by which their times were corrected, and the
    uncertainty. `broker_peaks` are the highest values of the counters in `broker`, `broker_course` these over time
    (bytes as MB/s). `capacity` are exponents of cores and memory over samples a second.
    """

    version: int = VERSION
    profile: str
    title: str
    began: str
    machine: dict[str, Any]
    versions: dict[str, str]
    settings: dict[str, Any]
    interrupted: bool = False
    void_reasons: list[str] = []
    stages: list[StageResult] = []
    course: dict[str, list[Any]] = {}
    use: dict[str, dict[str, list[float]]] = {}
    broker: dict[str, float] = {}
    broker_peaks: dict[str, float] = {}
    broker_course: dict[str, dict[str, list[float]]] = {}
    clock_offsets: dict[str, dict[str, float]] = {}
    capacity: dict[str, float] = {}
    notes: list[str] = []
    not_measured: list[str] = []
    blame: dict[str, Any] | None = None
    knee: dict[str, Any] | None = None

    @property
    def void(self) -> bool:
        """Whether any stage measured the generator rather than the system, or a worker was lost."""
        return bool(self.void_reasons) or any(stage.void for stage in self.stages)

    @property
    def passed(self) -> bool:
        """Whether every stage passed and nothing was interrupted."""
        return (
            bool(self.stages)
            and not (self.interrupted or self.void_reasons)
            and all(stage.passed for stage in self.stages)
        )

    @property
    def exit_code(self) -> int:
        """0 passed, 1 a threshold was broken or something failed, 2 void, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.void:
            return 2
        return 0 if self.passed else 1


def settings_of(profile: Profile) -> dict[str, Any]:
    """Return the settings of a profile for the report."""
    names = ("interval", "speed", "payload", "sessions", "per_gateway", "generators", "seed", "faulty", "faults")
    return {name: getattr(profile, name) for name in names}
