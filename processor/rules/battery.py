"""Alarms of the battery."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.detectors.drift import drift
from processor.detectors.flag import early, flagged
from processor.detectors.limit import limit
from processor.detectors.slope import slope
from processor.rules.exclusions import MOTOR_TURNS
from processor.rules.measures import Measure, kept, last, reported_min
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

STOPS: Final = (
    "battery_falling",
    "battery_drop",
    "battery_replace",
    "battery_replace_early",
    "motor_stall",
    "motor_not_driven",
)
LESS: Final = ("under_delivery", "delivery_shift", "flow_sensor_off")
FALLS_V_H: Final = 0.0075
DROP_V: Final = 0.06
END_V: Final = 2.75
WORN_OUT_V: Final = 3.0
"""Without the motor's load a battery that is used up has less, 2.9 V where the pump asks; modelling choice."""
SAG_V_MA: Final = 0.03
VOLTAGE: Final = Measure("Battery voltage, last sample", "V", last("battery_v"))

RULES: Final = (
    Rule(
        name="battery_falling",
        title="Battery falls fast",
        priority="medium",
        detector=slope(
            "battery_v", load="motor_ma", per_load=SAG_V_MA, falls_per_h=FALLS_V_H, step=0.012, tau_s=2 * HOUR
        ),
        on_delay_s=90 * MINUTE,
        off_delay_s=6 * HOUR,
        identifies=("battery_depletion",),
        detects=("battery_drop", "feedthrough_short"),
        detection_target_h=6.0,
        meaning="The battery loses within hours what should last for years. The pump will stop.",
        action="Plan an urgent replacement. Do not rely on the usual 90 days. Prepare oral bridging.",
        time_to_respond="hours; see the trend",
        rationale="A film in the battery made pumps stop long before their time (Class I recall, 2011).",
        evidence=(
            Measure("The battery loses", "mV/h", kept("fall_per_h", 1000.0), expected=0.0, limit=1000.0 * FALLS_V_H),
            VOLTAGE,
        ),
        rules_out=(MOTOR_TURNS,),
        over_s=2 * HOUR,
        learns_h=2.0,
        explains=("battery_drop", "battery_replace", "battery_replace_early"),
    ),
    Rule(
        name="battery_drop",
        title="Battery voltage dropped",
        priority="medium",
        detector=drift(
            "battery_v",
            load="motor_ma",
            per_load=SAG_V_MA,
            by=DROP_V,
            direction="down",
            fast_s=10 * MINUTE,
            slow_s=24 * HOUR,
            warm_up_s=30 * MINUTE,
        ),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("battery_drop",),
        detects=("battery_depletion", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The battery's voltage fell at once and stays lower: a cell or its resistance has failed.",
        action="Interrogate the pump and read the battery. Plan a replacement; beware of a reset.",
        time_to_respond="unknown: a second drop may reset the pump",
        rationale="A sagging battery resets the pump to its minimum rate (battery notices 2009 to 2017).",
        evidence=(
            Measure(
                "Battery voltage without the motor's load",
                "V",
                kept("fast"),
                expected=kept("slow"),
                limit=lambda memory: memory("slow") - DROP_V,
            ),
            VOLTAGE,
        ),
        rules_out=(MOTOR_TURNS,),
        over_s=10 * MINUTE,
        learns_h=2.0,
    ),
    Rule(
        name="battery_replace",
        title="Replacement due",
        priority="low",
        detector=flagged("eri"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "battery_drop"),
        detection_target_h=1.0,
        meaning="The pump asks for its replacement (ERI). It works on for at most 90 days.",
        action="Plan the replacement. If it asks years too early, treat it as a failing battery.",
        time_to_respond="90 days, less with a failing battery",
        rationale="The pump stops 90 days after it first asks (maker's replacement page).",
        evidence=(VOLTAGE, Measure("Reported by the pump for", "min", reported_min("battery_replace"))),
    ),
    Rule(
        name="battery_replace_early",
        title="Asks for replacement too early",
        priority="medium",
        detector=early("eri", "battery_v", above=WORN_OUT_V, load="motor_ma", per_load=SAG_V_MA),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "battery_drop"),
        detection_target_h=1.0,
        meaning="The pump asks for its replacement (ERI), but its battery's voltage is not that of one used up.",
        action="Treat it as a failing battery: plan an urgent replacement and do not rely on the usual 90 days.",
        time_to_respond="unknown; perhaps much less than 90 days",
        rationale="With a film in the battery pumps asked years too early; 90 days were not certain (2009 to 2017).",
        evidence=(
            Measure(
                "Battery voltage without the motor's load",
                "V",
                lambda _: pl.col("battery_v") + SAG_V_MA * pl.col("motor_ma"),
                limit=WORN_OUT_V,
            ),
            Measure("Reported by the pump for", "min", reported_min("battery_replace_early")),
        ),
        explains=("battery_replace",),
    ),
    Rule(
        name="battery_end",
        title="Battery at its end",
        priority="high",
        detector=limit("battery_v", below=END_V, span=0.2),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "battery_drop", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The battery can hardly turn the motor any more. Delivery stops or has stopped.",
        action="Replace the pump now. Bridge by mouth until then.",
        time_to_respond="about 5 h until under-dosed once it stops",
        rationale="The pump stops when the voltage no longer turns the rotor.",
        evidence=(Measure("Battery voltage, last sample", "V", last("battery_v"), limit=END_V),),
        explains=(*STOPS, *LESS),
    ),
    Rule(
        name="end_of_service",
        title="Pump has ended its service",
        priority="high",
        detector=flagged("eos"),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The pump reports the end of its service (EOS): it delivers nothing any more.",
        action="Replace the pump now. Bridge by mouth until then.",
        time_to_respond="about 5 h until under-dosed",
        rationale="At the end of service the motor is switched off for good.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(VOLTAGE, Measure("Reported by the pump for", "min", reported_min("end_of_service"))),
        explains=("battery_end", *STOPS, *LESS),
    ),
)
