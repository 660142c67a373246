"""Conditions of a run: the windows of one pump that change an alarm are applied one by one, the others together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.alarms.hold import Conditions, conditions_of_pumps, has_cleared, stands
from processor.engine.columns import Rules, in_state_name, is_scored_by, score_name

Advance = Callable[[pl.DataFrame, Conditions, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]
"""Applies conditions found in rows to open alarms; returns these and what changed."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def advance(
    alarms: pl.DataFrame, rows: pl.DataFrame, rules: Rules, apply: Advance
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Apply the conditions after each window of one pump (`rows`, in order) to the open alarms, as one by one.

    Between two changes of its alarms all that a window can do is raise the highest score of those that stand.
    """
    scored = [rule for rule in rules if is_scored_by(rule, "sample")]
    names = [rule.name for rule in scored]
    score = _matrix(rows, [score_name(rule) for rule in scored])
    passed_s = _matrix(rows, [in_state_name(rule) for rule in scored])
    standing = stands(score, passed_s, np.array([rule.on_delay_s for rule in scored])).astype(np.bool_)
    cleared = has_cleared(
        score,
        passed_s,
        np.array([rule.off_delay_s for rule in scored]),
        np.array([rule.deadband for rule in scored]),
    ).astype(np.bool_)
    pump = int(rows["pump"][0])
    changes, at = list[pl.DataFrame](), 0
    while at < rows.height:
        stood = _standing(alarms, pump, names)
        found = ((standing[at:] & ~stood) | (cleared[at:] & stood)).any(axis=1)
        next_at = at + int(found.argmax()) if found.any() else rows.height
        alarms = _raise_scores(alarms, pump, names, score[at:next_at], standing[at:next_at] & stood)
        if next_at == rows.height:
            break
        row = rows[next_at]
        alarms, changed = apply(alarms, conditions_of_pumps(row, alarms, rules), row)
        changes.append(changed)
        at = next_at + 1
    return alarms, changes


def _matrix(rows: pl.DataFrame, columns: list[str]) -> Floats:
    return rows.select(columns).to_numpy().astype(np.float64)


def _standing(alarms: pl.DataFrame, pump: int, names: list[str]) -> Bools:
    """Return for each rule whether the pump has an alarm whose condition has not cleared."""
    own = alarms.filter((pl.col("pump") == pump) & pl.col("returned").is_null())["rule"].to_list()
    return np.isin(names, own)


def _raise_scores(alarms: pl.DataFrame, pump: int, names: list[str], score: Floats, standing: Bools) -> pl.DataFrame:
    """Return the alarms with the highest `score` of these windows in which their conditions stood."""
    if not standing.any():
        return alarms
    highest = np.where(standing, score, -np.inf).max(axis=0)
    pumps = pl.repeat(pump, len(names), dtype=pl.UInt32, eager=True)
    columns = {"pump": pumps, "rule": names, "highest": highest}
    known = pl.DataFrame(columns, {"pump": pl.UInt32, "rule": pl.String, "highest": pl.Float32})
    return (
        alarms.join(known.filter(pl.col("highest").is_finite()), on=["pump", "rule"], how="left", maintain_order="left")
        .with_columns(pl.max_horizontal("score", "highest").alias("score"))
        .drop("highest")
    )
