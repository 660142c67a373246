"""Conditions of pumps, gateways, fleet and Pumpwatch itself, held for their delays and applied to the alarms."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.alarms import evidence, run_conditions
from processor.alarms import lifecycle as alarm_list
from processor.alarms.hold import Conditions, conditions_of_pumps, hold
from processor.alarms.subjects import Subjects
from processor.engine import runs
from processor.engine.engine import StepResult
from processor.fleet.state import FleetState
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from processor.watch import self_monitoring

MAX_RUN_CHANGES: Final = 8
"""Windows that change alarms after which the rest of a run waits for the next batch; each takes about 20 ms."""


def apply_conditions(
    fleet: FleetState, conditions: Conditions, rows: pl.DataFrame, subjects: Subjects, now: int
) -> pl.DataFrame:
    """Apply conditions to the alarms and return what changed; `rows` are the pumps in which they were found."""
    fleet.alarms, changes = alarm_list.advance(fleet.alarms, conditions, now=now, subjects=subjects, rules=fleet.listed)
    if changes.is_empty():
        return changes
    watched = ((fleet.gateways.rows, GATEWAY_RULES), *fleet.cohorts.rows(fleet.timers))
    for scored, rules in ((rows, fleet.rules), *watched):
        fleet.alarms, changes = evidence.attach(fleet.alarms, changes, scored, rules)
    return changes


def apply_scores(
    fleet: FleetState, scores: pl.DataFrame, pumps: pl.DataFrame, subjects: Subjects, now: int
) -> pl.DataFrame:
    """Hold scores of gateways, fleet, cohorts and silent `pumps` for their delays; return what changed."""
    fleet.timers, conditions = hold(fleet.timers, scores, fleet.listed)
    return apply_conditions(fleet, conditions, pumps, subjects, now)


def apply_step(fleet: FleetState, step: StepResult, subjects: Subjects, now: int) -> list[pl.DataFrame]:
    """Take over what a wave did to the pumps; return what changed."""
    fleet.state, fleet.gaps, rows = step.state, step.gaps, step.judged
    if rows.is_empty():
        return []
    return [apply_conditions(fleet, conditions_of_pumps(rows, fleet.alarms, fleet.rules), rows, subjects, now)]


def take_run(fleet: FleetState, run: pl.DataFrame, window_s: float, subjects: Subjects, now: int) -> list[pl.DataFrame]:
    """Take in samples of one pump, as many as there is time for; return what changed."""
    changes, taken = list[pl.DataFrame](), 0

    def apply(alarms: pl.DataFrame, conditions: Conditions, row: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        fleet.alarms = alarms
        changed = apply_conditions(fleet, conditions, row, subjects, now)
        return fleet.alarms, changed

    most = fleet.backlog.max_thin_waves
    for step, count in runs.steps(fleet.state, run, fleet.rules, window_s, gaps=fleet.gaps, max_waves=most):
        fleet.state, fleet.gaps, taken = step.state, step.gaps, count
        if step.judged.height:
            fleet.alarms, changed = run_conditions.advance(fleet.alarms, step.judged, fleet.rules, apply)
            changes += changed
        if most is not None and len(changes) >= MAX_RUN_CHANGES:
            break
    fleet.backlog.wait(run[taken:])
    return changes


def apply_readings(fleet: FleetState, readings: pl.DataFrame, subjects: Subjects, now: int) -> pl.DataFrame:
    """Score Pumpwatch itself by its `readings` (`processor.watch.readings.SCHEMA`); return what changed."""
    fleet.monitor, found = self_monitoring.score(fleet.monitor, readings, fleet.timers, now=now, time=subjects.together)
    fleet.timers, conditions = hold(fleet.timers, found.scores, SYSTEM_RULES, now)
    fleet.alarms, changes = alarm_list.advance(fleet.alarms, conditions, now=now, subjects=subjects, rules=fleet.listed)
    fresh = found.evidence(conditions.standing, fleet.timers, now)
    fleet.alarms, changes = evidence.bear(fleet.alarms, changes, fresh)
    return changes
