"""Rule about the log of a cluster, in which the servers keep messages that no processor has taken yet."""

from __future__ import annotations

from typing import Final

from processor.rules.indicators import FAILURES, level
from processor.rules.reading_kinds import TROUBLE
from processor.rules.rule import Rule

CLUSTER_LOG: Final = "cluster log"
"""The trouble of a log that is almost full, or full."""

CLUSTER_LOG_RULE: Final = Rule(
    name="cluster_log_full",
    title="Cluster log almost full",
    priority="medium",
    indicator=level(TROUBLE, CLUSTER_LOG),
    clock="wall",
    on_delay_s=0.0,
    off_delay_s=30.0,
    detection_target_h=0.02,
    meaning="The servers of the cluster hold many messages that no processor has taken yet. When their log is full, "
    "they refuse new messages, and gateways keep theirs. Nothing is lost yet.",
    action="Find out on the Pipeline page which processors are missing or late, and start nodes. The log empties by "
    "itself once all ranges have a processor.",
    time_to_respond="until the gateways' outboxes are full",
    rationale="Samples that wait in the log or at gateways are judged late.",
    evidence=FAILURES,
    over_s=0.0,
    explains=("processor_lags",),
)
