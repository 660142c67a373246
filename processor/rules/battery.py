"""Battery rules: voltage drops, rapid depletion, elective replacement (ERI) and end of service (EOS)."""

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
DEPLETED_V: Final = 3.0
"""A depleted battery has less than this without the motor's load, 2.9 V when the pump reports ERI; modeling choice."""
SAG_V_MA: Final = 0.03
VOLTAGE: Final = Measure("Latest battery voltage", "V", last("battery_v"))

RULES: Final = (
    Rule(
        name="battery_falling",
        title="Rapid battery depletion",
        priority="medium",
        detector=slope(
            "battery_v", load="motor_ma", per_load=SAG_V_MA, falls_per_h=FALLS_V_H, step=0.012, tau_s=2 * HOUR
        ),
        on_delay_s=90 * MINUTE,
        off_delay_s=6 * HOUR,
        identifies=("battery_depletion",),
        detects=("battery_drop", "feedthrough_short"),
        detection_target_h=6.0,
        meaning="The battery is losing within hours what should last for years. The pump will stop.",
        action="Plan urgent pump replacement. Do not rely on the usual 90 days. Prepare oral or intrathecal bridging.",
        time_to_respond="hours; see the trend",
        rationale="A film in the battery stopped pumps long before their time (Class I recall, 2011).",
        evidence=(
            Measure("Battery voltage loss", "mV/h", kept("fall_per_h", 1000.0), expected=0.0, limit=1000.0 * FALLS_V_H),
            VOLTAGE,
        ),
        rules_out=(MOTOR_TURNS,),
        over_s=2 * HOUR,
        learns_h=2.0,
        explains=("battery_drop", "battery_replace", "battery_replace_early"),
    ),
    Rule(
        name="battery_drop",
        title="Battery voltage drop",
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
        meaning="Battery voltage fell suddenly and remains low: a cell has failed or its resistance has risen.",
        action="Interrogate the pump and check the battery. Plan pump replacement; expect a reset.",
        time_to_respond="unknown: a second drop may reset the pump",
        rationale="A sagging battery resets the pump to minimum rate (battery notices, 2009 to 2017).",
        evidence=(
            Measure(
                "Battery voltage corrected for motor load",
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
        title="Elective replacement due (ERI)",
        priority="low",
        mdc="MDC_EVT_BATT_SERV",
        detector=flagged("eri"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "battery_drop"),
        detection_target_h=1.0,
        meaning="The pump reports its elective replacement indicator (ERI). It will run for at most 90 more days.",
        action="Schedule pump replacement. If ERI comes years early, treat it as a failing battery.",
        time_to_respond="90 days; less with a failing battery",
        rationale="The pump stops 90 days after ERI (manufacturer's replacement page).",
        evidence=(VOLTAGE, Measure("Reported by the pump for", "min", reported_min("battery_replace"))),
    ),
    Rule(
        name="battery_replace_early",
        title="Premature replacement indicator (ERI)",
        priority="medium",
        mdc="MDC_EVT_BATT_SERV",
        detector=early("eri", "battery_v", above=DEPLETED_V, load="motor_ma", per_load=SAG_V_MA),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "battery_drop"),
        detection_target_h=1.0,
        meaning="The pump reports ERI, but its battery voltage is too high for a depleted battery.",
        action="Treat it as a failing battery: plan urgent pump replacement and do not rely on the usual 90 days.",
        time_to_respond="unknown; possibly much less than 90 days",
        rationale="Pumps with a film in the battery reported ERI years early; 90 days were not certain (2009 to 2017).",
        evidence=(
            Measure(
                "Battery voltage corrected for motor load",
                "V",
                lambda _: pl.col("battery_v") + SAG_V_MA * pl.col("motor_ma"),
                limit=DEPLETED_V,
            ),
            Measure("Reported by the pump for", "min", reported_min("battery_replace_early")),
        ),
        explains=("battery_replace",),
    ),
    Rule(
        name="battery_end",
        title="Battery depleted",
        priority="high",
        mdc="MDC_EVT_BATT_DEPL",
        detector=limit("battery_v", below=END_V, span=0.2),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "battery_drop", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The battery can barely turn the motor. Delivery is stopping or has stopped.",
        action="Replace the pump now. Bridge orally until then.",
        time_to_respond="about 5 h until under-dosed once it stops",
        rationale="The pump stops when the voltage can no longer turn the rotor.",
        evidence=(Measure("Latest battery voltage", "V", last("battery_v"), limit=END_V),),
        explains=(*STOPS, *LESS),
    ),
    Rule(
        name="end_of_service",
        title="End of service",
        priority="high",
        detector=flagged("eos"),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        detects=("battery_depletion", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The pump reports end of service (EOS). It no longer delivers drug.",
        action="Replace the pump now. Bridge orally until then.",
        time_to_respond="about 5 h until under-dosed",
        rationale="At end of service the motor is switched off permanently.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(VOLTAGE, Measure("Reported by the pump for", "min", reported_min("end_of_service"))),
        explains=("battery_end", *STOPS, *LESS),
    ),
)
