"""This file judges the catheter by pressure and pulsatility together, each against the pump's own past.

A patent catheter carries the heartbeat and breathing of the spinal fluid to the pump (Saulino 2017, Neuromodulation
20:187: 89 % sensitive, 68 % specific), so pulsatility alone is never enough for a high alarm. Where the pulse is gone,
pressure tells an obstruction (risen) from an open connector (fallen to that of the tissue). A stalled motor and a change
of posture leave the pulse as it is.
"""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, forgetting, toward
from processor.detectors.flag import reports

QUICK_S: Final = 1500.0
HOURS_S: Final = 2 * 3600.0
USUAL_S: Final = 48 * 3600.0
COUNTED_S: Final = 6 * 3600.0
UNREST_S: Final = 1.5 * 3600.0
HOUR_S: Final = 3600.0
LEAST_PULSE_MMHG: Final = 1.0
"""No patent catheter carries less: what is usual is not taken for less, so that a pump that comes to us ill is found."""
GONE: Final = 0.5
"""Share of the usual pulse that is missing in a window in which it does not come through."""
MOSTLY: Final = 0.75
"""Averaged share of such windows at the limit: nearly all for more than half an hour."""
RISEN_MMHG: Final = 2.5
FALLEN_MMHG: Final = 2.0
NORMAL: Final = 0.12
"""Share of the pulse whose absence does not stop the learning of what is usual; the fluid's pressure wanders by 3 to 4 %."""
UPRIGHT_MMHG: Final = 5.0
REDUCED: Final = 0.13
WEAK: Final = 0.08
RESTLESS: Final = 0.0022
"""Mean square of the pulse's change from window to window, relative to the usual pulse, where a crack opens and closes.
Without it, noise gives some 0.0006; each change counts as at most `MOST_UNREST`."""
MOST_UNREST: Final = 0.02
EPISODES: Final = 2.5
SLOWLY_S: Final = 2.5 * 3600.0
"""Time from the first to the clear loss of pulse above which it went slowly; a step takes the average an hour."""
LOW_MMHG: Final = 0.5
LATCHED_S: Final = 1e6

Cause = Literal["occlusion", "narrowing", "disconnection", "leak", "kink", "slow closing", "migration"]


def catheter(cause: Cause) -> Detector:
    """Score one cause of a pulse that does not come through as usual.

    "occlusion": gone, pressure risen. "narrowing": gone, pressure as usual. "disconnection": much less, pressure fallen,
    both steadily. "leak": less and restless, pressure low. "kink": goes and comes back, pressure not low. "slow
    closing": went over hours, not at once. "migration": less but not gone, at once and steadily; the least certain.
    """

    def score(memory: Memory) -> pl.Expr:
        known = pl.col("pressure_mmhg") * 0.0 + pl.col("pulse_mmhg") * 0.0
        moved = memory("pressure_quick") - memory("pressure_usual")
        usual = memory("pulse_usual").clip(LEAST_PULSE_MMHG)
        lost = 1.0 - memory("pulse_hours") / usual
        lost_now = 1.0 - memory("pulse_quick") / usual
        gone = memory("gone") / MOSTLY
        restless = memory("unrest") >= RESTLESS
        blinks = memory("episodes") / EPISODES
        slowly = memory("slowly") > 0
        reduced = pl.when((lost_now < GONE + 0.3) & ~restless & (blinks < 0.8) & ~slowly).then(lost / REDUCED)
        found = {
            "occlusion": pl.min_horizontal(gone, moved / RISEN_MMHG),
            "narrowing": pl.when(moved > -FALLEN_MMHG).then(gone),
            "disconnection": pl.when(~restless).then(pl.min_horizontal(lost_now / 0.35, -moved / FALLEN_MMHG)),
            "leak": pl.when(blinks < 0.8).then(
                pl.min_horizontal(memory("unrest") / RESTLESS, lost / WEAK, -memory("low_mmhg") / LOW_MMHG)
            ),
            "kink": blinks,
            "slow closing": pl.when(slowly).then(lost / REDUCED),
            "migration": pl.when(moved.abs() < 3 * RISEN_MMHG).then(reduced),
        }[cause]
        return found.fill_null(0.0).clip(0.0) + known

    memory = {
        **dict.fromkeys(
            ("pressure_quick", "pressure_usual", "pulse_quick", "pulse_hours", "pulse_usual", "pulse_last")
        ),
        **dict.fromkeys(("low_mmhg", "gone", "gone_last", "episodes", "unrest", "weak_s", "slowly"), 0.0),
    }
    return Detector(score, memory, _learn, family="catheter")


