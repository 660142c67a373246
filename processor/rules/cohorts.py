"""Cohort rules: what the pumps of a model, a lot or a gateway do together while the rest of the fleet does not.

A row is one quantity, taken from what the rules about pumps have learned of each pump, and the rule that judges it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from processor.detectors import volume as vote
from processor.rules.delivery import UNDER_DELIVERY_CAUSES
from processor.rules.measures import Measure, family, last
from processor.rules.rule import HOUR, MINUTE, Rule

MIN_Z: Final = 5.0
"""Robust z-score at the limit; no cohort is that far from the rest of the fleet by chance, although dozens of cohorts
are compared in seven quantities twice an hour for years (modeling choice)."""
MIN_UL_H: Final = 0.5
"""Below this commanded flow, shares of a pump's flow carry no information."""
SPAN_H: Final = (vote.SLOW_S - vote.QUICK_S) / 3600.0
"""Hours of flow that the settled gap between the two averages of a volume corresponds to."""
FROM_LOT: Final = "Interrogate three of these pumps first, then the rest. Report lot and model to the manufacturer."

Side = Literal["above", "below", "either"]


@dataclass(frozen=True, eq=False)
class Row:
    """One quantity in which cohorts are compared, in the unit of `floor`.

    `value` computes it for each pump from the engine state; null is unknown. Values outside `span` are clipped to it.
    Differences smaller than `floor` are never a finding, however significant. `usual` is the value of a healthy pump,
    if known: a cohort closer to it than `floor` is not a finding either, because then the others drift.
    """

    rule: Rule
    value: Callable[[], pl.Expr]
    span: tuple[float, float]
    floor: float
    usual: float | None


def _surplus_pct() -> pl.Expr:
    """Return delivery beyond commanded flow (%), averaged over 40 min; 0 if the reservoir clearly contradicts it."""
    memory, by = family("flow_sensor"), family("volume")
    by_flow, by_level = vote.by_flow_ul(by), vote.by_level_ul(by)
    contradicted = (by_flow.abs() >= vote.EVIDENCE_UL) & (by_level * by_flow.sign() < by_flow.abs() / 2)
    share = 100.0 * (memory("flow") / memory("commanded") - 1.0)
    return pl.when(memory("commanded") < MIN_UL_H).then(None).when(contradicted).then(0.0).otherwise(share)


def _unexplained_pct() -> pl.Expr:
    """Return measured flow not matched by reservoir loss (% of commanded flow), averaged over a day."""
    commanded = family("flow_sensor")("commanded")
    gap = vote.unexplained_ul(family("volume")) / (commanded * SPAN_H)
    return pl.when(commanded >= MIN_UL_H).then(100.0 * gap)


def _apart(floor: float, usual: float | None, side: Side) -> pl.Expr:
    """Return the score of a cohort's distance from the rest of the fleet, read from a row of the comparison."""
    parts = [(pl.col("apart") / floor).abs(), pl.col("z").abs() / MIN_Z]
    if usual is not None:
        parts.append(((pl.col("middle") - usual) * pl.col("apart").sign() / floor).clip(0.0))
    score = pl.min_horizontal(parts)
    if side == "either":
        return score
    return pl.when(pl.col("apart") > 0 if side == "above" else pl.col("apart") < 0).then(score).otherwise(0.0)


def _row(
    value: Callable[[], pl.Expr],
    unit: str,
    *,
    name: str,
    title: str,
    what: str,
    span: tuple[float, float],
    floor: float,
    usual: float | None,
    side: Side,
    priority: Literal["medium", "low"],
    meaning: str,
    rationale: str,
    time_to_respond: str,
    detection_target_h: float,
    action: str = FROM_LOT,
    identifies: tuple[str, ...] = (),
    detects: tuple[str, ...] = (),
    explains: tuple[str, ...] = (),
) -> Row:
    rule = Rule(
        name=name,
        title=title,
        priority=priority,
        indicator=_apart(floor, usual, side),
        on_delay_s=25 * MINUTE,
        off_delay_s=6 * HOUR,
        deadband_restarts_off_delay=True,
        detection_target_h=detection_target_h,
        meaning=meaning,
        action=action,
        time_to_respond=time_to_respond,
        rationale=rationale,
        evidence=(
            Measure(
                f"{what}, cohort median",
                unit,
                last("middle"),
                expected=last("rest"),
                limit=lambda _: pl.col("rest") + floor * pl.col("apart").sign(),
            ),
            Measure("Robust z-score vs. rest of fleet", "", last("z"), expected=0.0, limit=MIN_Z),
            Measure("Pumps in cohort", "", last("pumps")),
            Measure("Pumps beyond the limit", "", last("beyond"), expected=last("beyond_usual")),
            Measure("Spread in rest of fleet", unit, last("spread")),
        ),
        over_s=HOUR,
        identifies=identifies,
        detects=detects,
        explains=explains,
    )
    return Row(rule, value, span, floor, usual)


