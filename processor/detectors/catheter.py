"""Catheter detector: pressure and pulsatility together, each against the pump's own baseline.

A patent catheter transmits the pulsations of the CSF from heartbeat and breathing to the pump (Saulino 2017,
Neuromodulation 20:187: 89 % sensitive, 68 % specific). Pulsatility alone is therefore never enough for a high-priority
alarm. When the pulse is lost, pressure distinguishes an obstruction (risen) from a disconnection (fallen to tissue
pressure). A stalled motor or a change of posture does not change the pulse.
"""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, divided, fading, forgetting, toward
from processor.detectors.flag import reports

QUICK_S: Final = 1500.0
HOURS_S: Final = 2 * 3600.0
BASELINE_S: Final = 48 * 3600.0
COUNTED_S: Final = 6 * 3600.0
UNREST_S: Final = 1.5 * 3600.0
HOUR_S: Final = 3600.0
"""Time constants of averages and counts; modeling choices."""
MIN_PULSE_MMHG: Final = 1.0
"""Lowest baseline pulsatility. No patent catheter has less, so one that is occluded from the start is detected."""
GONE: Final = 0.5
"""Missing share of the baseline pulse above which a window counts as one without pulse."""
MOSTLY: Final = 0.75
"""Averaged share of such windows at the limit: nearly all windows for more than half an hour."""
RISEN_MMHG: Final = 2.5
FALLEN_MMHG: Final = 2.0
"""Change of pressure from baseline at the limit of an occlusion and of a disconnection; modeling choices."""
NORMAL: Final = 0.12
"""Missing share of the pulse up to which the baseline is still learned; a healthy pulse wanders by 3 to 4 %."""
UPRIGHT_MMHG: Final = 5.0
"""Rise of pressure that is attributed to sitting up, during which the baseline is learned ten times more slowly."""
REDUCED: Final = 0.13
"""Missing share of the pulse at the limit of a migration or a progressive occlusion; modeling choice."""
WEAK: Final = 0.05
"""Missing share of the pulse at the limit of a leak; modeling choice."""
RESTLESS: Final = 0.0004
NOISE: Final = 0.0005
"""Limit of the joint swing: mean square by which pulse and pressure, as shares of their baselines, move together from
window to window, as they do if a crack opens and closes; and the allowance for noise, divided by the number of samples
in the window. Noise moves them independently: none of 200 healthy pumps reached 0.00045 in four days with samples a
minute apart, or 0.0012 with samples five minutes apart. A crack that costs 15 % of the pulse on average gives 0.0016.
"""
MAX_SWING: Final = 0.04
MAX_WEIGHT: Final = 0.1
"""The most that one change between windows contributes, and its greatest weight, however rarely a pump reports;
modeling choices."""
TISSUE_MMHG: Final = 2.0
"""Tissue pressure, toward which pressure falls in a leak; modeling choice."""
MIN_MMHG: Final = 5.0
"""Pressures below this are replaced by it when used as a divisor."""
WANDERS: Final = 0.93
"""Lowest share of its baseline to which CSF pressure wanders normally, about three standard deviations."""
EPISODES: Final = 2.5
"""Time-weighted number of pulse losses at the limit: the third within a few hours; modeling choice."""
SLOWLY_S: Final = 2.5 * 3600.0
"""Time from the first to a clear loss of pulse above which the loss was gradual; a step takes the average an hour."""
LOW_MMHG: Final = 0.35
"""2-h mean pressure below baseline at the limit of a leak; modeling choice."""
LONG_S: Final = 1e6
FAINT: Final = 0.055
"""Missing share of the pulse that starts the timer distinguishing gradual from sudden loss."""
GRADUAL: Final = 1.0
SUDDEN: Final = -1.0
"""Values of the memory `slowly`; 0 if the loss is not clear yet."""
BACK: Final = 0.2
"""Missing share of the pulse below which it counts as transmitted again."""
LOW_IN_EPISODE_MMHG: Final = 1.5
"""A loss of pulse at a pressure further below baseline is not an episode of a kink; modeling choice."""

Cause = Literal["occlusion", "narrowing", "disconnection", "leak", "kink", "slow closing", "migration"]


