"""This file judges the stream of a pump's samples: what is lost on the way, repeated or out of order, and its clock."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, forgetting
from processor.detectors.flag import reports

HOUR_S: Final = 3600.0
SHARE: Final = 0.08
"""Averaged share of samples at the limit; modelling choice."""
STEP_S: Final = 300.0
"""How far a clock may be off; modelling choice, the length of a window."""
MOST_S: Final = 1e9
LEARNS: Final = 0.3
AT_ONCE: Final = 0.1


def stream(finding: Literal["lost", "repeated", "clock"]) -> Detector:
    """Score the share of samples that never arrived: "lost"; that came twice or late: "repeated"; or a clock that has
    jumped ahead: time went on by more than the count of samples says.

    Samples that a magnetic field kept from being heard are not held against the line. A clock that was wrong from the
    first sample on cannot be told from one that is right.
    """

    def score(memory: Memory) -> pl.Expr:
        known = pl.col("count") * 0.0
        if finding == "clock":
            return (memory("ahead_s") / STEP_S).clip(0.0) + known
        return memory(finding) / SHARE + known

    memory = {"lost": 0.0, "repeated": 0.0, "ahead_s": 0.0}
    last = {"missed_last": None, "stale_last": None, "seq_last": None, "boot_last": None, "in_field": 0.0}
    return Detector(score, {**memory, **last, "interval_s": None}, _learn, family="stream")


def _learn(memory: Memory) -> dict[str, pl.Expr]:
    count, dt = pl.col("count"), pl.col("dt").fill_null(0.0)
    # Counters grow beyond what float32 tells apart; what is kept of them turns over long before.
    missed, stale, seq = (pl.col(name) % TURN for name in ("missed", "stale", "seq"))
    boot = pl.col("boot") % TURN
    excused = reports("mri") | (memory("in_field") > 0)
    lost = pl.when(excused).then(0.0).otherwise((missed - memory("missed_last")) % TURN)
    repeated = (stale - memory("stale_last")) % TURN
    weight = forgetting(HOUR_S)
    steps = (seq - memory("seq_last")) % TURN
    same_life = boot == memory("boot_last")
    usual = memory("interval_s")
    interval = dt / steps
    jump = pl.when(same_life & (steps > 0)).then(dt - steps * usual).fill_null(0.0)
    learned = usual + (LEARNS * (interval - usual)).clip(-AT_ONCE * usual, AT_ONCE * usual)
    off = pl.when(jump.abs() > STEP_S / 2).then(jump).otherwise(0.0)
    return {
        "lost": memory("lost") + weight * (lost / (lost + count) - memory("lost")),
        "repeated": memory("repeated") + weight * (repeated / (repeated + count) - memory("repeated")),
        "ahead_s": pl.when(same_life).then((memory("ahead_s") + off).clip(-MOST_S, MOST_S)).otherwise(0.0),
        "missed_last": missed,
        "stale_last": stale,
        "seq_last": seq,
        "boot_last": boot,
        "in_field": reports("mri").cast(pl.Float32),
        "interval_s": pl.when(steps > 0).then(pl.coalesce(learned, interval)),
    }


TURN: Final = 2**20
