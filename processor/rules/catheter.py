"""Alarms of the catheter: the pump may be well while the patient gets nothing."""

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

KNOWN_H: Final = 24.0
"""Hours until a catheter's usual pulse and pressure, with its patient's postures, are known well."""

PULSE: Final = Measure("Pulse through the catheter", "mmHg", kept("pulse_quick"), expected=usual_pulse)
PULSE_HOUR: Final = Measure(
    "Pulse through the catheter over an hour",
    "mmHg",
    kept("pulse_hours"),
    expected=usual_pulse,
    limit=lambda memory: (1.0 - REDUCED) * usual_pulse(memory),
)
GONE_SHARE: Final = Measure(
    "Less than half of the usual pulse", "% of the time", kept("gone", 100.0), 0.0, 100.0 * MOSTLY
)
RISEN: Final = Measure(
    "Pressure",
    "mmHg",
    kept("pressure_quick"),
    expected=kept("pressure_usual"),
    limit=lambda memory: memory("pressure_usual") + RISEN_MMHG,
)
FALLEN: Final = Measure(
    "Pressure",
    "mmHg",
    kept("pressure_quick"),
    expected=kept("pressure_usual"),
    limit=lambda memory: memory("pressure_usual") - FALLEN_MMHG,
)
LOW: Final = Measure("Pressure against its usual over 2 h", "mmHg", kept("low_mmhg"), 0.0, -LOW_MMHG)
UNREST: Final = Measure(
    "Pulse and pressure together rise and fall by",
    "% of usual",
    lambda memory: 100.0 * unrest(memory).sqrt(),
    limit=100.0 * RESTLESS**0.5,
)
LOSSES: Final = Measure("Losses of the pulse in 6 h, older ones count less", "", kept("episodes"), 0.0, EPISODES)
WEAKER: Final = Measure("The pulse has been weaker for", "h", kept("weak_s", 1 / HOUR_S), limit=SLOWLY_S / HOUR)

