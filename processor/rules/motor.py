"""Motor rules: stalls, an undriven motor, electrical resets and feedthrough shorts."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.detectors import Memory
from processor.detectors.flag import flagged
from processor.detectors.motor import (
    EPISODES,
    ERRATIC_MA,
    MRI_TAIL_S,
    QUICK_S,
    SHORTFALL,
    STANDS,
    STRAINED_MA,
    motor,
    strained,
)
from processor.rules.battery import END_V
from processor.rules.exclusions import CATHETER_OPEN, NOT_EMPTY, SAMPLES_ARRIVE
from processor.rules.measures import Exclusion, Measure, kept, last, reported_min
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

LESS_FLOW: Final = ("under_delivery", "delivery_shift", "flow_sensor_stuck", "flow_sensor_off")
FATAL: Final = "Abrupt withdrawal can be fatal within days; the effect fades with a half-life of 1 to 5 h."
BASELINE_H: Final = 6.0
"""Hours needed to learn the baseline of a motor's current."""


def above_baseline(memory: Memory) -> pl.Expr:
    """Return by how much the motor's current is above its baseline; a current below it is not above it at all."""
    return memory("strain_ma").clip(0.0)


ROTOR_TURNS: Final = Measure(
    "Rotor turns vs. commanded",
    "%",
    lambda memory: 100.0 * (1.0 - memory("short")),
    expected=100.0,
    limit=100.0 * (1.0 - SHORTFALL),
)
MOTOR_FLOW: Final = Measure("Latest motor flow", "µL/h", last("motor_ul_h"), expected=last("commanded_ul_h"))
MEASURED: Final = Measure("Latest measured flow", "µL/h", last("flow_ul_h"), expected=last("commanded_ul_h"))
STRAIN: Final = Measure("Motor current above baseline", "mA", above_baseline, expected=0.0, limit=STRAINED_MA)
REPORTED_STALL: Final = Measure(
    "Stall reported by the pump", "% of time", kept("stalled", 100.0), expected=0.0, limit=100.0 * STANDS
)
NO_STRAIN: Final = Exclusion(
    "Motor stall",
    "current is not above baseline",
    "mA above baseline",
    above_baseline,
    lambda memory: ~strained(memory),
    STRAINED_MA,
)
DRIVEN: Final = Exclusion(
    "Motor not driven",
    "current is above baseline",
    "mA above baseline",
    above_baseline,
    lambda memory: memory("strain_ma") >= STRAINED_MA,
    STRAINED_MA,
)
STALL_REPORTED: Final = Exclusion(
    "Motor not driven",
    "the pump reports a stall",
    "% of time",
    kept("stalled", 100.0),
    lambda memory: memory("stalled") >= STANDS,
    100.0 * STANDS,
)
NO_FIELD: Final = Exclusion(
    "Motor not restarted after MRI",
    f"no magnetic field reported in the last {MRI_TAIL_S / HOUR:.0f} h",
    "",
    None,
    lambda memory: memory("since_mri_s") >= MRI_TAIL_S,
)

