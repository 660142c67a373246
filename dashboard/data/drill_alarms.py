"""Alarms of drills: which faults and alarms count, and what happens when a person acknowledges one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from random import Random

import polars as pl

from broker.contract.log_events import event
from broker.store.snapshot import Snapshot
from dashboard.data import drill_records
from dashboard.data.drill_records import Drill
from dashboard.data.drill_store import DrillError, DrillStore
from dashboard.languages import tr

log = logging.getLogger("dashboard")


def detectable(snapshot: Snapshot) -> list[str]:
    """Return the announced faults whose cause an alarm of one pump names, in order."""
    targets = snapshot.health.rule_targets.values()
    named = {fault for target in targets for fault in target.identifies}
    return [fault for fault in snapshot.health.faults if fault in named]


def expected(snapshot: Snapshot, fault: str) -> list[str]:
    """Return the rules whose alarm identifies or detects a fault."""
    targets = snapshot.health.rule_targets.items()
    return [rule for rule, target in targets if fault in (*target.identifies, *target.detects)]


def answered_by(drill: Drill, snapshot: Snapshot, *, who: str, at: int, rule: str) -> Drill:
    """Return a drill whose alarm was acknowledged, with the question for the person: what to do first."""
    actions = dict(snapshot.rules.filter(pl.col("subject_kind") == "pump").select("rule", "action").iter_rows())
    right = drill_records.first_action(actions.get(rule) or "")
    offered = drill_records.options(right, list(actions.values()), Random(drill.id)) if right else ()
    return drill_records.acknowledged(drill, who=who, at=at, rule=rule, options=offered, right=right)


def first_actions(snapshot: Snapshot) -> dict[str, str]:
    """Return the first actions that the rules recommend, in the viewer's language by their English."""
    actions = snapshot.rules["action"].drop_nulls().unique(maintain_order=True)
    return {drill_records.first_action(action): drill_records.first_action(tr(action)) for action in actions}


def without_commands(entries: pl.DataFrame, drills: Sequence[Drill]) -> pl.DataFrame:
    """Return journal entries without the commands of running drills."""
    for drill in drills:
        of_drill = (pl.col("who") == drill.by) & (pl.col("pump") == drill.pump)
        entries = entries.filter(~of_drill.fill_null(value=False))
    return entries


def noticed(store: DrillStore, snapshot: Snapshot, alarms: Sequence[str], who: str, now: int) -> str:
    """Note that a person acknowledged alarms; return the sentence that tells that one was of a drill, "" if none was.

    The alarm is a real one to the system: it stays until its cause is gone.
    """
    running = [drill for drill in store.blind() if drill.state == "running"]
    if not running:
        return ""
    rows = snapshot.alarms.filter(pl.col("alarm").is_in(list(alarms)))
    for drill in running:
        of_fault = rows.filter(
            (pl.col("pump") == drill.pump)
            & pl.col("rule").is_in(expected(snapshot, drill.fault))
            & (pl.col("raised") >= drill.onset)
        )
        if of_fault.is_empty():
            continue
        row = of_fault.row(0, named=True)
        known = drill_records.alarmed(drill, row["raised_wall"] or now)
        told = answered_by(known, snapshot, who=who, at=now, rule=row["rule"])
        if _stored(store, told):
            return tr(" This was a drill on {pump}: open Drills and say what you would do first.", pump=drill.pump)
    return ""


def _stored(store: DrillStore, drill: Drill) -> bool:
    try:
        return store.update(drill, "running")
    except DrillError as error:  # the acknowledgment counts, whatever becomes of the drill
        log.warning("Drill on %s: %s", drill.pump, error, extra=event("drill_failed", pump=drill.pump))
        return False
