"""Recovery: a pipeline saved to the checkpoint of a data directory, and restored from it."""

from __future__ import annotations

from pathlib import Path

from broker.store.journal import Head
from processor.alarms import lifecycle
from processor.engine.columns import Rules
from processor.intake.backlog import Backlog
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service import checkpoint
from processor.watch.cohorts import CohortWatch


def save(data: Path, pipeline: Pipeline, now: int, head: Head = checkpoint.NOTHING_WRITTEN) -> None:
    """Write the checkpoint of a pipeline; `now` is wall ms, `head` the end of the journal. Raises `OSError`."""
    saved = checkpoint.Saved(
        state=pipeline.state,
        alarms=pipeline.alarms,
        registry=pipeline.registry,
        gaps=pipeline.gaps,
        timers=pipeline.timers,
        orders=pipeline.orders,
        backlog=pipeline.backlog.waiting,
        acted=tuple(pipeline.action_ids),
        compared=pipeline.cohorts.compared,
    )
    checkpoint.save(data, saved, now, head)


def restore(data: Path, rules: Rules = RULES) -> Pipeline:
    """Return the pipeline of the checkpoint, or a new one if there is no checkpoint; raises `CheckpointError`."""
    pipeline = Pipeline(rules)
    saved = checkpoint.load(data, rules, pipeline.listed)
    if saved is None:
        return pipeline
    pipeline = Pipeline(
        rules,
        registry=saved.registry,
        alarms=saved.alarms,
        gaps=saved.gaps,
        timers=saved.timers,
        orders=saved.orders,
        backlog=Backlog(saved.backlog),
        cohorts=CohortWatch(saved.compared),
        action_ids=dict.fromkeys(saved.acted),
    )
    pipeline.state = saved.state
    # A checkpoint of an older version does not record which alarms are suppressed by which.
    pipeline.alarms, _ = lifecycle.settle(
        pipeline.alarms, pipeline.alarms, [], subjects=pipeline.subjects(0), rules=pipeline.listed
    )
    return pipeline
