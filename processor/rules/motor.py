"""Alarms of the motor and the electronics that drive it: no turn, no drug."""

from __future__ import annotations

from typing import Final

from processor.detectors.flag import flagged
from processor.detectors.motor import (
    EPISODES,
    ERRATIC_MA,
    MRI_TAIL_S,
    SHORT,
    STANDS,
    STRAINED_MA,
    STRETCH_S,
    motor,
    strained,
)
from processor.rules.battery import END_V
from processor.rules.exclusions import CATHETER_OPEN, LINE_WELL, NOT_EMPTY
from processor.rules.measures import Exclusion, Measure, kept, last, reported_min
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

LESS_FLOW: Final = ("under_delivery", "delivery_shift", "flow_sensor_stuck", "flow_sensor_off")
FATAL: Final = "Abrupt withdrawal can kill within days; effect fades with a half-life of 1 to 5 h."
KNOWN_H: Final = 6.0
"""Hours until what a motor usually draws is known well."""

TURNED: Final = Measure(
    "Turned of what was commanded",
    "%",
    lambda memory: 100.0 * (1.0 - memory("short")),
    expected=100.0,
    limit=100.0 * (1.0 - SHORT),
)
MOTOR_FLOW: Final = Measure("Motor flow, last sample", "µL/h", last("motor_ul_h"), expected=last("commanded_ul_h"))
MEASURED: Final = Measure("Measured flow, last sample", "µL/h", last("flow_ul_h"), expected=last("commanded_ul_h"))
STRAIN: Final = Measure("Motor current above its usual", "mA", kept("strain_ma"), expected=0.0, limit=STRAINED_MA)
SAYS_STALLED: Final = Measure(
    "The pump reported a stall", "% of the time", kept("stalled", 100.0), expected=0.0, limit=100.0 * STANDS
)
NO_STRAIN: Final = Exclusion(
    "Motor stalled",
    "it draws no more than usual",
    "mA above",
    kept("strain_ma"),
    lambda memory: ~strained(memory),
    STRAINED_MA,
)
DRIVEN: Final = Exclusion(
    "Motor is not driven",
    "it draws more than usual",
    "mA above",
    kept("strain_ma"),
    lambda memory: memory("strain_ma") >= STRAINED_MA,
    STRAINED_MA,
)
TRIES: Final = Exclusion(
    "Motor is not driven",
    "the pump reports a stall",
    "% of the time",
    kept("stalled", 100.0),
    lambda memory: memory("stalled") >= STANDS,
    100.0 * STANDS,
)
NO_FIELD: Final = Exclusion(
    "Motor has not restarted after MRI",
    f"no magnetic field within the last {MRI_TAIL_S / HOUR:.0f} h",
    "",
    None,
    lambda memory: memory("since_mri_s") >= MRI_TAIL_S,
)

