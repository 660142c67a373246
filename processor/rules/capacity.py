"""Rules about the limits of queues, tables and stores: one is near, was reached, or made room for new records."""

from __future__ import annotations

from typing import Final

from processor.rules.indicators import RISES_OVER_S, level, rise
from processor.rules.indicators import measure as _measure
from processor.rules.reading_kinds import FULLNESS
from processor.rules.rule import MINUTE, Rule

CAPACITY_RULES: Final = (
    Rule(
        name="bound_near",
        title="Capacity limit near",
        priority="low",
        indicator=level(FULLNESS),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.1,
        meaning="A queue, table or disk of the processor is close to its capacity limit. Nothing is lost yet.",
        action="See below which one. Disk: free space. Table of pumps: plan a second processor. Queue: find out what "
        "blocks it.",
        time_to_respond="depends on how fast it fills; see the Pipeline page",
        rationale="There is time to act before the limit is reached.",
        evidence=_measure("Utilization", "%"),
        over_s=0.0,
    ),
    Rule(
        name="bound_reached",
        title="Queue overflow",
        priority="low",
        indicator=rise("delayed"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A queue was full. Further messages wait at the broker, and nothing is lost.",
        action="If it recurs, find out what slows the processor down, or split the fleet between several.",
        time_to_respond="as long as the broker has room",
        rationale="Only time is lost, but the next limit to be reached is that of the gateways' outboxes.",
        evidence=_measure("Times the queue was full", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="records_expire",
        title="Retention limit reached",
        priority="low",
        indicator=rise("oldest removed"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A store has reached its maximum size, and its oldest records were removed, as configured.",
        action="To keep more history, increase its size (--history-size). Otherwise take this alarm out of service.",
        time_to_respond="none needed",
        rationale="No effect on any pump, but trends reach back less far than one may expect.",
        evidence=_measure("Removals of oldest records", "", 1.0),
        over_s=RISES_OVER_S,
    ),
)
