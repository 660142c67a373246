"""This file judges the stream of a pump's samples: what is lost on the way, repeated or out of order, and its clock."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, forgetting
from processor.detectors.flag import reports

HOUR_S: Final = 3600.0
SHARE: Final = 0.08
"""Averaged share of samples at the limit; modeling choice."""
STEP_S: Final = 300.0
"""How far a clock may be off; modeling choice, the length of a window."""
MAX_S: Final = 1e9
LEARNS: Final = 0.3
AT_ONCE: Final = 0.1
TURN: Final = 2**20


def stream(finding: Literal["lost", "repeated", "clock"]) -> Detector:
    """Score the share of samples that never arrived: "lost"; that came twice or late: "repeated"; or a clock that has
    jumped ahead: time went on by more than the count of samples says, in one window and not in the next, for then the
    pump has changed its interval.

    Samples that a magnetic field kept from being heard are not held against the line, nor those that its gateway sent
    again of itself. A clock that was wrong from the
    first sample on cannot be told from one that is right.
    """

    def score(memory: Memory) -> pl.Expr:
        known = pl.col("count") * 0.0
        if finding == "clock":
            return at_least(memory("ahead_s") / STEP_S, 0.0) + known
        return memory(finding) / SHARE + known

    memory = {"lost": 0.0, "repeated": 0.0, "ahead_s": 0.0, "odd_s": 0.0}
    last = {"missed_last": None, "repeats_last": None, "seq_last": None, "boot_last": None, "in_field": 0.0}
    return Detector(score, {**memory, **last, "interval_s": None}, _learn, family="stream", derive=_derive)


def _derive(memory: Memory) -> tuple[Stage, ...]:
    # Counters grow beyond what float32 tells apart; what is kept of them turns over long before.
    counted = {
        "missed": pl.col("missed"),
        "repeats": pl.col("stale") - pl.col("resent"),
        "seq": pl.col("seq"),
        "boot": pl.col("boot"),
    }
    turning = {name: (count.fill_null(0) & (TURN - 1)).cast(pl.Float32) for name, count in counted.items()}
    return (
        {**turning, "excused": reports("mri") | (memory("in_field") > 0), "weight": forgetting(HOUR_S)},
        {
            "lost_now": pl.when(memory("excused")).then(0.0).otherwise(_since(memory, "missed")),
            "repeated_now": _since(memory, "repeats"),
            # A sample without a count, 0 here, tells nothing, nor does the one after it.
            "steps": pl.when((memory("seq") > 0) & (memory("seq_last") > 0)).then(_since(memory, "seq")),
            "same_life": memory("boot") == memory("boot_last"),
        },
        {
            "jump_s": pl.when(memory("same_life") & (memory("steps") > 0))
            .then(pl.col("dt") - memory("steps") * memory("interval_s"))
            .fill_null(0.0),
            "spacing_s": pl.when(memory("same_life") & (memory("steps") > 0)).then(pl.col("dt") / memory("steps")),
        },
        {
            "odd": memory("jump_s").abs() > STEP_S / 2,
            "again": (memory("jump_s").abs() > STEP_S / 2) & (memory("odd_s") != 0.0),
        },
    )


def _since(memory: Memory, counter: str) -> pl.Expr:
    grown = memory(counter) - memory(f"{counter}_last")
    return pl.when(grown < 0).then(grown + TURN).otherwise(grown)


def _learn(memory: Memory) -> Stage:
    count, usual = pl.col("count"), memory("interval_s")
    near = usual + (LEARNS * (memory("spacing_s") - usual)).clip(-AT_ONCE * usual, AT_ONCE * usual)
    learned = pl.when(memory("again")).then(memory("spacing_s")).otherwise(near)
    # What was odd in one window alone was a jump of the clock.
    jumped = pl.when(~memory("odd") & memory("spacing_s").is_not_null()).then(memory("odd_s")).otherwise(0.0)
    shares = {
        name: memory(name) + memory("weight") * (now / (now + count) - memory(name))
        for name, now in (("lost", memory("lost_now")), ("repeated", memory("repeated_now")))
    }
    return {
        **shares,
        **{f"{counter}_last": memory(counter) for counter in ("missed", "repeats", "seq", "boot")},
        "ahead_s": pl.when(memory("same_life"))
        .then(at_most(at_least(memory("ahead_s") + jumped, -MAX_S), MAX_S))
        .otherwise(0.0),
        "odd_s": pl.when(~memory("same_life") | memory("again"))
        .then(0.0)
        .when(memory("odd"))
        .then(memory("jump_s"))
        .when(memory("spacing_s").is_not_null())
        .then(0.0),
        "in_field": reports("mri").cast(pl.Float32),
        "interval_s": pl.coalesce(learned, memory("spacing_s")),
    }
