"""Judging a stage: void or not, failures, thresholds, alarms that were due, and which part gave way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker.truth.expectations import expectations
from processor.rules import RULES
from processor.rules.rule import targets_of
from trials.load.metrics import PERCENTILES
from trials.load.observer import Raised
from trials.load.plan import BlockClock
from trials.load.profile import Threshold
from trials.load.result import EVIDENCE_EMPTY, Check, StageResult

MAX_LATE_SHARE: Final = 0.25
MIN_LATE_MS: Final = 100.0
"""A generator is saturated when p99 of its own delay is more than this share of the interval, and than this."""
MIN_MADE_SHARE: Final = 0.99
FULL: Final = 0.9
"""Cores of a part from which it counts as full, for what one thread does."""


@dataclass(frozen=True)
class Injected:
    """A fault on a pump since `at` (wall ms), and the rules that find it, with the therapy hours that they may take."""

    pump: str
    fault: str
    at: float
    rules: Mapping[str, float]


def void_reasons(result: StageResult, *, interval_s: float, generator_cores: float, generators: int) -> list[str]:
    """Return why a stage measured the generator rather than the system; empty if it did not."""
    reasons = []
    late_s = (result.latency.get("sampled") or {}).get("p99")
    limit_s = max(MIN_LATE_MS / 1000, MAX_LATE_SHARE * interval_s)
    if late_s is not None and late_s > limit_s:
        reasons.append(
            f"the generator made samples late: p99 {late_s:.2f} s after they were due, allowed is {limit_s:.2f} s"
        )
    if result.offered and result.made < MIN_MADE_SHARE * result.offered:
        share = 100 * result.made / result.offered
        reasons.append(f"the generator made {share:.1f} % of the samples that were due ({result.made:,})")
    if generator_cores > FULL * generators and reasons:
        reasons.append(
            f"it used {generator_cores:.2f} cores in {generators} processes; use more generators or machines"
        )
    return reasons


def failures(result: StageResult) -> list[str]:
    """Return what makes a stage fail whatever its thresholds are."""
    return [EVIDENCE_EMPTY] if result.offered and not result.shown else []


def checks(result: StageResult, thresholds: Iterable[Threshold]) -> list[Check]:
    """Return every threshold with what was measured."""
    return [Check(metric=each.metric, below=each.below, measured=result.value(each.metric)) for each in thresholds]


def alarm_figures(
    injected: Sequence[Injected],
    alarms: Iterable[Raised],
    clocks: Sequence[BlockClock],
    *,
    until_ms: float,
    speed: float,
    percentile: Any,
) -> dict[str, float | None]:
    """Return how many alarms were expected by `until_ms` (wall), seen and missed; their delay since the fault; and the
    latency from when the sample that led to an alarm was due to its publication. In s, wall clock.

    `percentile` computes a percentile of a list (`numpy.percentile`).
    """
    first: dict[str, Raised] = {}
    wanted = {each.pump: each for each in injected}
    for alarm in alarms:
        fault = wanted.get(alarm.pump)
        if fault is not None and alarm.rule in fault.rules and alarm.at >= fault.at:
            first.setdefault(alarm.pump, alarm)
    due = [
        each for each in injected if each.rules and each.at + min(each.rules.values()) * 3_600_000 / speed <= until_ms
    ]
    delays = [(first[each.pump].at - each.at) / 1000 for each in injected if each.pump in first]
    latencies = [
        (alarm.at - clock.due_ms(_place(alarm.pump), alarm.time)) / 1000
        for alarm in first.values()
        if (clock := _clock_of(alarm.pump, clocks)) is not None
    ]
    figures: dict[str, float | None] = {
        "faults": len(injected),
        "expected": len(due),
        "seen": len(first),
        "missed": sum(each.pump not in first for each in due),
    }
    for name, values in (("delay", delays), ("latency", latencies)):
        for label, at in PERCENTILES.items():
            figures[f"{name}.{label}"] = round(float(percentile(values, at)), 4) if values else None
    return figures


def _place(serial: str) -> int:
    return int(serial.rpartition("-")[2])


def _clock_of(serial: str, clocks: Sequence[BlockClock]) -> BlockClock | None:
    place = _place(serial)
    return next((clock for clock in clocks if clock.first <= place < clock.first + clock.pumps), None)


LEGS: Final = (
    ("generator", "due", "sampled"),
    ("generator", "sampled", "published"),
    ("broker", "published", "confirmed"),
    ("processor", "confirmed", "shown"),
    ("dashboard", "shown", "painted"),
)
"""Which part has a sample between which two hops."""


def blame(result: StageResult, calm: StageResult | None) -> dict[str, Any] | None:
    """Return the part that gave way in a stage, with the evidence: where samples waited longer than in a `calm` one.

    What the broker has confirmed and the processor not received waits for the processor: it reads late.
    """
    grown: dict[str, float] = {}
    for part, begin, end in LEGS:
        now, before = _leg(result, begin, end), 0.0 if calm is None else _leg(calm, begin, end)
        grown[part] = grown.get(part, 0.0) + max(0.0, now - before)
    cores = {part: row["cores"] for part, row in result.resources.items() if part != "all"}
    part = max(grown, key=lambda name: grown[name], default="")
    if not part or grown[part] <= 0.0:
        return None
    evidence = [f"p99 grew by {grown[part]:.2f} s while it had the samples, of {sum(grown.values()):.2f} s in all"]
    if part in cores:
        full = " (full)" if cores[part] >= FULL else ""
        evidence.append(f"it used {cores[part]:.2f} cores{full} and {result.resources[part]['memory_mb']:,.0f} MB")
    if result.void:
        part, evidence = "generator", result.void
    return {"part": part, "stage": result.name, "evidence": evidence, "grown_s": grown}


def _leg(result: StageResult, begin: str, end: str) -> float:
    first = 0.0 if begin == "due" else (result.latency.get(begin) or {}).get("p99")
    last = (result.latency.get(end) or {}).get("p99")
    return max(0.0, last - first) if first is not None and last is not None else 0.0


def rules_of_faults() -> dict[str, dict[str, float]]:
    """Return for each fault the rules that find it, with the hours of therapy time that they may take."""
    hours = {rule.name: rule.detection_target_h for rule in RULES}
    table = expectations(targets_of(RULES), hours)
    found: dict[str, dict[str, float]] = {}
    for fault, rule, _, target, _ in table.iter_rows():
        found.setdefault(fault, {})[rule] = target
    return found
