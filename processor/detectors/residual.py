"""Residual detector: the averaged difference of measured and expected flow against a tolerance."""

from __future__ import annotations

from typing import Literal

import polars as pl

from processor.detectors import Detector, Memory, at_least, forgetting, toward
from processor.detectors.flag import reports


def residual(
    measured: str,
    expected: str,
    *,
    direction: Literal["below", "above"],
    share: float,
    floor: float,
    tau_s: float,
) -> Detector:
    """Score the averaged difference against `share` of the expected value, but at least `floor` (the signal's unit).

    Both signals are averaged over `tau_s`, so that a program step moves both alike and is not a fault. Starts with no
    difference. Works for delivery against prescription. Unknown while either signal is unknown; learns nothing in a
    magnetic field, where a pump stands for a known reason. Small lasting differences are for `shift`.
    """
    sign = -1.0 if direction == "below" else 1.0

    def score(memory: Memory) -> pl.Expr:
        allowed = (share * memory("expected")).clip(floor)
        known = 0.0 * pl.col(measured) + 0.0 * pl.col(expected)
        return at_least(sign * memory("difference"), 0.0) / allowed + known

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        difference = pl.when(~reports("mri")).then(pl.col(measured) - pl.col(expected))
        weight = forgetting(tau_s)
        return {
            "difference": memory("difference") + weight * (difference - memory("difference")),
            "expected": toward(memory("expected"), pl.col(expected), weight),
        }

    return Detector(score, {"difference": 0.0, "expected": None}, learn)