ROWS: Final = (
    _row(
        _surplus_pct,
        "%",
        name="cohort_over_delivery",
        title="Cohort over-infusion",
        what="Excess delivery",
        span=(-60.0, 60.0),
        floor=4.0,
        usual=0.0,
        side="above",
        priority="medium",
        identifies=("over_infusion",),
        detects=("sensor_bias", "sensor_noise", "sensor_stuck", "sensor_unit_slip"),
        detection_target_h=24.0,
        meaning="At least half of these pumps deliver more than programmed; the rest of the fleet does not.",
        time_to_respond="several days",
        rationale="Over-infusion was recalled by model (2014, 2016); many small excesses show before one large one.",
        explains=("flow_sensor_off", "volume_imbalance"),
    ),
    _row(
        _surplus_pct,
        "%",
        name="cohort_under_delivery",
        title="Cohort under-delivery",
        what="Excess delivery",
        span=(-60.0, 60.0),
        floor=4.0,
        usual=0.0,
        side="below",
        priority="medium",
        identifies=("under_infusion",),
        detects=UNDER_DELIVERY_CAUSES,
        detection_target_h=24.0,
        meaning="At least half of these pumps deliver less than programmed; the rest of the fleet does not.",
        time_to_respond="several days",
        rationale="Tubing wear or a faulty connector (2013 recall) affects a whole lot or model.",
        explains=("delivery_shift", "flow_sensor_off", "volume_imbalance"),
    ),
    _row(
        _unexplained_pct,
        "%",
        name="cohort_sensors_off",
        title="Cohort sensor bias",
        what="Flow not matched by reservoir loss",
        span=(-60.0, 60.0),
        floor=4.0,
        usual=0.0,
        side="either",
        priority="low",
        identifies=("sensor_bias", "sensor_drift"),
        detects=(
            "over_infusion",
            "running_empty",
            "sensor_noise",
            "sensor_stuck",
            "sensor_unit_slip",
            "under_infusion",
        ),
        detection_target_h=72.0,
        meaning="Flow or level sensors of these pumps share a bias: measured flow and reservoir loss disagree.",
        time_to_respond="weeks, if the other signals are normal",
        rationale="A calibration error of a lot hides small faults in all its pumps.",
        explains=("flow_sensor_off",),
    ),
    _row(
        lambda: family("usage")("load_ma"),
        "mA",
        name="cohort_motor_current",
        title="Cohort motor current high",
        what="Running motor current",
        span=(0.0, 10.0),
        floor=0.4,
        usual=None,
        side="above",
        priority="low",
        detects=("motor_stall",),
        detection_target_h=72.0,
        meaning="The motors of these pumps draw more current than the rest of the fleet: shared wear or friction.",
        time_to_respond="weeks; a stalled motor raises its own alarm",
        rationale="Shafts of older hardware wore out and stalled; motor current rises beforehand.",
    ),
    _row(
        lambda: family("battery_falling")("fall_per_h") * 1000.0,
        "mV/h",
        name="cohort_battery",
        title="Cohort battery depletion",
        what="Battery voltage loss",
        span=(-20.0, 40.0),
        floor=1.5,
        usual=0.0,
        side="above",
        priority="medium",
        identifies=("battery_depletion",),
        detects=("battery_drop", "feedthrough_short"),
        detection_target_h=6.0,
        meaning="The batteries of these pumps lose within hours what should last for months, unlike the rest.",
        time_to_respond="days; see the trend of each pump",
        rationale="A film in the battery of certain lots stopped pumps long before their time (Class I recall, 2011).",
    ),
    _row(
        lambda: family("catheter")("pressure_quick"),
        "mmHg",
        name="cohort_pressure",
        title="Cohort pressure shift",
        what="Catheter pressure",
        span=(-20.0, 60.0),
        floor=4.0,
        usual=None,
        side="either",
        priority="low",
        detects=(
            "catheter_disconnection",
            "catheter_kink",
            "catheter_leak",
            "catheter_migration",
            "catheter_occlusion",
            "catheter_tip_mass",
        ),
        detection_target_h=24.0,
        meaning="Pressure in all these pumps is shifted by the same amount: sensors, connectors or location.",
        time_to_respond="weeks, if pulsatility is normal",
        rationale="No single catheter shows this shift; it makes occlusions and leaks of all of them harder to detect.",
    ),
    _row(
        lambda: family("stream")("lost") * 100.0,
        "%",
        name="cohort_samples_lost",
        title="Cohort samples lost",
        what="Samples never received",
        span=(0.0, 100.0),
        floor=5.0,
        usual=0.0,
        side="above",
        priority="low",
        identifies=("link_corrupted", "silent_pump"),
        detects=("link_reordered",),
        detection_target_h=2.0,
        meaning="All these pumps lose samples: the fault is in the connection they share, not in the pumps.",
        action="Check the gateway's connection and its rejected messages; for a lot or model, check its radio.",
        time_to_respond="days, if the samples that arrive are normal",
        rationale="One cause, one alarm; with fewer samples, faults are detected later.",
        explains=("samples_lost",),
    ),
)
COHORT_RULES: Final = tuple(row.rule for row in ROWS)
"""None suppresses an alarm of higher priority than its own: a drift of many never hides a pump in danger."""
