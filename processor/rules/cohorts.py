"""Alarms of cohorts: what a model, a lot or a gateway's pumps do together and the rest of the fleet does not.

A row is one quantity, read from what the rules of pumps have learned of each pump anyway, and the alarm it is for.
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
"""Robust z-score at the limit: no cohort is so far from the rest of the fleet by chance, though dozens of cohorts are
compared in seven quantities twice an hour for years (modelling choice)."""
MIN_UL_H: Final = 0.5
"""Below this commanded flow a pump's shares tell nothing."""
SPAN_H: Final = (vote.SLOW_S - vote.QUICK_S) / 3600.0
"""What the gap between the averages of a volume is worth in hours of flow, once it has settled."""
FROM_LOT: Final = (
    "Interrogate three of these pumps; see to them before others. Report lot and model to the manufacturer."
)

Side = Literal["above", "below", "either"]


@dataclass(frozen=True, eq=False)
class Row:
    """One quantity in which cohorts are compared, in the unit of `floor`.

    `value` makes it, for each pump, from the state; null is unknown. What lies outside of `span` counts as at its end.
    Smaller differences than `floor` are no finding, however sure they are, nor is a cohort that is less than that from
    what is `usual` of a pump that is well, where that is known: then it is the others that drift.
    """

    rule: Rule
    value: Callable[[], pl.Expr]
    span: tuple[float, float]
    floor: float
    usual: float | None


def _surplus_pct() -> pl.Expr:
    """Delivered beyond commanded flow, averaged over 40 min; nothing where the reservoir clearly denies it."""
    memory, by = family("flow_sensor"), family("volume")
    by_flow, by_level = vote.by_flow_ul(by), vote.by_level_ul(by)
    denied = (by_flow.abs() >= vote.EVIDENCE_UL) & (by_level * by_flow.sign() < by_flow.abs() / 2)
    share = 100.0 * (memory("flow") / memory("commanded") - 1.0)
    return pl.when(memory("commanded") < MIN_UL_H).then(None).when(denied).then(0.0).otherwise(share)


def _unexplained_pct() -> pl.Expr:
    """Flow that did not leave the reservoir, as a share of what was commanded, averaged over a day."""
    commanded = family("flow_sensor")("commanded")
    gap = vote.unexplained_ul(family("volume")) / (commanded * SPAN_H)
    return pl.when(commanded >= MIN_UL_H).then(100.0 * gap)


