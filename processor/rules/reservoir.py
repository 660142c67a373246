"""Alarms of the reservoir: what is left, and what was filled in."""

from __future__ import annotations

from typing import Final

from broker.contract.datasheet import LOW_RESERVOIR_ML
from processor.detectors import volume as vote
from processor.detectors.limit import limit
from processor.detectors.refill import MAX_S, MISSED, WATCHED_S, WRONG, refill
from processor.detectors.usage import usage
from processor.detectors.volume import volume
from processor.rules.exclusions import FLOW_AGREES, LEVEL_CALM, MOTOR_TURNS
from processor.rules.measures import Measure, kept, last
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

EMPTY_ML: Final = 1.45
DAY_S: Final = 86_400.0


def _left(limit_ml: float | None) -> Measure:
    return Measure("Left in the reservoir", "mL", last("reservoir_ml"), expected=last("computed_ml"), limit=limit_ml)


def _missing(share: float) -> Measure:
    return Measure("Missing of what was filled in", "%", kept("missing", 100.0), expected=0.0, limit=100.0 * share)


MEASURED: Final = Measure("Measured flow, last sample", "µL/h", last("flow_ul_h"), expected=last("commanded_ul_h"))
UNEXPLAINED: Final = Measure(
    "Flowed and did not leave the reservoir", "µL", vote.unexplained_ul, 0.0, vote.UNEXPLAINED_UL
)
USUAL_FLOW: Final = Measure("Commanded flow, mean of whole days", "µL/h", kept("day_ul_h"))
BY_FLOW: Final = Measure("More than commanded, by the flow", "µL", vote.by_flow_ul, expected=0.0)

