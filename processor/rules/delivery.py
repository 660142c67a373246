"""Alarms of too little and too much."""

from __future__ import annotations

from typing import Final

from processor.detectors import volume as vote
from processor.detectors.limit import limit
from processor.detectors.program import program
from processor.detectors.residual import residual
from processor.detectors.shift import shift
from processor.detectors.volume import volume
from processor.rules.exclusions import (
    CATHETER_OPEN,
    LEVEL_AGREES,
    LEVEL_CALM,
    MOTOR_TURNS,
    NOT_EMPTY,
    SENSOR_LIVE,
    UNIT_RIGHT,
)
from processor.rules.measures import Measure, family, kept, last
from processor.rules.rule import HOUR, MINUTE, Rule

TOO_LITTLE: Final = 0.25
MIN_UL_H: Final = 0.5
LESS_BY: Final = 0.08
REACH_H: Final = 5.25
PAUSED_UL_H: Final = 0.27

DELIVERED: Final = Measure(
    "Delivered",
    "µL/h",
    lambda memory: memory("expected") + memory("difference"),
    expected=kept("expected"),
    limit=lambda memory: memory("expected") - (TOO_LITTLE * memory("expected")).clip(MIN_UL_H),
)
OUTFLOW: Final = Measure(
    "Delivered over 40 min",
    "µL/h",
    lambda _: family("flow_sensor")("flow"),
    expected=lambda _: family("flow_sensor")("commanded"),
)
MOTOR_FLOW: Final = Measure("Motor flow, last sample", "µL/h", last("motor_ul_h"), expected=last("commanded_ul_h"))

UNDER_DELIVERY_CAUSES: Final = (
    "battery_depletion",
    "catheter_kink",
    "catheter_occlusion",
    "catheter_tip_mass",
    "electrical_reset",
    "feedthrough_short",
    "intermittent_stall",
    "motor_stall",
    "mri_stall",
    "running_empty",
    "sensor_noise",
    "sensor_stuck",
    "telemetry_mode",
)
"""Faults that reduce delivery, and that another rule identifies."""

RULES: Final = (
    Rule(
        name="under_delivery",
        title="Too little delivered",
        priority="high",
        detector=residual(
            "flow_ul_h", "commanded_ul_h", direction="below", share=TOO_LITTLE, floor=MIN_UL_H, tau_s=20 * MINUTE
        ),
        on_delay_s=15 * MINUTE,
        off_delay_s=15 * MINUTE,
        identifies=("under_infusion",),
        detects=UNDER_DELIVERY_CAUSES,
        detection_target_h=2.0,
        meaning="The flow at the outlet has been at least a quarter below the program.",
        action="Interrogate the pump. Compare the reservoir with what it should hold. Prepare oral bridging.",
        time_to_respond="about 8 h until under-dosed",
        rationale="Less drug than prescribed is withdrawal in slow motion, whatever the cause.",
        harm_after_h=8.0,
        evidence=(DELIVERED, MOTOR_FLOW),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, NOT_EMPTY, SENSOR_LIVE),
        over_s=20 * MINUTE,
        explains=("delivery_shift",),
    ),
    Rule(
        name="delivery_shift",
        title="Delivery drifts low",
        priority="medium",
        detector=shift("flow_ul_h", "commanded_ul_h", direction="below", slack=LESS_BY, floor=1.0, reach_h=REACH_H),
        on_delay_s=10 * MINUTE,
        off_delay_s=10 * MINUTE,
        identifies=("under_infusion",),
        detects=UNDER_DELIVERY_CAUSES,
        detection_target_h=24.0,
        meaning="For hours a little less has been delivered than the program asks.",
        action="Look at the trend. Compare the volume at the next refill with what was expected.",
        time_to_respond="a day or more",
        rationale="A small lasting loss matters within days and is the first sign of a slow obstruction or tube wear.",
        evidence=(
            OUTFLOW,
            Measure(
                "Missing beyond 8 %, added up, in hours of the commanded flow",
                "h",
                kept("sum_h"),
                expected=0.0,
                limit=LESS_BY * REACH_H,
            ),
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, NOT_EMPTY, SENSOR_LIVE),
        over_s=REACH_H * HOUR,
    ),
    Rule(
        name="over_infusion",
        title="Too much delivered",
        priority="high",
        detector=volume("over-infusion"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("over_infusion",),
        detects=("sensor_bias", "sensor_noise", "sensor_stuck", "sensor_unit_slip"),
        detection_target_h=24.0,
        meaning="More flows than the program asks, and the reservoir does not deny it.",
        action="Look for drowsiness and weak breathing. Compare the measured with the computed volume. Lower the rate.",
        time_to_respond="hours: the surplus adds up",
        rationale="More than 14.5 % above the program is a recalled failure with two deaths (2014, 2016).",
        evidence=(
            OUTFLOW,
            Measure("More than commanded, by the flow", "µL", vote.by_flow_ul, 0.0, vote.EVIDENCE_UL),
            Measure("More than commanded, by the reservoir", "µL", vote.by_level_ul, expected=0.0),
            Measure(
                "Surplus beyond 8 %, added up, in hours of the commanded flow",
                "h",
                kept("over_h"),
                expected=0.0,
                limit=vote.SLACK * vote.REACH_H,
            ),
        ),
        rules_out=(LEVEL_AGREES, LEVEL_CALM, UNIT_RIGHT, SENSOR_LIVE),
        over_s=vote.REACH_H * HOUR,
        learns_h=6.0,
        explains=("volume_imbalance",),
    ),
    Rule(
        name="program_changed",
        title="Program changed without a command",
        priority="high",
        detector=program(),
        on_delay_s=0.0,
        off_delay_s=10 * MINUTE,
        identifies=("program_corrupted",),
        detection_target_h=1.0,
        meaning="The pump runs another program than before, and no programmer wrote it: its memory may have failed.",
        action="Interrogate the pump, compare its program with the prescription, program it anew. Watch the patient.",
        time_to_respond="hours, if the dose is far off",
        rationale="A wrong program ended in organ failure (case report). Every other rule trusts the commanded flow."
        " It stays until a person has compared the programs.",
        latch=True,
        evidence=(
            Measure("Commanded flow, last sample", "µL/h", last("commanded_ul_h")),
            Measure("Commanded flow over 40 min", "µL/h", lambda _: family("flow_sensor")("commanded")),
            Measure("Number of the program", "", last("program")),
        ),
        rules_out=(MOTOR_TURNS,),
        explains=("therapy_paused",),
    ),
    Rule(
        name="therapy_paused",
        title="Pump at minimum rate or stopped",
        priority="medium",
        detector=limit("commanded_ul_h", below=PAUSED_UL_H, span=0.2),
        on_delay_s=HOUR,
        off_delay_s=10 * MINUTE,
        detection_target_h=2.0,
        meaning="The program itself asks for almost no flow.",
        action="Find out who stopped the pump and why. After two days stopped, beware of over-infusion at the restart.",
        time_to_respond="about 5 h until under-dosed, if not bridged",
        rationale="A pump stopped by mistake ended in organ failure (case report).",
        evidence=(
            Measure("Commanded flow", "µL/h", last("commanded_ul_h"), limit=PAUSED_UL_H),
            Measure("Measured flow", "µL/h", last("flow_ul_h")),
        ),
        rules_out=(MOTOR_TURNS,),
    ),
)