def _apart(floor: float, usual: float | None, side: Side) -> pl.Expr:
    """Return the score of a cohort's distance from the rest of the fleet, read from a row of the comparison."""
    parts = [(pl.col("apart") / floor).abs(), pl.col("z").abs() / MIN_Z]
    if usual is not None:
        parts.append(((pl.col("middle") - usual) * pl.col("apart").sign() / floor).clip(0.0))
    sure = pl.min_horizontal(parts)
    if side == "either":
        return sure
    return pl.when(pl.col("apart") > 0 if side == "above" else pl.col("apart") < 0).then(sure).otherwise(0.0)


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
                f"{what}, middle of the cohort",
                unit,
                last("middle"),
                expected=last("rest"),
                limit=lambda _: pl.col("rest") + floor * pl.col("apart").sign(),
            ),
            Measure("Robust z-score against the rest of the fleet", "", last("z"), expected=0.0, limit=MIN_Z),
            Measure("Pumps in the cohort", "", last("pumps")),
            Measure("Of these beyond the limit", "", last("beyond"), expected=last("beyond_usual")),
            Measure("Spread of the rest of the fleet", unit, last("spread")),
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
        title="Cohort delivers too much",
        what="Delivered beyond the program",
        span=(-60.0, 60.0),
        floor=4.0,
        usual=0.0,
        side="above",
        priority="medium",
        identifies=("over_infusion",),
        detects=("sensor_bias", "sensor_noise", "sensor_stuck", "sensor_unit_slip"),
        detection_target_h=24.0,
        meaning="Half of these pumps or more deliver beyond their program, the rest of the fleet does not.",
        time_to_respond="days",
        rationale="Over-infusion was recalled by model (2014, 2016); many small surpluses show before one large one.",
        explains=("flow_sensor_off", "volume_imbalance"),
    ),
    _row(
        _surplus_pct,
        "%",
        name="cohort_under_delivery",
        title="Cohort delivers too little",
        what="Delivered beyond the program",
        span=(-60.0, 60.0),
        floor=4.0,
        usual=0.0,
        side="below",
        priority="medium",
        identifies=("under_infusion",),
        detects=UNDER_DELIVERY_CAUSES,
        detection_target_h=24.0,
        meaning="Half of these pumps or more deliver less than their program, the rest of the fleet does not.",
        time_to_respond="days",
        rationale="Wear of a tube, or a connector that was made wrong (recall of 2013), comes with a lot or a model.",
        explains=("delivery_shift", "flow_sensor_off", "volume_imbalance"),
    ),
    _row(
        _unexplained_pct,
        "%",
        name="cohort_sensors_off",
        title="Sensors of a cohort read wrong",
        what="Flow that did not leave the reservoir",
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
        meaning="Flow or level sensors of these pumps are off together: what flows is not what left the reservoir.",
        time_to_respond="weeks, if the other signals are calm",
        rationale="A calibration error of a lot blinds us to the small faults of all its pumps.",
        explains=("flow_sensor_off",),
    ),
    _row(
        lambda: family("usage")("load_ma"),
        "mA",
        name="cohort_motor_current",
        title="Motors of a cohort draw more",
        what="Current of the running motor",
        span=(0.0, 10.0),
        floor=0.4,
        usual=None,
        side="above",
        priority="low",
        detects=("motor_stall",),
        detection_target_h=72.0,
        meaning="The motors of these pumps draw more current than those of the fleet: shared wear or friction.",
        time_to_respond="weeks; a motor that stalls has an alarm of its own",
        rationale="Shafts of older hardware wore out and stalled; their current rises before.",
    ),
    _row(
        lambda: family("battery_falling")("fall_per_h") * 1000.0,
        "mV/h",
        name="cohort_battery",
        title="Batteries of a cohort fall",
        what="Voltage lost",
        span=(-20.0, 40.0),
        floor=1.5,
        usual=0.0,
        side="above",
        priority="medium",
        identifies=("battery_depletion",),
        detects=("battery_drop", "feedthrough_short"),
        detection_target_h=6.0,
        meaning="The batteries of these pumps lose in hours what should last for months; the fleet's do not.",
        time_to_respond="days; see the trend of each pump",
        rationale="A film in the battery of certain lots stopped pumps long before their time (Class I recall, 2011).",
    ),
    _row(
        lambda: family("catheter")("pressure_quick"),
        "mmHg",
        name="cohort_pressure",
        title="Pressure of a cohort is off",
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
        meaning="These pumps measure another pressure than the fleet, all by as much: sensors, connector or place.",
        time_to_respond="weeks, if the pulses are as usual",
        rationale="A shift that no single catheter shows; it makes occlusions and leaks of all of them harder to tell.",
    ),
    _row(
        lambda: family("stream")("lost") * 100.0,
        "%",
        name="cohort_samples_lost",
        title="Samples of a cohort are lost",
        what="Samples that never arrived",
        span=(0.0, 100.0),
        floor=5.0,
        usual=0.0,
        side="above",
        priority="low",
        identifies=("link_corrupted", "silent_pump"),
        detects=("link_reordered",),
        detection_target_h=2.0,
        meaning="Of all these pumps a part of the samples never arrives: what they share is the line, not the pumps.",
        action="Look at the gateway's line and its refused messages; with a lot or a model, at its radio.",
        time_to_respond="days, if what arrives is calm",
        rationale="One cause is one alarm; with fewer samples everything is found later.",
        explains=("samples_lost",),
    ),
)
COHORT_RULES: Final = tuple(row.rule for row in ROWS)
"""None holds an alarm of a higher priority than its own: a pump in danger is never hidden by a drift of many."""
