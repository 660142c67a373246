"""Recovery: a pipeline saved to the checkpoint of a data directory, and restored from it and from the message log."""

from __future__ import annotations

from pathlib import Path

from broker.contract.signed import Opener, Verifier
from broker.store.journal import Head
from processor.alarms import lifecycle
from processor.batch_result import BatchResult
from processor.engine.columns import Rules
from processor.intake.backlog import Backlog
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service import checkpoint
from processor.service.guard import GuardedPipeline
from processor.service.message_log import Taken
from processor.watch.cohorts import CohortWatch


def cut(pipeline: Pipeline, log: int = 0) -> checkpoint.Cut:
    """Return the state of a pipeline as it is now; `log` is the first part of the message log after it."""
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
    return checkpoint.cut(saved, log)


def save(data: Path, pipeline: Pipeline, now: int, head: Head = checkpoint.NOTHING_WRITTEN) -> None:
    """Write the checkpoint of a pipeline; `now` is wall ms, `head` the end of the journal. Raises `OSError`."""
    checkpoint.save(data, cut(pipeline), now, head)


def restore(data: Path, rules: Rules = RULES, verifier: Opener | None = None) -> Pipeline:
    """Return the pipeline of the checkpoint, or a new one if there is no checkpoint; raises `CheckpointError`.

    `verifier` opens commands and actions; without one, all are refused.
    """
    opener = Verifier() if verifier is None else verifier
    pipeline = Pipeline(rules, verifier=opener)
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
        verifier=opener,
    )
    pipeline.state = saved.state
    # A checkpoint of an older version does not record which alarms are suppressed by which.
    pipeline.alarms, _ = lifecycle.settle(
        pipeline.alarms, pipeline.alarms, [], subjects=pipeline.subjects(0), rules=pipeline.listed
    )
    return pipeline


def replay(guarded: GuardedPipeline, taken: Taken) -> list[BatchResult]:
    """Take in once more what the message log has kept; return the results."""
    if taken.step_ms:
        guarded.pipeline.shift_wall_clock(taken.step_ms)
    return guarded.take(
        taken.messages, taken.now, listening=taken.listening, current=taken.current, readings=taken.readings
    )
