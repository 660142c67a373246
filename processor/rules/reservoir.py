"""Reservoir rules: remaining volume, refills and unexplained losses."""

from __future__ import annotations

from typing import Final

from broker.contract.datasheet import LOW_RESERVOIR_ML
from processor.detectors import volume as vote
from processor.detectors.limit import limit
from processor.detectors.refill import MAX_S, MISSED, WATCHED_S, WRONG, refill
from processor.detectors.usage import usage
from processor.detectors.volume import volume
from processor.rules.exclusions import FLOW_AGREES, MOTOR_TURNS, NO_RAPID_LOSS
from processor.rules.measures import Measure, kept, last
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

EMPTY_ML: Final = 1.45
DAY_S: Final = 86_400.0


def _left(limit_ml: float | None) -> Measure:
    return Measure("Reservoir volume", "mL", last("reservoir_ml"), expected=last("computed_ml"), limit=limit_ml)


def _missing(share: float) -> Measure:
    return Measure("Refill volume missing", "%", kept("missing", 100.0), expected=0.0, limit=100.0 * share)


MEASURED: Final = Measure("Latest measured flow", "µL/h", last("flow_ul_h"), expected=last("commanded_ul_h"))
UNEXPLAINED: Final = Measure("Flow not matched by reservoir loss", "µL", vote.unexplained_ul, 0.0, vote.UNEXPLAINED_UL)
DAILY_FLOW: Final = Measure("Daily mean commanded flow", "µL/h", kept("day_ul_h"))
BY_FLOW: Final = Measure("Excess over commanded, by flow", "µL", vote.by_flow_ul, expected=0.0)

