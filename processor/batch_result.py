"""Result of a batch: everything that taking in a number of messages led to, for the disk, the broker and people."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from broker.contract.actions import Outcome
from broker.contract.alarm_events import AlarmEvent
from broker.store.snapshot import Refusal


@dataclass(frozen=True)
class BatchResult:
    """Everything that a batch of messages led to.

    `samples` (`SAMPLE_SCHEMA`) go into the history; `events` (`EVENTS_SCHEMA`, changes of alarms) and `entries`
    (`ENTRIES_SCHEMA`, all else) into the journal; `rejected` into the quarantine file. `outcomes` answer operator
    actions, `announcements` are for pagers and other systems.
    """

    samples: pl.DataFrame
    events: pl.DataFrame
    entries: pl.DataFrame
    rejected: tuple[Refusal, ...]
    outcomes: tuple[Outcome, ...]
    announcements: tuple[AlarmEvent, ...]


@dataclass(frozen=True)
class AlarmResult:
    """Changes of the alarms (`processor.alarms.lifecycle.CHANGES`) and outcomes of the operator actions of a batch."""

    changes: pl.DataFrame
    outcomes: tuple[Outcome, ...]
