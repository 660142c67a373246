"""Catheter rules: the pump may work correctly while the patient receives no drug."""

from __future__ import annotations

from typing import Final

from processor.detectors.catheter import (
    COUNTED_S,
    EPISODES,
    FALLEN_MMHG,
    GONE,
    HOUR_S,
    LOW_MMHG,
    MOSTLY,
    QUICK_S,
    REDUCED,
    RESTLESS,
    RISEN_MMHG,
    SLOWLY_S,
    UNREST_S,
    catheter,
    lost,
    moved,
    unrest,
    usual_pulse,
)
from processor.rules.exclusions import MOTOR_TURNS, NOT_EMPTY
from processor.rules.measures import Exclusion, Measure, kept
from processor.rules.rule import HOUR, MINUTE, UNDER_DOSED_AFTER_H, Rule

BASELINE_H: Final = 24.0
"""Hours needed to learn the baseline of a catheter's pulsatility and pressure across its patient's postures."""

PULSE: Final = Measure("Catheter pulsatility", "mmHg", kept("pulse_quick"), expected=usual_pulse)
PULSE_HOUR: Final = Measure(
    "1-h mean pulsatility",
    "mmHg",
    kept("pulse_hours"),
    expected=usual_pulse,
    limit=lambda memory: (1.0 - REDUCED) * usual_pulse(memory),
)
GONE_SHARE: Final = Measure("Pulsatility below half of baseline", "% of time", kept("gone", 100.0), 0.0, 100.0 * MOSTLY)
RISEN: Final = Measure(
    "Catheter pressure",
    "mmHg",
    kept("pressure_quick"),
    expected=kept("pressure_usual"),
    limit=lambda memory: memory("pressure_usual") + RISEN_MMHG,
)
FALLEN: Final = Measure(
    "Catheter pressure",
    "mmHg",
    kept("pressure_quick"),
    expected=kept("pressure_usual"),
    limit=lambda memory: memory("pressure_usual") - FALLEN_MMHG,
)
LOW: Final = Measure("2-h mean pressure vs. baseline", "mmHg", kept("low_mmhg"), 0.0, -LOW_MMHG)
UNREST: Final = Measure(
    "Joint swing of pulsatility and pressure",
    "% of baseline",
    lambda memory: 100.0 * unrest(memory).sqrt(),
    limit=100.0 * RESTLESS**0.5,
)
LOSSES: Final = Measure("Pulsatility losses in 6 h (time-weighted)", "", kept("episodes"), 0.0, EPISODES)
WEAKER: Final = Measure("Pulsatility reduced for", "h", kept("weak_s", 1 / HOUR_S), limit=SLOWLY_S / HOUR)

NOT_FALLEN: Final = Exclusion(
    "Catheter disconnected",
    "pressure has not fallen",
    "mmHg vs. baseline",
    moved,
    lambda memory: moved(memory) > -FALLEN_MMHG,
    -FALLEN_MMHG,
)
NOT_RISEN: Final = Exclusion(
    "Catheter occluded",
    "pressure has not risen",
    "mmHg vs. baseline",
    moved,
    lambda memory: moved(memory) < RISEN_MMHG,
    RISEN_MMHG,
)
STEADY: Final = Exclusion(
    "Catheter leak",
    "pulsatility and pressure do not swing together",
    "% of baseline",
    UNREST.value,
    lambda memory: unrest(memory) < RESTLESS,
    100.0 * RESTLESS**0.5,
)
NOT_INTERMITTENT: Final = Exclusion(
    "Intermittent catheter kink",
    "pulsatility does not come and go",
    "losses in 6 h",
    kept("episodes"),
    lambda memory: memory("episodes") < EPISODES,
    EPISODES,
)
STILL_TRANSMITTED: Final = Exclusion(
    "Catheter partially occluded",
    "pulsatility is still transmitted",
    "% of baseline",
    lambda memory: 100.0 * (1.0 - lost(memory, "quick")),
    lambda memory: lost(memory, "quick") < GONE,
    100.0 * (1.0 - GONE),
)
SUDDEN: Final = Exclusion(
    "Progressive catheter occlusion",
    "the loss was sudden",
    "",
    None,
    lambda memory: memory("slowly") < 0,
)
GRADUAL: Final = Exclusion(
    "Possible catheter migration",
    "the loss was gradual",
    "h",
    kept("weak_s", 1 / HOUR_S),
    lambda memory: memory("slowly") > 0,
    SLOWLY_S / HOUR,
)

