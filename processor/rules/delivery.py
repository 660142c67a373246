"""Alarms of too little and too much."""

from __future__ import annotations

from typing import Final

from processor.detectors.limit import limit
from processor.detectors.residual import residual
from processor.detectors.shift import shift
from processor.detectors.volume import volume
from processor.rules.rule import HOUR, MINUTE, Rule

RULES: Final = (
    Rule(
        name="under_delivery",
        title="Too little delivered",
        priority="high",
        detector=residual("flow_ul_h", "commanded_ul_h", direction="below", share=0.25, floor=0.5, tau_s=20 * MINUTE),
        on_delay_s=15 * MINUTE,
        off_delay_s=15 * MINUTE,
        deadline_h=2.0,
        meaning="The flow at the outlet has been at least a quarter below the program.",
        action="Interrogate the pump. Compare the reservoir with what it should hold. Prepare oral bridging.",
        time_left="about 8 h until under-dosed",
        rationale="Less drug than prescribed is withdrawal in slow motion, whatever the cause.",
        harm_after_h=8.0,
        explains=("delivery_shift",),
    ),
    Rule(
        name="delivery_shift",
        title="Delivery drifts low",
        priority="medium",
        detector=shift("flow_ul_h", "commanded_ul_h", direction="below", slack=0.08, floor=1.0, reach_h=5.25),
        on_delay_s=10 * MINUTE,
        off_delay_s=10 * MINUTE,
        deadline_h=24.0,
        meaning="For hours a little less has been delivered than the program asks.",
        action="Look at the trend. Compare the volume at the next refill with what was expected.",
        time_left="a day or more",
        rationale="A small lasting loss matters within days and is the first sign of a slow obstruction or tube wear.",
    ),
    Rule(
        name="over_infusion",
        title="Too much delivered",
        priority="high",
        detector=volume("over-infusion"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=24.0,
        meaning="More flows than the program asks, and the reservoir does not deny it.",
        action="Look for drowsiness and weak breathing. Compare the measured with the computed volume. Lower the rate.",
        time_left="hours: the surplus adds up",
        rationale="More than 14.5 % above the program is a recalled failure with two deaths (2014, 2016).",
        explains=("volume_imbalance",),
    ),
    Rule(
        name="therapy_paused",
        title="Pump at minimum rate or stopped",
        priority="medium",
        detector=limit("commanded_ul_h", below=0.27, span=0.2),
        on_delay_s=HOUR,
        off_delay_s=10 * MINUTE,
        deadline_h=2.0,
        meaning="The program itself asks for almost no flow.",
        action="Find out who stopped the pump and why. After two days stopped, beware of over-infusion at the restart.",
        time_left="about 5 h until under-dosed, if not bridged",
        rationale="A pump stopped by mistake ended in organ failure (case report).",
    ),
)