def catheter(cause: Cause) -> Detector:
    """Score one cause of reduced pulsatility.

    "occlusion": pulse lost, pressure risen. "narrowing": pulse lost, pressure normal. "disconnection": pulse much
    reduced and pressure fallen, both steadily. "leak": pulse reduced and pressure low, both swinging together. "kink":
    pulse lost and regained, pressure not low. "slow closing": pulse lost over hours. "migration": pulse reduced but not
    lost, suddenly and steadily; the least certain. Works for pumps with a sensor of catheter pressure; unknown while
    pressure or pulsatility is unknown. Learns nothing in a magnetic field.
    """

    def score(memory: Memory) -> pl.Expr:
        known = pl.col("pressure_mmhg") * 0.0 + pl.col("pulse_mmhg") * 0.0
        away, less, less_now, weaker = memory("moved"), memory("lost"), memory("lost_now"), memory("weaker")
        gone, blinks = memory("gone") / MOSTLY, memory("episodes") / EPISODES
        restless = memory("restlessness") >= 1.0
        slowly = memory("slowly") > 0
        reduced = pl.when((less_now < GONE + 0.3) & ~restless & (blinks < 0.8) & ~slowly).then(weaker / REDUCED)
        found = {
            "occlusion": pl.min_horizontal(gone, away / RISEN_MMHG),
            "narrowing": pl.when(away > -FALLEN_MMHG).then(gone),
            "disconnection": pl.when(~restless).then(pl.min_horizontal(less_now / 0.35, -away / FALLEN_MMHG)),
            "leak": pl.when(blinks < 0.8).then(
                pl.min_horizontal(memory("restlessness"), less / WEAK, -memory("low_mmhg") / LOW_MMHG)
            ),
            "kink": blinks,
            "slow closing": pl.when(slowly).then(weaker / REDUCED),
            "migration": pl.when(away.abs() < 3 * RISEN_MMHG).then(reduced),
        }[cause]
        return at_least(found, 0.0) + known

    memory = {
        **dict.fromkeys(
            (
                "pressure_quick",
                "pressure_usual",
                "pulse_quick",
                "pulse_hours",
                "pulse_usual",
                "pulse_last",
                "pressure_last",
            )
        ),
        **dict.fromkeys(("low_mmhg", "gone", "gone_last", "episodes", "opens", "closes", "weak_s", "slowly"), 0.0),
    }
    return Detector(score, memory, _learn, family="catheter", derive=_derive)


def usual_pulse(memory: Memory) -> pl.Expr:
    """Return the baseline pulsatility (mmHg) of this catheter."""
    return memory("pulse_usual").clip(MIN_PULSE_MMHG)


def moved(memory: Memory) -> pl.Expr:
    """Return by how much (mmHg) the 25-min mean pressure differs from its baseline."""
    return memory("pressure_quick") - memory("pressure_usual")


def lost(memory: Memory, over: Literal["hours", "quick"]) -> pl.Expr:
    """Return the missing share of the baseline pulse, averaged over an hour ("hours") or 25 min ("quick")."""
    return 1.0 - memory(f"pulse_{over}") / usual_pulse(memory)


def unrest(memory: Memory) -> pl.Expr:
    """Return the mean square by which pulse and pressure fall and rise together; a single step does not count."""
    return 2.0 * pl.min_horizontal(memory("opens"), memory("closes")).clip(0.0)


