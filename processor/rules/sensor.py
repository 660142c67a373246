"""Flow sensor rules: no direct harm, but a faulty sensor hides delivery faults."""

from __future__ import annotations

from typing import Final

from processor.detectors import volume as vote
from processor.detectors.flow_sensor import IMPOSSIBLE, MIN_JUMP, QUICK_S, TIMES, flow_sensor
from processor.detectors.frozen import SHARE, frozen
from processor.detectors.volume import volume
from processor.rules.exclusions import CATHETER_OPEN, MOTOR_TURNS, NO_RAPID_LOSS, SENSOR_LIVE, UNIT_PLAUSIBLE
from processor.rules.measures import Measure, family, kept, last
from processor.rules.rule import HOUR, MINUTE, Rule

FLOW: Final = ("under_delivery", "delivery_shift", "over_infusion", "flow_sensor_off")
DISTRUST_FLOW: Final = (
    "Do not rely on measured flow; use motor flow, pressure and reservoir volume. Have the sensor checked."
)

AVERAGE: Final = Measure(
    "40-min mean flow",
    "µL/h",
    lambda _: family("flow_sensor")("flow"),
    expected=lambda _: family("flow_sensor")("commanded"),
)
MOTOR_FLOW: Final = Measure("Latest motor flow", "µL/h", last("motor_ul_h"), expected=last("commanded_ul_h"))

RULES: Final = (
    Rule(
        name="flow_sensor_stuck",
        title="Flow sensor frozen",
        priority="low",
        mdc="MDC_EVT_MALF",
        detector=frozen(tau_s=90 * MINUTE),
        on_delay_s=30 * MINUTE,
        off_delay_s=HOUR,
        identifies=("sensor_stuck",),
        detection_target_h=3.0,
        meaning="The flow sensor repeats the same reading. It no longer shows the actual flow.",
        action=DISTRUST_FLOW,
        time_to_respond="days, if the other signals are normal",
        rationale="No direct harm, but under-delivery would go unnoticed.",
        evidence=(
            Measure("Readings identical to the previous one", "%", kept("repeats", 100.0), limit=100.0 * SHARE),
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
        mdc="MDC_EVT_ERRATIC",
        detector=flow_sensor("noise"),
        on_delay_s=20 * MINUTE,
        off_delay_s=HOUR,
        identifies=("sensor_noise",),
        detects=("sensor_unit_slip",),
        detection_target_h=3.0,
        meaning="Flow readings scatter around the commanded flow far more than this sensor's baseline.",
        action=DISTRUST_FLOW,
        time_to_respond="days, if the other signals are normal",
        rationale="Noise delays the detection of under-delivery.",
        evidence=(
            Measure(
                "Scatter relative to a healthy sensor",
                "",
                kept("restless"),
                expected=kept("jump_usual"),
                limit=lambda memory: TIMES * memory("jump_usual").clip(MIN_JUMP),
            ),
            AVERAGE,
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, UNIT_PLAUSIBLE),
        over_s=QUICK_S,
        learns_h=2.0,
        explains=FLOW,
    ),
    Rule(
        name="flow_sensor_unit",
        title="Flow sensor unit error",
        priority="low",
        mdc="MDC_EVT_MALF",
        detector=flow_sensor("unit slip"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        identifies=("sensor_unit_slip",),
        detects=("sensor_bias", "sensor_noise"),
        detection_target_h=3.0,
        meaning="Some or all flow readings are many times what a rotor can deliver, as if per day, not per hour.",
        action=DISTRUST_FLOW,
        time_to_respond="days, if the other signals are normal",
        rationale="Confusing mL/h with mL/day is a classic error; taken at face value, it shows a massive overdose.",
        evidence=(
            Measure(
                "40-min mean flow",
                "µL/h",
                kept("flow"),
                expected=kept("commanded"),
                limit=lambda memory: IMPOSSIBLE * memory("commanded"),
            ),
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, NO_RAPID_LOSS),
        over_s=QUICK_S,
        explains=("flow_sensor_noisy", *FLOW),
    ),
    Rule(
        name="flow_sensor_off",
        title="Flow sensor inaccurate",
        priority="low",
        mdc="MDC_EVT_MALF",
        detector=volume("flow sensor"),
        on_delay_s=HOUR,
        off_delay_s=6 * HOUR,
        identifies=("sensor_bias",),
        detects=("over_infusion", "sensor_noise", "sensor_stuck", "sensor_unit_slip", "under_infusion"),
        detection_target_h=72.0,
        meaning="Measured flow differs from the program, but the reservoir falls as programmed.",
        action=DISTRUST_FLOW,
        time_to_respond="days, if the other signals are normal",
        rationale="Program and reservoir agree, so the flow sensor is wrong and misleading.",
        evidence=(
            AVERAGE,
            Measure("Excess over commanded, by flow", "µL", vote.by_flow_ul, expected=0.0),
            Measure("Excess over commanded, by reservoir", "µL", vote.by_level_ul, expected=0.0),
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, SENSOR_LIVE, NO_RAPID_LOSS),
        over_s=vote.SLOW_S,
        learns_h=24.0,
        explains=("over_infusion", "under_delivery", "delivery_shift"),
    ),
)
