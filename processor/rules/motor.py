"""Alarms of the motor and the electronics that drive it: no turn, no drug."""

from __future__ import annotations

from typing import Final

from processor.detectors.flag import flagged
from processor.detectors.motor import motor
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

LESS_FLOW: Final = ("under_delivery", "delivery_shift", "flow_sensor_stuck", "flow_sensor_off")
FATAL: Final = "Abrupt withdrawal can kill within days; effect fades with a half-life of 1 to 5 h."

RULES: Final = (
    Rule(
        name="motor_stall",
        title="Motor stalled",
        priority="high",
        detector=motor("stall"),
        on_delay_s=13 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=1.0,
        meaning="The motor is driven, but the rotor turns less than the program asks, or stands. Drug is missing.",
        action="Interrogate the pump and read its event log. Ask about a magnetic field. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale=FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=(*LESS_FLOW, "battery_falling", "battery_drop"),
    ),
    Rule(
        name="motor_intermittent",
        title="Motor stalls again and again",
        priority="high",
        detector=motor("intermittent"),
        on_delay_s=0.0,
        off_delay_s=6 * HOUR,
        deadline_h=6.0,
        meaning="The rotor has stood still at least twice within a day and came free again. It may not the next time.",
        action="Interrogate the pump and read its event log. Plan a replacement. Have oral bridging at hand.",
        time_left="hours: each stall may be the last",
        rationale="Three stalls in three days came before a pump's end (case report, corroded gearbox).",
        explains=("motor_stall", *LESS_FLOW, "battery_drop"),
    ),
    Rule(
        name="motor_not_driven",
        title="Motor is not driven",
        priority="high",
        detector=motor("not driven"),
        on_delay_s=13 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=1.0,
        meaning="The pump is online and reports no stall, but its motor is asked for fewer turns than programmed.",
        action="Interrogate the pump: that ends the telemetry mode in which it does not infuse. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale="After interference a pump in telemetry mode does not infuse until it is interrogated. " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=LESS_FLOW,
    ),
    Rule(
        name="motor_after_mri",
        title="Motor has not restarted after MRI",
        priority="high",
        detector=motor("after MRI"),
        on_delay_s=25 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=2.5,
        meaning="The pump was in a magnetic field within the last day and its motor stands outside of it.",
        action="Interrogate the pump now and again after 20 minutes. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale="Proper infusion returned only 2 to 24 hours after some scans (maker's MRI guidance). " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=LESS_FLOW,
    ),
    Rule(
        name="pump_reset",
        title="Pump fell back to minimum rate",
        priority="high",
        detector=flagged("reset"),
        on_delay_s=0.0,
        off_delay_s=2 * HOUR,
        deadline_h=1.0,
        meaning="The pump reports an electrical reset: it runs at its minimum rate, and its program is gone.",
        action="Interrogate the pump, look for the battery's voltage, program it anew. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale="At the minimum rate the patient gets almost nothing. " + FATAL,
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=("motor_stall", "motor_intermittent", "motor_not_driven", *LESS_FLOW, "clock_ahead"),
    ),
    Rule(
        name="feedthrough_short",
        title="Motor current erratic",
        priority="high",
        detector=motor("erratic"),
        on_delay_s=5 * MINUTE,
        off_delay_s=2 * HOUR,
        deadline_h=1.0,
        meaning="A current flows beside the motor and changes all the time: probably moisture in the feedthrough.",
        action="Expect stalls and resets. Plan an urgent replacement. Prepare oral bridging.",
        time_left="hours: the pump may stop at any time",
        rationale="380 events in 181,400 implants ended as a stall or a low-battery reset (maker's notice, 2013).",
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
