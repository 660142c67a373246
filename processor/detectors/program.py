"""Program detector: a program that changed although no programmer wrote it.

It relies on what the pump itself records, not on commands that Pumpwatch sent: most programs are written by a clinic's
own programmer, and a processor that was down, or that reads the samples again, comes to the same result.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.dose_limits import SESSION_S
from processor.detectors import Detector, Memory, Stage
from processor.detectors.flag import REPORTED, reports

NUMBERS: Final = 2**16
"""Program numbers are compared modulo this, which float32 holds exactly."""
TURN: Final = 2**20
"""Counters are kept modulo this, which float32 holds exactly."""
UNKNOWN: Final = -1.0


def program() -> Detector:
    """Score a pump whose program number changed without a programmer session, until a programmer writes a new program.

    After a session, a pump reports for `SESSION_S` that it was programmed. A new number is not scored after an
    electrical reset, after a restart (`boot`, as of a new pump), or if samples were lost for longer than `SESSION_S`
    meanwhile. Unknown for pumps that do not number their programs.
    """

    def score(memory: Memory) -> pl.Expr:
        return REPORTED * memory("unwritten_now") + pl.col("program") * 0.0

    memory = {"number": None, "boot": None, "missed": None, "unwritten": 0.0}
    return Detector(score, memory, _learn, derive=_derive)


def _derive(memory: Memory) -> tuple[Stage, ...]:
    number = (pl.col("program") % NUMBERS).cast(pl.Float32)
    counted = {name: (pl.col(name).fill_null(0) % TURN).cast(pl.Float32) for name in ("boot", "missed")}
    lost = (counted["missed"] != memory("missed")) & (pl.col("dt") > SESSION_S)
    changed = (number != memory("number")) & (memory("number") != UNKNOWN) & (counted["boot"] == memory("boot"))
    return (
        {
            "written": reports("programmed"),
            "changed": (changed & ~lost & ~reports("reset")).fill_null(value=False),
            **{f"{name}_now": value for name, value in {"number": number, **counted}.items()},
        },
        {
            "unwritten_now": pl.when(memory("written"))
            .then(0.0)
            .when(memory("changed"))
            .then(1.0)
            .otherwise(memory("unwritten")),
        },
    )


def _learn(memory: Memory) -> Stage:
    return {
        # After a reset the number is unknown.
        "number": pl.when(reports("reset")).then(UNKNOWN).otherwise(memory("number_now")),
        "boot": memory("boot_now"),
        "missed": memory("missed_now"),
        "unwritten": memory("unwritten_now"),
    }