RULES: Final = (
    Rule(
        name="refill_due",
        title="Refill due within 5 days",
        priority="low",
        detector=usage(due_days=5.0),
        on_delay_s=24 * HOUR,
        off_delay_s=6 * HOUR,
        detection_target_h=36.0,
        meaning="At the programmed rate and the measured flow, the reservoir will fall to 2 mL within 5 days.",
        action="Check that a refill is scheduled before then; if not, schedule one.",
        time_to_respond="up to 5 days until the reservoir is low; see the forecast",
        rationale="A low reservoir is a common cause of withdrawal; a refill in time prevents it.",
        evidence=(_left(LOW_RESERVOIR_ML), DAILY_FLOW),
    ),
    Rule(
        name="refill_overdue",
        title="Refill overdue",
        priority="medium",
        detector=refill("overdue"),
        on_delay_s=HOUR,
        off_delay_s=0.0,
        detection_target_h=2.0,
        meaning="No refill has been recorded for 180 days. The drug in the reservoir is past its tested stability.",
        action="Arrange a refill now, whatever volume remains.",
        time_to_respond="several days",
        rationale="The longest recommended refill interval is 180 days, however low the dose.",
        evidence=(
            Measure("Time since last refill", "days", kept("since_s", 1.0 / DAY_S), limit=MAX_S / DAY_S),
            _left(LOW_RESERVOIR_ML),
        ),
        over_s=0.0,
    ),
    Rule(
        name="reservoir_low",
        title="Low reservoir",
        priority="medium",
        mdc="MDC_EVT_LO",
        detector=limit("reservoir_ml", below=LOW_RESERVOIR_ML, span=0.6),
        on_delay_s=30 * MINUTE,
        off_delay_s=30 * MINUTE,
        identifies=("running_empty",),
        detects=("pocket_fill", "sensor_drift", "wrong_refill_volume"),
        detection_target_h=1.0,
        meaning="Measured reservoir volume is below 2 mL, of which 1.4 mL is unusable.",
        action="Arrange a refill now and check the scheduled refill date.",
        time_to_respond="hours to a few days; see the trend",
        rationale="Some patients had withdrawal with more than 2 mL left (Neurosurgery, August 2004).",
        evidence=(_left(LOW_RESERVOIR_ML), MEASURED),
        rules_out=(NO_RAPID_LOSS,),
        explains=("refill_due",),
    ),
    Rule(
        name="reservoir_empty",
        title="Empty reservoir",
        priority="high",
        mdc="MDC_EVT_EMPTY",
        detector=limit("reservoir_ml", below=EMPTY_ML, span=0.05),
        on_delay_s=15 * MINUTE,
        off_delay_s=30 * MINUTE,
        identifies=("running_empty",),
        detects=("pocket_fill", "sensor_drift", "wrong_refill_volume"),
        detection_target_h=1.0,
        meaning="The remaining volume cannot be delivered. Flow is stopping.",
        action="Refill now. Bridge orally until then.",
        time_to_respond="about 5 h until under-dosed",
        rationale="An empty reservoir is a common cause of withdrawal (boxed warning of the drug label).",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(_left(EMPTY_ML), MEASURED),
        rules_out=(MOTOR_TURNS,),
        explains=(
            "refill_due",
            "reservoir_low",
            "under_delivery",
            "delivery_shift",
            "flow_sensor_off",
            "volume_imbalance",
        ),
    ),
    Rule(
        name="reservoir_falls",
        title="Rapid reservoir loss",
        priority="high",
        detector=volume("reservoir falls"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        identifies=("running_empty",),
        detects=("sensor_drift",),
        detection_target_h=1.0,
        meaning="The reservoir loses much more than flows out through the catheter.",
        action="Aspirate and measure the reservoir. Check the pump pocket for fluid. Expect the pump to run empty.",
        time_to_respond="hours; see the trend",
        rationale="Drug that leaves this way does not reach the patient, or collects where it should not.",
        evidence=(
            Measure("Unexplained loss in 90 min", "µL", vote.vanished_ul, 0.0, vote.FALLS_UL),
            BY_FLOW,
            _left(None),
        ),
        rules_out=(FLOW_AGREES,),
        over_s=vote.QUICK_S,
        explains=("refill_due", "volume_imbalance"),
    ),
    Rule(
        name="volume_imbalance",
        title="Reservoir volume discrepancy",
        priority="medium",
        detector=volume("level sensor"),
        on_delay_s=2 * HOUR,
        off_delay_s=6 * HOUR,
        identifies=("sensor_drift",),
        detects=("over_infusion", "running_empty"),
        detection_target_h=72.0,
        meaning="Measured flow matches the program, but the measured reservoir volume does not.",
        action="Suspect level sensor drift: rely on the computed volume. Measure the volume at the next refill.",
        time_to_respond="a day or more",
        rationale="A faulty level sensor hides when the pump will run empty.",
        evidence=(UNEXPLAINED, BY_FLOW, _left(None)),
        rules_out=(FLOW_AGREES, NO_RAPID_LOSS),
        over_s=vote.SLOW_S,
        learns_h=24.0,
    ),
    Rule(
        name="refill_missed",
        title="Suspected pocket fill",
        priority="high",
        detector=refill("missed"),
        on_delay_s=5 * MINUTE,
        off_delay_s=0.0,
        identifies=("pocket_fill", "wrong_refill_volume"),
        detection_target_h=1.0,
        meaning="A refill was recorded, but about half of it or more did not reach the reservoir.",
        action="Monitor the patient for overdose. Empty the reservoir and measure its volume.",
        time_to_respond="minutes to hours: overdose from the pocket",
        rationale="One in 10,000 refills misses the port; 8 deaths, 270 injuries (Class I recall, 2011).",
        evidence=(_missing(MISSED), _left(None)),
        rules_out=(NO_RAPID_LOSS,),
        over_s=WATCHED_S,
        explains=("refill_volume_wrong",),
    ),
    Rule(
        name="refill_volume_wrong",
        title="Refill volume mismatch",
        priority="medium",
        detector=refill("wrong volume"),
        on_delay_s=10 * MINUTE,
        off_delay_s=0.0,
        identifies=("wrong_refill_volume",),
        detects=("pocket_fill",),
        detection_target_h=2.0,
        meaning="After the refill, the reservoir volume differs from the volume entered in the programmer.",
        action="Correct the entry: the pump's own low-reservoir alarm relies on it. Account for the difference.",
        time_to_respond="days; the refill date is wrong",
        rationale="A pump that counts down from a wrong volume runs empty without its own alarm.",
        evidence=(_missing(WRONG), _left(None)),
        rules_out=(NO_RAPID_LOSS,),
        over_s=WATCHED_S,
    ),
)
