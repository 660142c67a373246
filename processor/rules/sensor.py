"""Alarms of the sensors: no harm by themselves, but they blind us."""

from __future__ import annotations

from typing import Final

from processor.detectors import volume as vote
from processor.detectors.flow_sensor import IMPOSSIBLE, MIN_JUMP, QUICK_S, TIMES, flow_sensor
from processor.detectors.frozen import SHARE, frozen
from processor.detectors.volume import volume
from processor.rules.exclusions import CATHETER_OPEN, LEVEL_CALM, MOTOR_TURNS, SENSOR_LIVE, UNIT_RIGHT
from processor.rules.measures import Measure, family, kept, last
from processor.rules.rule import HOUR, MINUTE, Rule

FLOW: Final = ("under_delivery", "delivery_shift", "over_infusion", "flow_sensor_off")
GO_BY_OTHERS: Final = "Do not trust the measured flow; go by motor, pressure and reservoir. Have the sensor seen to."

AVERAGE: Final = Measure(
    "Measured flow over 40 min",
    "µL/h",
    lambda _: family("flow_sensor")("flow"),
    expected=lambda _: family("flow_sensor")("commanded"),
)
MOTOR_FLOW: Final = Measure("Motor flow, last sample", "µL/h", last("motor_ul_h"), expected=last("commanded_ul_h"))

RULES: Final = (
    Rule(
        name="flow_sensor_stuck",
        title="Flow sensor stuck",
        priority="low",
        detector=frozen(tau_s=90 * MINUTE),
        on_delay_s=30 * MINUTE,
        off_delay_s=HOUR,
        identifies=("sensor_stuck",),
        detection_target_h=3.0,
        meaning="The flow sensor repeats itself. What it says is not what flows.",
        action=GO_BY_OTHERS,
        time_to_respond="days, if the other signals are calm",
        rationale="No harm by itself, but it blinds us to under-delivery.",
        evidence=(
            Measure("Readings that repeat the one before", "%", kept("repeats", 100.0), limit=100.0 * SHARE),
            AVERAGE,
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN),
        over_s=90 * MINUTE,
        explains=FLOW,
    ),
    Rule(
        name="flow_sensor_noisy",
        title="Flow sensor noisy",
        priority="low",
        detector=flow_sensor("noise"),
        on_delay_s=20 * MINUTE,
        off_delay_s=HOUR,
        identifies=("sensor_noise",),
        detects=("sensor_unit_slip",),
        detection_target_h=3.0,
        meaning="The flow sensor's readings scatter far more than they used to, around the commanded flow.",
        action=GO_BY_OTHERS,
        time_to_respond="days, if the other signals are calm",
        rationale="In the noise a loss of delivery is seen late.",
        evidence=(
            Measure(
                "Scatter, in units of a good sensor's",
                "",
                kept("restless"),
                expected=kept("jump_usual"),
                limit=lambda memory: TIMES * memory("jump_usual").clip(MIN_JUMP),
            ),
            AVERAGE,
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, UNIT_RIGHT),
        over_s=QUICK_S,
        learns_h=2.0,
        explains=FLOW,
    ),
    Rule(
        name="flow_sensor_unit",
        title="Flow given in another unit",
        priority="low",
        detector=flow_sensor("unit slip"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        identifies=("sensor_unit_slip",),
        detects=("sensor_bias", "sensor_noise"),
        detection_target_h=3.0,
        meaning="Some or all flow readings are many times what any rotor delivers, as if of a day instead of an hour.",
        action=GO_BY_OTHERS,
        time_to_respond="days, if the other signals are calm",
        rationale="Confusing mL/h and mL/day is a classic slip; believed, it reads as a massive overdose.",
        evidence=(
            Measure(
                "Measured flow over 40 min",
                "µL/h",
                kept("flow"),
                expected=kept("commanded"),
                limit=lambda memory: IMPOSSIBLE * memory("commanded"),
            ),
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, LEVEL_CALM),
        over_s=QUICK_S,
        explains=("flow_sensor_noisy", *FLOW),
    ),
    Rule(
        name="flow_sensor_off",
        title="Flow sensor reads wrong",
        priority="low",
        detector=volume("flow sensor"),
        on_delay_s=HOUR,
        off_delay_s=6 * HOUR,
        identifies=("sensor_bias",),
        detects=("over_infusion", "sensor_noise", "sensor_stuck", "sensor_unit_slip", "under_infusion"),
        detection_target_h=72.0,
        meaning="Measured flow differs from the program, and the reservoir falls as the program says.",
        action=GO_BY_OTHERS,
        time_to_respond="days, if the other signals are calm",
        rationale="Two of three witnesses agree; the third misleads.",
        evidence=(
            AVERAGE,
            Measure("More than commanded, by the flow", "µL", vote.by_flow_ul, expected=0.0),
            Measure("More than commanded, by the reservoir", "µL", vote.by_level_ul, expected=0.0),
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, SENSOR_LIVE, LEVEL_CALM),
        over_s=vote.SLOW_S,
        learns_h=24.0,
        explains=("over_infusion", "under_delivery", "delivery_shift"),
    ),
)