RULES: Final = (
    Rule(
        name="motor_stall",
        title="Motor stalled",
        priority="high",
        detector=motor("stall"),
        on_delay_s=13 * MINUTE,
        off_delay_s=HOUR,
        identifies=("motor_stall",),
        detects=("electrical_reset", "feedthrough_short", "intermittent_stall", "mri_stall", "telemetry_mode"),
        detection_target_h=1.0,
        meaning="The motor is driven, but the rotor turns less than the program asks, or stands. Drug is missing.",
        action="Interrogate the pump and read its event log. Ask about a magnetic field. Prepare oral bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale=FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(TURNED, MOTOR_FLOW, MEASURED, STRAIN, SAYS_STALLED),
        rules_out=(DRIVEN, TRIES, CATHETER_OPEN, NOT_EMPTY),
        over_s=STRETCH_S,
        learns_h=KNOWN_H,
        explains=(*LESS_FLOW, "battery_falling", "battery_drop"),
    ),
    Rule(
        name="motor_intermittent",
        title="Motor stalls again and again",
        priority="high",
        detector=motor("intermittent"),
        on_delay_s=0.0,
        off_delay_s=6 * HOUR,
        identifies=("intermittent_stall",),
        detects=("feedthrough_short", "motor_stall"),
        detection_target_h=6.0,
        meaning="The rotor has stood still at least twice within a day and came free again. It may not the next time.",
        action="Interrogate the pump and read its event log. Plan a replacement. Have oral bridging at hand.",
        time_to_respond="hours: each stall may be the last",
        rationale="Three stalls in three days came before a pump's end (case report, corroded gearbox)."
        " That it runs again says nothing: it stays until a person has read the log.",
        latch=True,
        evidence=(
            Measure("Stalls in a day, older ones count less", "", kept("episodes"), expected=0.0, limit=EPISODES),
            TURNED,
            MOTOR_FLOW,
            SAYS_STALLED,
        ),
        rules_out=(NO_FIELD, CATHETER_OPEN, NOT_EMPTY),
        over_s=24 * HOUR,
        explains=("motor_stall", *LESS_FLOW, "battery_drop"),
    ),
    Rule(
        name="motor_not_driven",
        title="Motor is not driven",
        priority="high",
        detector=motor("not driven"),
        on_delay_s=13 * MINUTE,
        off_delay_s=HOUR,
        identifies=("telemetry_mode",),
        detects=("battery_depletion", "electrical_reset", "motor_stall", "mri_stall"),
        detection_target_h=1.0,
        meaning="The pump is online and reports no stall, but its motor is asked for fewer turns than programmed.",
        action="Interrogate the pump: that ends the telemetry mode in which it does not infuse. Prepare oral bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="After interference a pump in telemetry mode does not infuse until it is interrogated. " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(TURNED, MOTOR_FLOW, MEASURED, STRAIN, SAYS_STALLED),
        rules_out=(NO_STRAIN, NO_FIELD, CATHETER_OPEN, NOT_EMPTY),
        over_s=STRETCH_S,
        learns_h=KNOWN_H,
        explains=LESS_FLOW,
    ),
    Rule(
        name="motor_after_mri",
        title="Motor has not restarted after MRI",
        priority="high",
        detector=motor("after MRI"),
        on_delay_s=25 * MINUTE,
        off_delay_s=HOUR,
        identifies=("mri_stall",),
        detection_target_h=2.5,
        meaning="The pump was in a magnetic field within the last day and its motor stands outside of it.",
        action="Interrogate the pump now and again after 20 minutes. Prepare oral bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="Proper infusion returned only 2 to 24 hours after some scans (maker's MRI guidance). " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(
            TURNED,
            MOTOR_FLOW,
            Measure("Since the magnetic field", "h", kept("since_mri_s", 1 / HOUR), limit=MRI_TAIL_S / HOUR),
            STRAIN,
        ),
        rules_out=(NO_STRAIN, NOT_EMPTY),
        over_s=STRETCH_S,
        explains=LESS_FLOW,
    ),
    Rule(
        name="pump_reset",
        title="Pump fell back to minimum rate",
        priority="high",
        detector=flagged("reset"),
        on_delay_s=0.0,
        off_delay_s=2 * HOUR,
        identifies=("electrical_reset",),
        detects=("battery_drop", "feedthrough_short"),
        detection_target_h=1.0,
        meaning="The pump reports an electrical reset: it runs at its minimum rate, and its program is gone.",
        action="Interrogate the pump, look for the battery's voltage, program it anew. Prepare oral bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="At the minimum rate the patient gets almost nothing. "
        + FATAL
        + " It stays until a person says that the program is back.",
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
        title="Motor current erratic",
        priority="high",
        detector=motor("erratic"),
        on_delay_s=5 * MINUTE,
        off_delay_s=2 * HOUR,
        identifies=("feedthrough_short",),
        detection_target_h=1.0,
        meaning="A current flows beside the motor and changes all the time: probably moisture in the feedthrough.",
        action="Expect stalls and resets. Plan an urgent replacement. Prepare oral bridging.",
        time_to_respond="hours: the pump may stop at any time",
        rationale="380 events in 181,400 implants ended as a stall or a low-battery reset (maker's notice, 2013).",
        evidence=(
            Measure("Change of the current from sample to sample", "mA", kept("erratic_ma"), limit=ERRATIC_MA),
            Measure("Motor current, last sample", "mA", last("motor_ma"), expected=kept("usual_ma")),
        ),
        rules_out=(NO_FIELD, LINE_WELL),
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