NOT_FALLEN: Final = Exclusion(
    "Catheter disconnected",
    "pressure has not fallen",
    "mmHg against usual",
    moved,
    lambda memory: moved(memory) > -FALLEN_MMHG,
    -FALLEN_MMHG,
)
NOT_RISEN: Final = Exclusion(
    "Catheter occluded",
    "pressure has not risen",
    "mmHg against usual",
    moved,
    lambda memory: moved(memory) < RISEN_MMHG,
    RISEN_MMHG,
)
STEADY: Final = Exclusion(
    "Catheter leaks",
    "pulse and pressure do not rise and fall together",
    "% of usual",
    UNREST.value,
    lambda memory: unrest(memory) < RESTLESS,
    100.0 * RESTLESS**0.5,
)
STAYS_AWAY: Final = Exclusion(
    "Catheter kinks in some postures",
    "the pulse does not come and go",
    "losses in 6 h",
    kept("episodes"),
    lambda memory: memory("episodes") < EPISODES,
    EPISODES,
)
STILL_THERE: Final = Exclusion(
    "Catheter narrowed",
    "the pulse still comes through",
    "% of usual",
    lambda memory: 100.0 * (1.0 - lost(memory, "quick")),
    lambda memory: lost(memory, "quick") < GONE,
    100.0 * (1.0 - GONE),
)
AT_ONCE: Final = Exclusion(
    "Catheter closes slowly",
    "the loss was clear soon after it began",
    "",
    None,
    lambda memory: memory("slowly") < 0,
)
SLOW: Final = Exclusion(
    "Catheter tip may have moved",
    "the loss came slowly",
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
        detector=catheter("occlusion"),
        on_delay_s=5 * MINUTE,
        off_delay_s=HOUR,
        identifies=("catheter_occlusion",),
        detects=("catheter_kink", "catheter_migration", "catheter_tip_mass"),
        detection_target_h=1.0,
        meaning="Pressure behind the catheter rises and the pulse of the spinal fluid no longer comes through.",
        action="Look for a kink and a change of posture. Arrange imaging of the catheter. Prepare oral bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="Drug no longer arrives, while the pump itself sees nothing wrong.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(PULSE, GONE_SHARE, RISEN),
        rules_out=(NOT_FALLEN, STAYS_AWAY, MOTOR_TURNS, NOT_EMPTY),
        over_s=QUICK_S,
        learns_h=KNOWN_H,
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
        title="Catheter narrowed",
        priority="medium",
        detector=catheter("narrowing"),
        on_delay_s=10 * MINUTE,
        off_delay_s=HOUR,
        identifies=("catheter_occlusion",),
        detects=("catheter_kink", "catheter_migration", "catheter_tip_mass"),
        detection_target_h=6.0,
        meaning="The pulse of the spinal fluid no longer comes through the catheter, at a pressure that is as usual.",
        action="Watch the pressure closely. Ask for symptoms of withdrawal. Arrange an examination of the catheter.",
        time_to_respond="a day or more, unless pressure rises",
        rationale="A pulse that is gone is the first sign of an obstruction, but sensitive to other things as well.",
        evidence=(PULSE, GONE_SHARE, RISEN),
        rules_out=(NOT_RISEN, NOT_FALLEN, STAYS_AWAY),
        over_s=QUICK_S,
        learns_h=KNOWN_H,
        explains=("catheter_migration", "catheter_closing"),
    ),
    Rule(
        name="catheter_disconnection",
        title="Catheter disconnected",
        priority="high",
        detector=catheter("disconnection"),
        on_delay_s=25 * MINUTE,
        off_delay_s=HOUR,
        identifies=("catheter_disconnection",),
        detects=("catheter_leak", "catheter_migration"),
        detection_target_h=2.0,
        meaning="Pressure fell to that of the tissue and the pulse is gone, while the pump delivers as it should.",
        action="Suspect drug leaking beside the spine. Arrange imaging or an access port study. Prepare oral bridging.",
        time_to_respond="about 5 h until under-dosed",
        rationale="The commonest cause of withdrawal by the drug's label, and invisible in flow and volume.",
        harm_after_h=UNDER_DOSED_AFTER_H,
        evidence=(FALLEN, PULSE),
        rules_out=(NOT_RISEN, STEADY, MOTOR_TURNS, NOT_EMPTY),
        over_s=QUICK_S,
        learns_h=KNOWN_H,
        explains=("catheter_leak", "catheter_migration", "catheter_closing", "delivery_shift"),
    ),
    Rule(
        name="catheter_leak",
        title="Catheter leaks",
        priority="medium",
        detector=catheter("leak"),
        on_delay_s=30 * MINUTE,
        off_delay_s=3 * HOUR,
        identifies=("catheter_leak",),
        detects=("catheter_disconnection", "catheter_kink", "catheter_migration"),
        detection_target_h=6.0,
        meaning="Pressure is low, the pulse is weak, and both rise and fall together: a crack that opens and closes.",
        action="Ask for symptoms that come and go. Arrange imaging of the catheter. Have oral bridging at hand.",
        time_to_respond="hours to a day: the dose varies",
        rationale="Alternating under- and overdose by a microfracture (Dawes 2003); flow and volume show nothing.",
        evidence=(PULSE_HOUR, UNREST, LOW),
        rules_out=(NOT_RISEN, STAYS_AWAY, MOTOR_TURNS),
        over_s=UNREST_S,
        learns_h=KNOWN_H,
        explains=("catheter_migration", "catheter_closing"),
    ),
    Rule(
        name="catheter_kink",
        title="Catheter kinks in some postures",
        priority="medium",
        detector=catheter("kink"),
        on_delay_s=0.0,
        off_delay_s=6 * HOUR,
        identifies=("catheter_kink",),
        detects=("catheter_leak", "catheter_occlusion"),
        detection_target_h=6.0,
        meaning="The pulse of the spinal fluid has gone and come back several times within hours.",
        action="Ask in which posture it happens and avoid it. Arrange imaging in that posture.",
        time_to_respond="a day or more: doses are missed in part",
        rationale="A position-dependent occlusion stayed undetected for four years of normal interrogations."
        " It is over with each change of posture, and so stays until a person has looked.",
        latch=True,
        evidence=(LOSSES, PULSE, RISEN),
        rules_out=(NOT_FALLEN, MOTOR_TURNS),
        over_s=COUNTED_S,
        learns_h=KNOWN_H,
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
        title="Catheter closes slowly",
        priority="medium",
        detector=catheter("slow closing"),
        on_delay_s=30 * MINUTE,
        off_delay_s=3 * HOUR,
        identifies=("catheter_tip_mass",),
        detects=("catheter_disconnection", "catheter_leak", "catheter_migration", "catheter_occlusion"),
        detection_target_h=72.0,
        meaning="Over many hours the pulse of the spinal fluid has become weaker: something grows around the tip.",
        action="Arrange imaging of the catheter's tip. Watch for rising pressure and falling flow.",
        time_to_respond="some days",
        rationale="An inflammatory mass at the tip closes the catheter over weeks; found early it can be treated.",
        evidence=(PULSE_HOUR, WEAKER, RISEN),
        rules_out=(SLOW, STILL_THERE, NOT_RISEN, NOT_FALLEN),
        over_s=HOUR_S,
        learns_h=KNOWN_H,
        explains=("catheter_migration",),
    ),
    Rule(
        name="catheter_migration",
        title="Catheter tip may have moved",
        priority="medium",
        detector=catheter("migration"),
        on_delay_s=3 * HOUR,
        off_delay_s=3 * HOUR,
        identifies=("catheter_migration",),
        detects=("catheter_disconnection", "catheter_kink", "catheter_leak", "catheter_occlusion", "catheter_tip_mass"),
        detection_target_h=12.0,
        meaning="The pulse of the spinal fluid became weaker at once and stays so, while it still comes through.",
        action="Ask for symptoms. Arrange imaging of the catheter's tip.",
        time_to_respond="a day or more",
        rationale="A tip outside of the spinal fluid delivers beside it. The sign is ambiguous: it may still couple.",
        evidence=(PULSE_HOUR, RISEN),
        rules_out=(AT_ONCE, STILL_THERE, STEADY, STAYS_AWAY),
        over_s=HOUR_S,
        learns_h=KNOWN_H,
    ),
)