RULES: Final = (
    Rule(
        name="motor_stall",
        title="Motor stall",
        priority="high",
        mdc="MDC_EVT_MALF",
        detector=motor("stall"),
        on_delay_s=13 * MINUTE,
        off_delay_s=HOUR,
        identifies=("motor_stall",),
        detects=("electrical_reset", "feedthrough_short", "intermittent_stall", "mri_stall", "telemetry_mode"),
        detection_target_h=1.0,
        meaning="The motor is driven, but the rotor is blocked or turns too little, so the dose is too low.",
        action="Interrogate the pump and read its event log. Ask about MRI and other magnetic fields. "
        "Prepare oral or intrathecal bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale=FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(ROTOR_TURNS, MOTOR_FLOW, MEASURED, STRAIN, REPORTED_STALL),
        rules_out=(DRIVEN, STALL_REPORTED, CATHETER_OPEN, NOT_EMPTY),
        over_s=QUICK_S,
        learns_h=BASELINE_H,
        explains=(*LESS_FLOW, "battery_falling", "battery_drop"),
    ),
    Rule(
        name="motor_intermittent",
        title="Intermittent motor stall",
        priority="high",
        mdc="MDC_EVT_MALF",
        detector=motor("intermittent"),
        on_delay_s=0.0,
        off_delay_s=6 * HOUR,
        identifies=("intermittent_stall",),
        detects=("feedthrough_short", "motor_stall"),
        detection_target_h=6.0,
        meaning="The motor has stalled at least twice within a day and recovered. The next stall may be permanent.",
        action="Interrogate the pump and read its event log. Plan pump replacement. Keep oral bridging at hand.",
        time_to_respond="hours: the next stall may be permanent",
        rationale="Three stalls in three days preceded a pump failure (case report, corroded gearbox)."
        " A restart is no all-clear: latched until a person has read the log.",
        latch=True,
        evidence=(
            Measure("Stalls in 24 h (time-weighted)", "", kept("episodes"), expected=0.0, limit=EPISODES),
            ROTOR_TURNS,
            MOTOR_FLOW,
            REPORTED_STALL,
        ),
        rules_out=(NO_FIELD, CATHETER_OPEN, NOT_EMPTY),
        over_s=24 * HOUR,
        explains=("motor_stall", *LESS_FLOW, "battery_drop"),
    ),
    Rule(
        name="motor_not_driven",
        title="Motor not driven",
        priority="high",
        mdc="MDC_EVT_MALF",
        detector=motor("not driven"),
        on_delay_s=13 * MINUTE,
        off_delay_s=HOUR,
        identifies=("telemetry_mode",),
        detects=("battery_depletion", "electrical_reset", "motor_stall", "mri_stall"),
        detection_target_h=1.0,
        meaning="The pump is online and reports no stall, but its motor is driven less than the program requires.",
        action="Interrogate the pump; this also ends telemetry mode, in which it does not infuse. "
        "Prepare oral or intrathecal bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="After interference, a pump stuck in telemetry mode does not infuse until interrogated. " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(ROTOR_TURNS, MOTOR_FLOW, MEASURED, STRAIN, REPORTED_STALL),
        rules_out=(NO_STRAIN, NO_FIELD, CATHETER_OPEN, NOT_EMPTY),
        over_s=QUICK_S,
        learns_h=BASELINE_H,
        explains=LESS_FLOW,
    ),
    Rule(
        name="motor_after_mri",
        title="Motor not restarted after MRI",
        priority="high",
        mdc="MDC_EVT_MALF",
        detector=motor("after MRI"),
        on_delay_s=25 * MINUTE,
        off_delay_s=HOUR,
        identifies=("mri_stall",),
        detection_target_h=2.5,
        meaning="The pump has been in a magnetic field within the last day, and its motor has not restarted since.",
        action="Interrogate the pump now and again after 20 minutes. Prepare oral or intrathecal bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="After some scans, proper infusion took 2 to 24 h to resume (manufacturer's MRI guidance). " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(
            ROTOR_TURNS,
            MOTOR_FLOW,
            Measure("Time since magnetic field", "h", kept("since_mri_s", 1 / HOUR), limit=MRI_TAIL_S / HOUR),
            STRAIN,
        ),
        rules_out=(NO_STRAIN, NOT_EMPTY),
        over_s=QUICK_S,
        explains=LESS_FLOW,
    ),
    Rule(
        name="pump_reset",
        title="Pump reset to minimum rate",
        priority="high",
        detector=flagged("reset"),
        on_delay_s=0.0,
        off_delay_s=2 * HOUR,
        identifies=("electrical_reset",),
        detects=("battery_drop", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The pump reports an electrical reset. It runs at minimum rate, and its program is lost.",
        action="Interrogate the pump, check battery voltage and reprogram it. Prepare oral or intrathecal bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="At minimum rate the patient receives almost no drug. "
        + FATAL
        + " Latched until a person confirms that the program is restored.",
        latch=True,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(
            Measure("Commanded flow", "µL/h", last("commanded_ul_h")),
            Measure("Battery voltage", "V", last("battery_v"), limit=END_V),
            Measure("Reported by the pump for", "min", reported_min("pump_reset")),
        ),
        explains=("motor_stall", "motor_intermittent", "motor_not_driven", *LESS_FLOW, "clock_ahead"),
    ),
    Rule(
        name="feedthrough_short",
        title="Erratic motor current",
        priority="high",
        mdc="MDC_EVT_MALF",
        detector=motor("erratic"),
        on_delay_s=5 * MINUTE,
        off_delay_s=2 * HOUR,
        identifies=("feedthrough_short",),
        detection_target_h=1.0,
        meaning="Current bypasses the motor and fluctuates constantly: probably moisture in the feedthrough.",
        action="Expect stalls and resets. Plan urgent pump replacement. Prepare oral or intrathecal bridging.",
        time_to_respond="hours: the pump may stop at any time",
        rationale="380 events in 181,400 implants ended in a stall or low-battery reset (manufacturer's notice, 2013).",
        evidence=(
            Measure("Sample-to-sample change of motor current", "mA", kept("erratic_ma"), limit=ERRATIC_MA),
            Measure("Latest motor current", "mA", last("motor_ma"), expected=kept("usual_ma")),
        ),
        rules_out=(NO_FIELD, SAMPLES_ARRIVE),
        over_s=15 * MINUTE,
        explains=(
            "motor_stall",
            "motor_intermittent",
            "motor_not_driven",
            "pump_reset",
            "battery_drop",
            "battery_falling",
            *LESS_FLOW,
        ),
    ),
)