def _learn(memory: Memory) -> dict[str, pl.Expr]:
    in_field = reports("mri")
    dt = pl.col("dt").fill_null(0.0)
    pressure = pl.when(~in_field).then(pl.col("pressure_mmhg"))
    pulse = pl.when(~in_field).then(pl.col("pulse_mmhg"))
    usual = memory("pulse_usual").clip(LEAST_PULSE_MMHG)
    lost_now = 1.0 - pulse / usual
    lost_hour = 1.0 - memory("pulse_hours") / usual
    moved_now = pressure - memory("pressure_usual")
    # Who lies on it closes the catheter; who sits up raises the pressure and keeps the pulse: only the pulse decides
    # whether this is usual, and pressures of sitting up teach little.
    normal = (lost_now.abs().fill_null(0.0) < 3 * NORMAL) & (lost_hour.abs().fill_null(0.0) < NORMAL)
    pace = pl.when(normal).then(forgetting(USUAL_S)).otherwise(0.0)
    pressure_pace = pl.when(moved_now.fill_null(0.0) > UPRIGHT_MMHG).then(pace * 0.1).otherwise(pace)
    gone_now = (lost_now > GONE).cast(pl.Float32)
    # Between the two limits it is as it was, so that a pulse at the limit is one episode.
    gone_state = pl.when(lost_now > GONE).then(1.0).when(lost_now < 0.2).then(0.0).otherwise(memory("gone_last"))
    begins = (gone_state > memory("gone_last")) & (moved_now > -1.5)
    change = (pulse - memory("pulse_last")) / usual
    weak_s = pl.when(lost_hour < 0.04).then(0.0).when(lost_hour > 0.055).then(memory("weak_s") + dt)
    clear = lost_hour > REDUCED
    was_slow = pl.when(clear & (memory("weak_s") > SLOWLY_S) & (memory("slowly") == 0)).then(1.0)
    return {
        "pressure_quick": toward(memory("pressure_quick"), pressure, forgetting(QUICK_S)),
        "pressure_usual": toward(memory("pressure_usual"), pressure, pressure_pace),
        "pulse_quick": toward(memory("pulse_quick"), pulse, forgetting(QUICK_S)),
        "pulse_hours": toward(memory("pulse_hours"), pulse, forgetting(HOUR_S)),
        "pulse_usual": toward(memory("pulse_usual"), pulse, pace),
        "pulse_last": pulse,
        "low_mmhg": memory("low_mmhg") + forgetting(HOURS_S) * (moved_now.clip(-6.0, 3.0) - memory("low_mmhg")),
        "gone": memory("gone") + forgetting(QUICK_S) * (gone_now - memory("gone")),
        "gone_last": gone_state,
        "episodes": memory("episodes") * (-dt / COUNTED_S).exp() + begins.cast(pl.Float32).fill_null(0.0),
        "unrest": memory("unrest")
        + forgetting(UNREST_S) * ((change * change).clip(0.0, MOST_UNREST) - memory("unrest")),
        "weak_s": weak_s.clip(0.0, LATCHED_S),
        "slowly": pl.when(lost_hour < 0.05).then(0.0).otherwise(was_slow),
    }
