"""This file is the alarm list: one row for each thing a person is told, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from processor.detectors import Detector
from processor.detectors.balance import balance
from processor.detectors.drift import drift
from processor.detectors.frozen import frozen
from processor.detectors.limit import limit
from processor.detectors.patency import patency
from processor.detectors.residual import residual
from processor.detectors.shift import shift
from processor.detectors.silence import silence

UNDER_DOSED_AFTER_H: Final = 5.0
"""Without delivery the effect fades with the drug's half-life of 1 to 5 h; modelling choice, no clinical figure."""
MINUTE: Final = 60.0
HOUR: Final = 3600.0


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of the alarm list.

    The violation must last `on_delay_s` before the alarm is raised and be gone for `off_delay_s` before it returns
    (therapy seconds). `deadline_h` is the time from the fault's onset within which the alarm must be up, `time_left`
    how long a person then has. While it stands, an alarm holds those it `explains` on the same pump under it. With
    `latch` it stays until a person resets it; `realarm_h` says how long after its acknowledgement one that stands on
    calls again (therapy hours; None: what `processor.alarms` says for its priority).
    """

    name: str
    title: str
    priority: Literal["high", "medium", "low"]
    detector: Detector
    on_delay_s: float
    off_delay_s: float
    deadline_h: float
    meaning: str
    action: str
    time_left: str
    rationale: str
    explains: tuple[str, ...] = ()
    harm_after_h: float | None = None
    latch: bool = False
    realarm_h: float | None = None


RULES: Final = (
    Rule(
        name="motor_stall",
        title="Motor stalled",
        priority="high",
        detector=residual("motor_ul_h", "commanded_ul_h", direction="below", share=0.2, floor=0.4, tau_s=10 * MINUTE),
        on_delay_s=3 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=1.0,
        meaning="The rotor turns much slower than the program asks, or stands. Little or no drug leaves the pump.",
        action="Interrogate the pump and read its event log. Ask about a magnetic field. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale="Abrupt withdrawal can kill within days; effect fades with a half-life of 1 to 5 h.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=("under_delivery", "delivery_shift", "flow_sensor_stuck", "battery_falling"),
    ),
    Rule(
        name="catheter_occlusion",
        title="Catheter occluded",
        priority="high",
        detector=patency(
            pressure="rises",
            by_mmhg=7.0,
            pulse_lost=0.35,
            fast_s=5 * MINUTE,
            slow_s=12 * HOUR,
            warm_up_s=20 * MINUTE,
        ),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=1.0,
        meaning="Pressure behind the catheter rises and the pulse of the spinal fluid no longer comes through.",
        action="Look for a kink and a change of posture. Arrange imaging of the catheter. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale="Drug no longer arrives, while the pump itself sees nothing wrong.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=("under_delivery", "delivery_shift", "motor_stall", "volume_imbalance", "battery_falling"),
    ),
    Rule(
        name="catheter_disconnection",
        title="Catheter disconnected",
        priority="high",
        detector=patency(
            pressure="falls",
            by_mmhg=3.5,
            pulse_lost=0.5,
            fast_s=10 * MINUTE,
            slow_s=12 * HOUR,
            warm_up_s=20 * MINUTE,
        ),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=2.0,
        meaning="Pressure fell to that of the tissue and the pulse is gone, while the pump delivers as it should.",
        action="Suspect drug leaking beside the spine. Arrange imaging or an access port study. Prepare oral bridging.",
        time_left="about 5 h until under-dosed",
        rationale="The commonest cause of withdrawal by the drug's label, and invisible in flow and volume.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        explains=("delivery_shift",),
    ),
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
        detector=shift("flow_ul_h", "commanded_ul_h", direction="below", slack=0.07, floor=1.0, reach_h=6.0),
        on_delay_s=10 * MINUTE,
        off_delay_s=10 * MINUTE,
        deadline_h=24.0,
        meaning="For hours a little less has been delivered than the program asks.",
        action="Look at the trend. Compare the volume at the next refill with what was expected.",
        time_left="a day or more",
        rationale="A small lasting loss matters within days and is the first sign of a slow obstruction or tube wear.",
    ),
    Rule(
        name="volume_imbalance",
        title="Volume does not add up",
        priority="medium",
        detector=balance(share=0.1, floor_ul=30.0, tau_s=HOUR),
        on_delay_s=30 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=72.0,
        meaning="The reservoir and the flow sensor tell of different volumes since the last refill.",
        action="Find out which of the two errs: compare both with the program. Measure at the next refill.",
        time_left="a day or more",
        rationale="Either a sensor misleads us, or drug goes where it should not.",
    ),
    Rule(
        name="flow_sensor_stuck",
        title="Flow sensor stuck",
        priority="low",
        detector=frozen("flow_ul_h", share=0.4, tau_s=20 * MINUTE, moving_above=0.2),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=3.0,
        meaning="The flow sensor repeats itself. What it says is not what flows.",
        action="Do not trust the measured flow; go by motor, pressure and reservoir. Have the sensor seen to.",
        time_left="days, if the other signals are calm",
        rationale="No harm by itself, but it blinds us to under-delivery.",
        explains=("under_delivery", "delivery_shift", "volume_imbalance"),
    ),
    Rule(
        name="battery_falling",
        title="Battery falls fast",
        priority="medium",
        detector=drift(
            "battery_v",
            load="motor_ma",
            per_load=0.03,
            by=0.016,
            direction="down",
            fast_s=20 * MINUTE,
            slow_s=4 * HOUR,
            warm_up_s=30 * MINUTE,
        ),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=3.0,
        meaning="The battery loses within hours what should last for years. The pump will stop.",
        action="Plan an urgent replacement. Do not rely on the usual 90 days. Prepare oral bridging.",
        time_left="hours; see the trend",
        rationale="A film in the battery made pumps stop long before their time (Class I recall, 2011).",
    ),
    Rule(
        name="battery_end",
        title="Battery at its end",
        priority="high",
        detector=limit("battery_v", below=2.75, span=0.2),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        deadline_h=1.0,
        meaning="The battery can hardly turn the motor any more. Delivery stops or has stopped.",
        action="Replace the pump now. Bridge by mouth until then.",
        time_left="about 5 h until under-dosed once it stops",
        rationale="The pump stops when the voltage no longer turns the rotor.",
        explains=("battery_falling", "motor_stall", "under_delivery", "delivery_shift"),
    ),
    Rule(
        name="reservoir_low",
        title="Reservoir low",
        priority="medium",
        detector=limit("reservoir_ml", below=2.0, span=0.6),
        on_delay_s=30 * MINUTE,
        off_delay_s=30 * MINUTE,
        deadline_h=1.0,
        meaning="The measured volume is below 2 mL, of which 1.4 mL cannot be used.",
        action="Arrange a refill at once and check the date in the plan.",
        time_left="see the trend: hours to a few days",
        rationale="Some patients had withdrawal with more than 2 mL left (Neurosurgery, August 2004).",
    ),
    Rule(
        name="pump_silent",
        title="Pump silent",
        priority="medium",
        detector=silence(floor_s=8 * MINUTE, intervals=8.0),
        on_delay_s=0.0,
        off_delay_s=0.0,
        deadline_h=10.0 / 60.0,
        meaning="Nothing has been heard from this pump. Its state is unknown, not normal.",
        action="Look whether its gateway is silent as well. Call the patient if it does not come back.",
        time_left="unknown: the last values are old",
        rationale="A fault during silence would not be seen.",
    ),
)
"""Every rule, in no order of importance: priority and age decide what a person sees first."""

RULE_BY_NAME: Final = {rule.name: rule for rule in RULES}