RULES: Final = (
    Rule(
        name="refill_due",
        title="Refill due within 5 days",
        priority="low",
        detector=usage(due_days=5.0),
        on_delay_s=24 * HOUR,
        off_delay_s=6 * HOUR,
        detection_target_h=36.0,
        meaning="At the pace of its program and of the measured flow the reservoir falls to 2 mL within 5 days.",
        action="Check that a refill is planned before that day; else arrange one.",
        time_to_respond="up to 5 days until the reservoir is low; see the outlook",
        rationale="A low reservoir is among the usual causes of withdrawal; an appointment in time prevents it.",
        evidence=(_left(LOW_RESERVOIR_ML), USUAL_FLOW),
    ),
    Rule(
        name="refill_overdue",
        title="Refill overdue",
        priority="medium",
        detector=refill("overdue"),
        on_delay_s=HOUR,
        off_delay_s=0.0,
        detection_target_h=2.0,
        meaning="No refill was recorded for 180 days. The drug in the reservoir is older than it was shown to keep.",
        action="Arrange a refill now, whatever is left in the reservoir.",
        time_to_respond="some days",
        rationale="The longest interval recommended between refills is 180 days, however low the dose.",
        evidence=(
            Measure("Since the last refill", "days", kept("since_s", 1.0 / DAY_S), limit=MAX_S / DAY_S),
            _left(LOW_RESERVOIR_ML),
        ),
        over_s=0.0,
    ),
    Rule(
        name="reservoir_low",
        title="Reservoir low",
        priority="medium",
        detector=limit("reservoir_ml", below=LOW_RESERVOIR_ML, span=0.6),
        on_delay_s=30 * MINUTE,
        off_delay_s=30 * MINUTE,
        identifies=("running_empty",),
        detects=("pocket_fill", "sensor_drift", "wrong_refill_volume"),
        detection_target_h=1.0,
        meaning="The measured volume is below 2 mL, of which 1.4 mL cannot be used.",
        action="Arrange a refill at once and check the date in the plan.",
        time_to_respond="see the trend: hours to a few days",
        rationale="Some patients had withdrawal with more than 2 mL left (Neurosurgery, August 2004).",
        evidence=(_left(LOW_RESERVOIR_ML), MEASURED),
        rules_out=(LEVEL_CALM,),
        explains=("refill_due",),
    ),
    Rule(
        name="reservoir_empty",
        title="Reservoir empty",
        priority="high",
        detector=limit("reservoir_ml", below=EMPTY_ML, span=0.05),
        on_delay_s=15 * MINUTE,
        off_delay_s=30 * MINUTE,
        identifies=("running_empty",),
        detects=("pocket_fill", "sensor_drift", "wrong_refill_volume"),
        detection_target_h=1.0,
        meaning="What is left in the reservoir cannot be pumped. The flow ends.",
        action="Refill now. Bridge by mouth until then.",
        time_to_respond="about 5 h until under-dosed",
        rationale="An empty reservoir is among the usual causes of withdrawal (drug's boxed warning).",
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
        title="Reservoir falls too fast",
        priority="high",
        detector=volume("reservoir falls"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        identifies=("running_empty",),
        detects=("sensor_drift",),
        detection_target_h=1.0,
        meaning="The reservoir loses much more than flows out through the catheter.",
        action="Measure the reservoir with the needle. Look for fluid in the pocket. Expect the pump to run empty.",
        time_to_respond="hours; see the trend",
        rationale="Drug that leaves unseen is lost to the patient or is where it should not be.",
        evidence=(
            Measure("Left unseen in an hour and a half", "µL", vote.vanished_ul, 0.0, vote.FALLS_UL),
            BY_FLOW,
            _left(None),
        ),
        rules_out=(FLOW_AGREES,),
        over_s=vote.QUICK_S,
        explains=("refill_due", "volume_imbalance"),
    ),
    Rule(
        name="volume_imbalance",
        title="Volume does not add up",
        priority="medium",
        detector=volume("level sensor"),
        on_delay_s=2 * HOUR,
        off_delay_s=6 * HOUR,
        identifies=("sensor_drift",),
        detects=("over_infusion", "running_empty"),
        detection_target_h=72.0,
        meaning="Flow and program agree, and the measured reservoir volume tells something else.",
        action="Probably its level sensor drifts: go by the computed volume. Measure at the next refill.",
        time_to_respond="a day or more",
        rationale="A level sensor that errs hides the day on which the pump runs empty.",
        evidence=(UNEXPLAINED, BY_FLOW, _left(None)),
        rules_out=(FLOW_AGREES, LEVEL_CALM),
        over_s=vote.SLOW_S,
        learns_h=24.0,
    ),
    Rule(
        name="refill_missed",
        title="Refill did not arrive",
        priority="high",
        detector=refill("missed"),
        on_delay_s=5 * MINUTE,
        off_delay_s=0.0,
        identifies=("pocket_fill", "wrong_refill_volume"),
        detection_target_h=1.0,
        meaning="A refill was recorded, but about half of it or more is not in the reservoir.",
        action="Suspect a pocket fill: watch the patient for overdose. Empty and measure the reservoir.",
        time_to_respond="minutes to hours: overdose from the pocket",
        rationale="One of 10,000 refills goes beside the port; 8 deaths, 270 injuries (Class I recall, 2011).",
        evidence=(_missing(MISSED), _left(None)),
        rules_out=(LEVEL_CALM,),
        over_s=WATCHED_S,
        explains=("refill_volume_wrong",),
    ),
    Rule(
        name="refill_volume_wrong",
        title="Refill volume differs from entry",
        priority="medium",
        detector=refill("wrong volume"),
        on_delay_s=10 * MINUTE,
        off_delay_s=0.0,
        identifies=("wrong_refill_volume",),
        detects=("pocket_fill",),
        detection_target_h=2.0,
        meaning="After the refill the reservoir holds another volume than was entered in the programmer.",
        action="Correct the entry: the pump's own low-reservoir alarm goes by it. Find out where the rest went.",
        time_to_respond="days; the refill date is wrong",
        rationale="A pump that counts down from a wrong volume runs empty without its alarm.",
        evidence=(_missing(WRONG), _left(None)),
        rules_out=(LEVEL_CALM,),
        over_s=WATCHED_S,
    ),
)