def _derive(memory: Memory) -> tuple[Stage, ...]:
    in_field = reports("mri")
    return (
        {
            "usual": usual_pulse(memory),
            "pressure": pl.when(~in_field).then(pl.col("pressure_mmhg")),
            "pulse": pl.when(~in_field).then(pl.col("pulse_mmhg")),
            "moved": moved(memory),
            "lost": lost(memory, "hours"),
            "lost_now": lost(memory, "quick"),
            "restlessness": unrest(memory) / (RESTLESS + divided(NOISE, at_least(pl.col("count"), 1.0))),
            "quick": forgetting(QUICK_S),
        },
        {
            # The pulse grows with CSF pressure, so it may fall as far as the pressure wanders down.
            "weaker": 1.0
            - (1.0 - memory("lost"))
            / (1.0 + memory("moved") / at_least(memory("pressure_usual"), MIN_MMHG)).clip(WANDERS, 1.0),
            "missing": 1.0 - memory("pulse") / memory("usual"),
            "moves": memory("pressure") - memory("pressure_usual"),
            "pulse_change": (memory("pulse") - memory("pulse_last")) / memory("usual"),
            "pressure_change": (memory("pressure") - memory("pressure_last"))
            / (memory("pressure_usual") - TISSUE_MMHG).clip(MIN_MMHG),
        },
        {
            # Lying on the catheter closes it; sitting up raises the pressure and keeps the pulse. So only the pulse
            # decides whether the baseline is learned, and pressures while sitting count little.
            "pace": pl.when(
                (memory("missing").abs().fill_null(0.0) < 3 * NORMAL) & (memory("lost").abs().fill_null(0.0) < NORMAL)
            )
            .then(forgetting(BASELINE_S))
            .otherwise(0.0),
            # Between the two limits the state is kept, so that a pulse at the limit counts as one episode.
            "gone_now": pl.when(memory("missing") > GONE)
            .then(1.0)
            .when(memory("missing") < BACK)
            .then(0.0)
            .otherwise(memory("gone_last")),
            # Posture moves pressure alone, a kink moves both apart: the smaller change counts, negative if apart.
            "together": (
                pl.min_horizontal(memory("pulse_change").abs(), memory("pressure_change").abs()).pow(2)
                * (memory("pulse_change") * memory("pressure_change")).sign()
            ).clip(-MAX_SWING, MAX_SWING),
        },
    )


def _learn(memory: Memory) -> Stage:
    dt, weaker, quick = pl.col("dt").fill_null(0.0), memory("weaker"), memory("quick")
    sitting = memory("moves").fill_null(0.0) > UPRIGHT_MMHG
    begins = (memory("gone_now") > memory("gone_last")) & (memory("moves") > -LOW_IN_EPISODE_MMHG)
    weak_s = pl.when(weaker < FAINT / 1.4).then(0.0).when(weaker > FAINT).then(at_most(memory("weak_s") + dt, LONG_S))
    first_clear = (memory("slowly") == 0) & (weaker > REDUCED)
    how = pl.when(memory("weak_s") > SLOWLY_S).then(GRADUAL).otherwise(SUDDEN)
    absent = (memory("missing") > GONE).cast(pl.Float32)
    unrest_pace = at_most(forgetting(UNREST_S), MAX_WEIGHT)
    rises = memory("pressure_change") > 0
    return {
        "pressure_quick": toward(memory("pressure_quick"), memory("pressure"), quick),
        "pressure_usual": toward(
            memory("pressure_usual"), memory("pressure"), pl.when(sitting).then(0.1).otherwise(1.0) * memory("pace")
        ),
        "pulse_quick": toward(memory("pulse_quick"), memory("pulse"), quick),
        "pulse_hours": toward(memory("pulse_hours"), memory("pulse"), forgetting(HOUR_S)),
        "pulse_usual": toward(memory("pulse_usual"), memory("pulse"), memory("pace")),
        "pulse_last": memory("pulse"),
        "pressure_last": memory("pressure"),
        "low_mmhg": memory("low_mmhg") + forgetting(HOURS_S) * (memory("moves").clip(-6.0, 3.0) - memory("low_mmhg")),
        "gone": memory("gone") + quick * (absent - memory("gone")),
        "gone_last": memory("gone_now"),
        "episodes": memory("episodes") * fading(COUNTED_S) + begins.cast(pl.Float32).fill_null(0.0),
        "opens": memory("opens")
        + unrest_pace * (pl.when(rises).then(0.0).otherwise(memory("together")) - memory("opens")),
        "closes": memory("closes")
        + unrest_pace * (pl.when(rises).then(memory("together")).otherwise(0.0) - memory("closes")),
        "weak_s": weak_s,
        "slowly": pl.when(weaker < FAINT).then(0.0).when(first_clear).then(how),
    }
