"""Stream detector: lost, duplicate and out-of-order samples of a pump, and jumps of its clock."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, forgetting
from processor.detectors.flag import reports

HOUR_S: Final = 3600.0
SHARE: Final = 0.08
"""Averaged share of samples at the limit; modeling choice."""
STEP_S: Final = 300.0
"""Clock error at the limit: the length of a window; modeling choice."""
MAX_S: Final = 1e9
LEARN_RATE: Final = 0.3
MAX_CHANGE: Final = 0.1
"""Weight of a new reporting interval in the learned one, and the largest relative change per window; modeling
choices."""
TURN: Final = 2**20
"""Counters are kept modulo this, which float32 holds exactly."""


def stream(finding: Literal["lost", "repeated", "clock"]) -> Detector:
    """Score one finding about the samples of a pump.

    "lost": the share of samples that never arrived, by gaps in the sequence numbers. "repeated": the share that came
    twice or late. "clock": the pump clock has jumped ahead, that is, time advanced further than the sample count
    implies in one window and not in the next (otherwise the pump has changed its reporting interval). Samples lost in a
    magnetic field do not count, nor do those that the gateway redelivered. Works for pumps that number their samples. A
    clock that was wrong from the first sample on cannot be detected.
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
    # Counters grow beyond the integers that float32 represents exactly, so they are kept modulo `TURN`.
    counted = {
        "missed": pl.col("missed"),
        "repeats": pl.col("stale") - pl.col("resent"),
        "seq": pl.col("seq"),
        "boot": pl.col("boot"),
    }
    wrapped = {name: (count.fill_null(0) & (TURN - 1)).cast(pl.Float32) for name, count in counted.items()}
    return (
        {**wrapped, "excused": reports("mri") | (memory("in_field") > 0), "weight": forgetting(HOUR_S)},
        {
            "lost_now": pl.when(memory("excused")).then(0.0).otherwise(_since(memory, "missed")),
            "repeated_now": _since(memory, "repeats"),
            # A sample without a sequence number (0 here) gives no step, nor does the one after it.
            "steps": pl.when((memory("seq") > 0) & (memory("seq_last") > 0)).then(_since(memory, "seq")),
            "same_boot": memory("boot") == memory("boot_last"),
        },
        {
            "jump_s": pl.when(memory("same_boot") & (memory("steps") > 0))
            .then(pl.col("dt") - memory("steps") * memory("interval_s"))
            .fill_null(0.0),
            "spacing_s": pl.when(memory("same_boot") & (memory("steps") > 0)).then(pl.col("dt") / memory("steps")),
        },
        {
            "odd": memory("jump_s").abs() > STEP_S / 2,
            "again": (memory("jump_s").abs() > STEP_S / 2) & (memory("odd_s") != 0.0),
        },
    )


def _since(memory: Memory, counter: str) -> pl.Expr:
    increase = memory(counter) - memory(f"{counter}_last")
    return pl.when(increase < 0).then(increase + TURN).otherwise(increase)


def _learn(memory: Memory) -> Stage:
    count, usual = pl.col("count"), memory("interval_s")
    near = usual + (LEARN_RATE * (memory("spacing_s") - usual)).clip(-MAX_CHANGE * usual, MAX_CHANGE * usual)
    learned = pl.when(memory("again")).then(memory("spacing_s")).otherwise(near)
    # An odd interval in a single window was a jump of the clock.
    jumped = pl.when(~memory("odd") & memory("spacing_s").is_not_null()).then(memory("odd_s")).otherwise(0.0)
    shares = {
        name: memory(name) + memory("weight") * (now / (now + count) - memory(name))
        for name, now in (("lost", memory("lost_now")), ("repeated", memory("repeated_now")))
    }
    return {
        **shares,
        **{f"{counter}_last": memory(counter) for counter in ("missed", "repeats", "seq", "boot")},
        "ahead_s": pl.when(memory("same_boot"))
        .then(at_most(at_least(memory("ahead_s") + jumped, -MAX_S), MAX_S))
        .otherwise(0.0),
        "odd_s": pl.when(~memory("same_boot") | memory("again"))
        .then(0.0)
        .when(memory("odd"))
        .then(memory("jump_s"))
        .when(memory("spacing_s").is_not_null())
        .then(0.0),
        "in_field": reports("mri").cast(pl.Float32),
        "interval_s": pl.coalesce(learned, memory("spacing_s")),
    }
