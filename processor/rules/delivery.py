"""Delivery rules: under-delivery, over-infusion and program errors."""

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
    MOTOR_TURNS,
    NO_RAPID_LOSS,
    NOT_EMPTY,
    SENSOR_LIVE,
    UNIT_PLAUSIBLE,
)
from processor.rules.measures import Measure, family, kept, last
from processor.rules.rule import HOUR, MINUTE, Rule

UNDER_DELIVERY_SHARE: Final = 0.25
"""Missing share of the commanded flow at the limit; modeling choice."""
MIN_UL_H: Final = 0.5
SLACK: Final = 0.08
REACH_H: Final = 5.25
PAUSED_UL_H: Final = 0.27

DELIVERED: Final = Measure(
    "20-min mean flow",
    "µL/h",
    lambda memory: memory("expected") + memory("difference"),
    expected=kept("expected"),
    limit=lambda memory: memory("expected") - (UNDER_DELIVERY_SHARE * memory("expected")).clip(MIN_UL_H),
)
OUTFLOW: Final = Measure(
    "40-min mean flow",
    "µL/h",
    lambda _: family("flow_sensor")("flow"),
    expected=lambda _: family("flow_sensor")("commanded"),
)
MOTOR_FLOW: Final = Measure("Latest motor flow", "µL/h", last("motor_ul_h"), expected=last("commanded_ul_h"))

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
        title="Under-delivery",
        priority="high",
        mdc="MDC_EVT_FLOW_LO",
        detector=residual(
            "flow_ul_h",
            "commanded_ul_h",
            direction="below",
            share=UNDER_DELIVERY_SHARE,
            floor=MIN_UL_H,
            tau_s=20 * MINUTE,
        ),
        on_delay_s=15 * MINUTE,
        off_delay_s=15 * MINUTE,
        identifies=("under_infusion",),
        detects=UNDER_DELIVERY_CAUSES,
        detection_target_h=2.0,
        meaning="Measured flow is at least a quarter below the programmed rate.",
        action="Interrogate the pump. Compare measured with expected reservoir volume. "
        "Prepare oral or intrathecal bridging.",
        time_to_respond="about 8 h until under-dosed",
        rationale="Less drug than prescribed leads to withdrawal, whatever the cause.",
        harm_after_h=8.0,
        evidence=(DELIVERED, MOTOR_FLOW),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, NOT_EMPTY, SENSOR_LIVE),
        over_s=20 * MINUTE,
        explains=("delivery_shift",),
    ),
    Rule(
        name="delivery_shift",
        title="Delivery drifting low",
        priority="medium",
        mdc="MDC_EVT_FLOW_LO",
        detector=shift("flow_ul_h", "commanded_ul_h", direction="below", slack=SLACK, floor=1.0, reach_h=REACH_H),
        on_delay_s=10 * MINUTE,
        off_delay_s=10 * MINUTE,
        identifies=("under_infusion",),
        detects=UNDER_DELIVERY_CAUSES,
        detection_target_h=24.0,
        meaning="Delivery has been slightly below the programmed rate for hours.",
        action="Review the trend. Compare measured with expected volume at the next refill.",
        time_to_respond="a day or more",
        rationale="A small lasting deficit matters within days and is the first sign of obstruction or tubing wear.",
        evidence=(
            OUTFLOW,
            Measure(
                "Cumulative deficit beyond 8 %, as hours of commanded flow",
                "h",
                kept("sum_h"),
                expected=0.0,
                limit=SLACK * REACH_H,
            ),
            MOTOR_FLOW,
        ),
        rules_out=(MOTOR_TURNS, CATHETER_OPEN, NOT_EMPTY, SENSOR_LIVE),
        over_s=REACH_H * HOUR,
    ),
    Rule(
        name="over_infusion",
        title="Over-infusion",
        priority="high",
        mdc="MDC_EVT_HI",
        detector=volume("over-infusion"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("over_infusion",),
        detects=("sensor_bias", "sensor_noise", "sensor_stuck", "sensor_unit_slip"),
        detection_target_h=24.0,
        meaning="Measured flow exceeds the program, and the reservoir does not contradict it.",
        action="Check for drowsiness and respiratory depression. Compare measured with computed reservoir volume. "
        "Lower the rate.",
        time_to_respond="hours: the excess accumulates",
        rationale="Over-infusion by more than 14.5 % is a recalled failure with two deaths (2014, 2016).",
        evidence=(
            OUTFLOW,
            Measure("Excess over commanded, by flow", "µL", vote.by_flow_ul, 0.0, vote.EVIDENCE_UL),
            Measure("Excess over commanded, by reservoir", "µL", vote.by_level_ul, expected=0.0),
            Measure(
                "Cumulative excess beyond 8 %, as hours of commanded flow",
                "h",
                kept("over_h"),
                expected=0.0,
                limit=vote.SLACK * vote.REACH_H,
            ),
        ),
        rules_out=(LEVEL_AGREES, NO_RAPID_LOSS, UNIT_PLAUSIBLE, SENSOR_LIVE),
        over_s=vote.REACH_H * HOUR,
        learns_h=6.0,
        explains=("volume_imbalance",),
    ),
    Rule(
        name="program_changed",
        title="Unexpected program change",
        priority="high",
        detector=program(),
        on_delay_s=0.0,
        off_delay_s=10 * MINUTE,
        identifies=("program_corrupted",),
        detection_target_h=1.0,
        meaning="The pump runs a different program, but no programmer session was recorded: suspect a memory fault.",
        action="Interrogate the pump, compare its program with the prescription and reprogram it. Monitor the patient.",
        time_to_respond="hours, if the dose is far off",
        rationale="A wrong program ended in organ failure (case report). All other rules rely on the commanded flow."
        " Latched until a person has compared the programs.",
        latch=True,
        evidence=(
            Measure("Latest commanded flow", "µL/h", last("commanded_ul_h")),
            Measure("40-min mean commanded flow", "µL/h", lambda _: family("flow_sensor")("commanded")),
            Measure("Program number", "", last("program")),
        ),
        rules_out=(MOTOR_TURNS,),
        explains=("therapy_paused",),
    ),
    Rule(
        name="therapy_paused",
        title="Pump stopped or at minimum rate",
        priority="medium",
        detector=limit("commanded_ul_h", below=PAUSED_UL_H, span=0.2),
        on_delay_s=HOUR,
        off_delay_s=10 * MINUTE,
        detection_target_h=2.0,
        meaning="The pump is programmed to deliver almost no drug.",
        action="Find out who stopped the pump and why. After two days stopped, beware of over-infusion on restart.",
        time_to_respond="about 5 h until under-dosed, unless bridged",
        rationale="A pump stopped by mistake ended in organ failure (case report).",
        evidence=(
            Measure("Commanded flow", "µL/h", last("commanded_ul_h"), limit=PAUSED_UL_H),
            Measure("Measured flow", "µL/h", last("flow_ul_h")),
        ),
        rules_out=(MOTOR_TURNS,),
    ),
)
