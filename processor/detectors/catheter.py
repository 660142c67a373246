"""This file judges the catheter by pressure and pulsatility together, each against the pump's own past.

A patent catheter carries the heartbeat and breathing of the spinal fluid to the pump (Saulino 2017, Neuromodulation
20:187: 89 % sensitive, 68 % specific), so pulsatility alone is never enough for a high alarm. Where the pulse is gone,
pressure tells an obstruction (risen) from an open connector (fallen to that of the tissue). A stalled motor and a
change of posture leave the pulse as it is.
"""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, fading, forgetting, toward
from processor.detectors.flag import reports

QUICK_S: Final = 1500.0
HOURS_S: Final = 2 * 3600.0
USUAL_S: Final = 48 * 3600.0
COUNTED_S: Final = 6 * 3600.0
UNREST_S: Final = 1.5 * 3600.0
HOUR_S: Final = 3600.0
MIN_PULSE_MMHG: Final = 1.0
"""No patent catheter carries less: what is usual is not taken for less, so a pump that comes to us ill is found."""
GONE: Final = 0.5
"""Share of the usual pulse that is missing in a window in which it does not come through."""
MOSTLY: Final = 0.75
"""Averaged share of such windows at the limit: nearly all for more than half an hour."""
RISEN_MMHG: Final = 2.5
FALLEN_MMHG: Final = 2.0
NORMAL: Final = 0.12
"""Share of the pulse whose absence does not stop the learning of what is usual; it wanders by 3 to 4 %."""
UPRIGHT_MMHG: Final = 5.0
REDUCED: Final = 0.13
WEAK: Final = 0.05
RESTLESS: Final = 0.0004
NOISE: Final = 0.0005
"""Mean square of how far pulse and pressure, each as a share of its usual, move together from window to window, to and
fro, where a crack opens and closes; and what is added for noise, divided by the samples of the window. Noise moves them
one without the other: none of 200 healthy pumps came to 0.00045 in four days of samples a minute apart, or to 0.0012
of samples five minutes apart. A crack that takes 15 % of the pulse on average gives 0.0016."""
MAX_UNREST: Final = 0.04
ONE_CHANGE: Final = 0.1
"""What one change of window counts at most, and its greatest weight, however rarely a pump reports; modelling
choices."""
TISSUE_MMHG: Final = 2.0
"""Pressure of the tissue, towards which a leak lets that of the fluid fall; modeling choice."""
MIN_MMHG: Final = 5.0
WANDERS: Final = 0.93
"""How far the fluid's pressure wanders down, as a share of the usual, some three standard deviations."""
EPISODES: Final = 2.5
SLOWLY_S: Final = 2.5 * 3600.0
"""Time from the first to the clear loss of pulse above which it went slowly; a step takes the average an hour."""
LOW_MMHG: Final = 0.35
LONG_S: Final = 1e6
FAINT: Final = 0.055
"""Share of the pulse whose loss starts the clock that tells a slow loss from a sudden one."""
SLOWLY: Final = 1.0
SUDDENLY: Final = -1.0
BACK: Final = 0.2
LOW_IN_EPISODE_MMHG: Final = 1.5

Cause = Literal["occlusion", "narrowing", "disconnection", "leak", "kink", "slow closing", "migration"]


def catheter(cause: Cause) -> Detector:
    """Score one cause of a pulse that does not come through as usual.

    "occlusion": gone, pressure risen. "narrowing": gone, pressure as usual. "disconnection": much less, pressure
    fallen, both steadily. "leak": less and restless, pressure low. "kink": goes and comes back, pressure not low.
    "slow closing": went over hours, not at once. "migration": less but not gone, at once and steadily; the least
    certain.
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
    """Return the pulse (mmHg) that this catheter usually carries."""
    return memory("pulse_usual").clip(MIN_PULSE_MMHG)


def moved(memory: Memory) -> pl.Expr:
    """Return by how much (mmHg) the pressure of the last 25 min differs from the usual one."""
    return memory("pressure_quick") - memory("pressure_usual")


def lost(memory: Memory, over: Literal["hours", "quick"]) -> pl.Expr:
    """Return the share of the usual pulse that is missing over an hour ("hours") or 25 min ("quick")."""
    return 1.0 - memory(f"pulse_{over}") / usual_pulse(memory)


def unrest(memory: Memory) -> pl.Expr:
    """Return the mean square by which pulse and pressure fall and rise together; a single step counts nothing."""
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
            "restlessness": unrest(memory) / (RESTLESS + NOISE / at_least(pl.col("count"), 1.0)),
            "quick": forgetting(QUICK_S),
        },
        {
            # The pulse grows with the fluid's pressure: as much as that wanders down, the pulse may.
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
            # Who lies on it closes the catheter; who sits up raises the pressure and keeps the pulse: only the pulse
            # decides whether this is usual, and pressures of sitting up teach little.
            "pace": pl.when(
                (memory("missing").abs().fill_null(0.0) < 3 * NORMAL) & (memory("lost").abs().fill_null(0.0) < NORMAL)
            )
            .then(forgetting(USUAL_S))
            .otherwise(0.0),
            # Between the two limits it is as it was, so that a pulse at the limit is one episode.
            "gone_now": pl.when(memory("missing") > GONE)
            .then(1.0)
            .when(memory("missing") < BACK)
            .then(0.0)
            .otherwise(memory("gone_last")),
            # A posture moves the pressure alone, a kink both apart: the smaller move counts, and against it if apart.
            "together": (
                pl.min_horizontal(memory("pulse_change").abs(), memory("pressure_change").abs()).pow(2)
                * (memory("pulse_change") * memory("pressure_change")).sign()
            ).clip(-MAX_UNREST, MAX_UNREST),
        },
    )


def _learn(memory: Memory) -> Stage:
    dt, weaker, quick = pl.col("dt").fill_null(0.0), memory("weaker"), memory("quick")
    sitting = memory("moves").fill_null(0.0) > UPRIGHT_MMHG
    begins = (memory("gone_now") > memory("gone_last")) & (memory("moves") > -LOW_IN_EPISODE_MMHG)
    weak_s = pl.when(weaker < FAINT / 1.4).then(0.0).when(weaker > FAINT).then(at_most(memory("weak_s") + dt, LONG_S))
    first_clear = (memory("slowly") == 0) & (weaker > REDUCED)
    how = pl.when(memory("weak_s") > SLOWLY_S).then(SLOWLY).otherwise(SUDDENLY)
    absent = (memory("missing") > GONE).cast(pl.Float32)
    unrest_pace = at_most(forgetting(UNREST_S), ONE_CHANGE)
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
