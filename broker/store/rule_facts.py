"""Alarm rules as the processor publishes them with the snapshot: what screens say about a rule besides its alarms."""

from __future__ import annotations

from typing import Final

import polars as pl

RULES_SCHEMA: Final[dict[str, pl.DataType]] = {
    "rule": pl.String(),
    "title": pl.String(),
    "subject_kind": pl.String(),
    "priority": pl.Int8(),
    "meaning": pl.String(),
    "action": pl.String(),
    "time_to_respond": pl.String(),
    "rationale": pl.String(),
    "thresholds": pl.List(pl.String()),
    "deadband": pl.Float64(),
    "on_delay_s": pl.Float64(),
    "off_delay_s": pl.Float64(),
    "wall_clock": pl.Boolean(),
    "latch": pl.Boolean(),
    "detection_target_h": pl.Float64(),
    "evidence": pl.List(pl.String()),
    "rules_out": pl.List(pl.String()),
    "identifies": pl.List(pl.String()),
    "detects": pl.List(pl.String()),
    "suppresses": pl.List(pl.String()),
    "suppressed_by": pl.List(pl.String()),
    "mdc": pl.String(),
}
"""One row per rule. `subject_kind` is what it is about (`broker.contract.subjects`); `priority` is 1 high to 3 low.

`thresholds` are sentences, one per measurement with a limit; an alarm returns to normal below the share `deadband` of
its limit. Delays are seconds of therapy, or of the wall clock with `wall_clock`. `evidence` names measurements,
`rules_out` causes with the reason that excludes them, `identifies` and `detects` faults, `suppresses` and
`suppressed_by` other rules. `mdc` is the reference id of the closest event in IEEE 11073 (`broker.contract.mdc`).
"""
