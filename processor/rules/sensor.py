"""Alarms of the sensors: no harm by themselves, but they blind us."""

from __future__ import annotations

from typing import Final

from processor.detectors.flow_sensor import flow_sensor
from processor.detectors.frozen import frozen
from processor.detectors.volume import volume
from processor.rules.rule import HOUR, MINUTE, Rule

FLOW: Final = ("under_delivery", "delivery_shift", "over_infusion", "flow_sensor_off")
GO_BY_OTHERS: Final = "Do not trust the measured flow; go by motor, pressure and reservoir. Have the sensor seen to."

RULES: Final = (
    Rule(
        name="flow_sensor_stuck",
        title="Flow sensor stuck",
        priority="low",
        detector=frozen(share=0.15, tau_s=90 * MINUTE),
        on_delay_s=30 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=3.0,
        meaning="The flow sensor repeats itself. What it says is not what flows.",
        action=GO_BY_OTHERS,
        time_left="days, if the other signals are calm",
        rationale="No harm by itself, but it blinds us to under-delivery.",
        explains=FLOW,
    ),
    Rule(
        name="flow_sensor_noisy",
        title="Flow sensor noisy",
        priority="low",
        detector=flow_sensor("noise"),
        on_delay_s=20 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=3.0,
        meaning="The flow sensor's readings scatter far more than they used to, around the commanded flow.",
        action=GO_BY_OTHERS,
        time_left="days, if the other signals are calm",
        rationale="In the noise a loss of delivery is seen late.",
        explains=FLOW,
    ),
    Rule(
        name="flow_sensor_unit",
        title="Flow given in another unit",
        priority="low",
        detector=flow_sensor("unit slip"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=3.0,
        meaning="Some or all flow readings are many times what any rotor delivers, as if of a day instead of an hour.",
        action=GO_BY_OTHERS,
        time_left="days, if the other signals are calm",
        rationale="Confusing mL/h and mL/day is a classic slip; believed, it reads as a massive overdose.",
        explains=("flow_sensor_noisy", *FLOW),
    ),
    Rule(
        name="flow_sensor_off",
        title="Flow sensor reads wrong",
        priority="low",
        detector=volume("flow sensor"),
        on_delay_s=HOUR,
        off_delay_s=6 * HOUR,
        deadline_h=72.0,
        meaning="Measured flow differs from the program, and the reservoir falls as the program says.",
        action=GO_BY_OTHERS,
        time_left="days, if the other signals are calm",
        rationale="Two of three witnesses agree; the third misleads.",
        explains=("over_infusion", "under_delivery", "delivery_shift"),
    ),
)
