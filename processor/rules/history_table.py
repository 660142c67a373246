"""Rule about the history table of a cluster: it cannot be written."""

from __future__ import annotations

from typing import Final

from processor.rules.indicators import FAILURES, level
from processor.rules.reading_kinds import TROUBLE
from processor.rules.rule import MINUTE, Rule

HISTORY_TABLE: Final = "history table"
"""The trouble of a processor that cannot publish its samples."""

HISTORY_TABLE_RULE: Final = Rule(
    name="history_table_failing",
    title="History table failing",
    priority="low",
    indicator=level(TROUBLE, HISTORY_TABLE),
    clock="wall",
    on_delay_s=5 * MINUTE,
    off_delay_s=MINUTE,
    detection_target_h=0.2,
    meaning="New samples cannot be published in the history table of the cluster. Nothing is lost: they are in the "
    "history on disk, and wait there for the table.",
    action="Read the reason below; usually the object store cannot be reached, or its credentials have expired.",
    time_to_respond="hours; above a quarter of --history-size, the oldest samples that wait are left out of the table",
    rationale="No effect on any pump.",
    evidence=FAILURES,
    over_s=0.0,
)