RULES: Final = (
    Rule(
        name="catheter_occlusion",
        title="Catheter occluded",
        priority="high",
        mdc="MDC_EVT_FLUID_LINE_OCCL",
        detector=catheter("occlusion"),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        identifies=("catheter_occlusion",),
        detects=("catheter_kink", "catheter_migration", "catheter_tip_mass"),
        detection_target_h=1.0,
        meaning="Pressure at the pump outlet has risen, and the catheter no longer transmits the CSF pulse.",
        action="Check for a kink or posture change. Arrange catheter imaging. Prepare oral or intrathecal bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="Drug no longer reaches the patient, while the pump itself reports no fault.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(PULSE, GONE_SHARE, RISEN),
        rules_out=(NOT_FALLEN, NOT_INTERMITTENT, MOTOR_TURNS, NOT_EMPTY),
        over_s=QUICK_S,
        learns_h=BASELINE_H,
        explains=(
            "under_delivery",
            "delivery_shift",
            "catheter_narrowing",
            "catheter_closing",
            "catheter_migration",
            "volume_imbalance",
            "battery_drop",
        ),
    ),
    Rule(
        name="catheter_narrowing",
        title="Catheter partially occluded",
        priority="medium",
        mdc="MDC_EVT_FLUID_LINE_OCCL",
        detector=catheter("narrowing"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        identifies=("catheter_occlusion",),
        detects=("catheter_kink", "catheter_migration", "catheter_tip_mass"),
        detection_target_h=6.0,
        meaning="The catheter no longer transmits the CSF pulse, but its pressure is normal.",
        action="Watch catheter pressure closely. Ask about withdrawal symptoms. Arrange a catheter evaluation.",
        time_to_respond="a day or more, unless pressure rises",
        rationale="Loss of pulsatility is the first sign of an obstruction, but it is not specific.",
        evidence=(PULSE, GONE_SHARE, RISEN),
        rules_out=(NOT_RISEN, NOT_FALLEN, NOT_INTERMITTENT),
        over_s=QUICK_S,
        learns_h=BASELINE_H,
        explains=("catheter_migration", "catheter_closing"),
    ),
    Rule(
        name="catheter_disconnection",
        title="Catheter disconnected",
        priority="high",
        mdc="MDC_EVT_DISCONN",
        detector=catheter("disconnection"),
        on_delay_s=25 * MINUTE,
        off_delay_s=HOUR,
        identifies=("catheter_disconnection",),
        detects=("catheter_leak", "catheter_migration"),
        detection_target_h=2.0,
        meaning="Pressure has fallen to tissue pressure and pulsatility is lost, while the pump delivers normally.",
        action="Suspect drug leaking outside the intrathecal space. Arrange imaging or an access port study. "
        "Prepare oral or intrathecal bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="The most common cause of withdrawal according to the drug label; flow and volume do not show it.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(FALLEN, PULSE),
        rules_out=(NOT_RISEN, STEADY, MOTOR_TURNS, NOT_EMPTY),
        over_s=QUICK_S,
        learns_h=BASELINE_H,
        explains=("catheter_leak", "catheter_migration", "catheter_closing", "delivery_shift"),
    ),
    Rule(
        name="catheter_leak",
        title="Catheter leak",
        priority="medium",
        detector=catheter("leak"),
        on_delay_s=30 * MINUTE,
        off_delay_s=3 * HOUR,
        identifies=("catheter_leak",),
        detects=("catheter_disconnection", "catheter_kink", "catheter_migration"),
        detection_target_h=6.0,
        meaning="Pressure is low, pulsatility is weak, and both swing together: a crack that opens and closes.",
        action="Ask about symptoms that come and go. Arrange catheter imaging. Keep oral bridging at hand.",
        time_to_respond="hours to a day: the dose varies",
        rationale="A microfracture caused alternating under- and overdose (Dawes 2003); flow does not show it.",
        evidence=(PULSE_HOUR, UNREST, LOW),
        rules_out=(NOT_RISEN, NOT_INTERMITTENT, MOTOR_TURNS),
        over_s=UNREST_S,
        learns_h=BASELINE_H,
        explains=("catheter_migration", "catheter_closing"),
    ),
    Rule(
        name="catheter_kink",
        title="Intermittent catheter kink",
        priority="medium",
        mdc="MDC_EVT_FLUID_LINE_OCCL",
        detector=catheter("kink"),
        on_delay_s=0.0,
        off_delay_s=6 * HOUR,
        identifies=("catheter_kink",),
        detects=("catheter_leak", "catheter_occlusion"),
        detection_target_h=6.0,
        meaning="The CSF pulse has disappeared and returned several times within hours.",
        action="Find out which posture causes it and have the patient avoid it. Arrange imaging in that posture.",
        time_to_respond="a day or more: doses are partly missed",
        rationale="A position-dependent occlusion went undetected through four years of normal interrogations."
        " It clears with each change of posture, so it is latched until a person has investigated.",
        latch=True,
        evidence=(LOSSES, PULSE, RISEN),
        rules_out=(NOT_FALLEN, MOTOR_TURNS),
        over_s=COUNTED_S,
        learns_h=BASELINE_H,
        explains=(
            "catheter_narrowing",
            "catheter_leak",
            "catheter_migration",
            "catheter_closing",
            "delivery_shift",
            "under_delivery",
        ),
    ),
    Rule(
        name="catheter_closing",
        title="Progressive catheter occlusion",
        priority="medium",
        mdc="MDC_EVT_FLUID_LINE_OCCL",
        detector=catheter("slow closing"),
        on_delay_s=30 * MINUTE,
        off_delay_s=3 * HOUR,
        identifies=("catheter_tip_mass",),
        detects=("catheter_disconnection", "catheter_leak", "catheter_migration", "catheter_occlusion"),
        detection_target_h=72.0,
        meaning="The CSF pulse has weakened over many hours: tissue may be growing around the catheter tip.",
        action="Arrange imaging of the catheter tip. Watch for rising pressure and falling flow.",
        time_to_respond="several days",
        rationale="An inflammatory mass at the tip closes the catheter over weeks; found early, it can be treated.",
        evidence=(PULSE_HOUR, WEAKER, RISEN),
        rules_out=(GRADUAL, STILL_TRANSMITTED, NOT_RISEN, NOT_FALLEN),
        over_s=HOUR_S,
        learns_h=BASELINE_H,
        explains=("catheter_migration",),
    ),
    Rule(
        name="catheter_migration",
        title="Possible catheter migration",
        priority="medium",
        detector=catheter("migration"),
        on_delay_s=3 * HOUR,
        off_delay_s=3 * HOUR,
        identifies=("catheter_migration",),
        detects=("catheter_disconnection", "catheter_kink", "catheter_leak", "catheter_occlusion", "catheter_tip_mass"),
        detection_target_h=12.0,
        meaning="The CSF pulse weakened suddenly and has stayed weak, but is still transmitted.",
        action="Ask about symptoms. Arrange imaging of the catheter tip.",
        time_to_respond="a day or more",
        rationale="A tip outside the CSF delivers drug to the wrong place. The sign is ambiguous: such a tip may still "
        "transmit the pulse.",
        evidence=(PULSE_HOUR, RISEN),
        rules_out=(SUDDEN, STILL_TRANSMITTED, STEADY, NOT_INTERMITTENT),
        over_s=HOUR_S,
        learns_h=BASELINE_H,
    ),
)
