"""Rule about a processor that stood still: the one alarm for silence that Pumpwatch itself caused."""

from __future__ import annotations

from typing import Final

from processor.rules.indicators import FAILURES, level
from processor.rules.reading_kinds import TROUBLE
from processor.rules.rule import Rule

STANDSTILL: Final = "standstill"
"""The trouble of a processor that was not running for a while."""

STANDSTILL_RULE: Final = Rule(
    name="processor_stood_still",
    title="Processor standstill",
    priority="medium",
    indicator=level(TROUBLE, STANDSTILL),
    clock="wall",
    on_delay_s=0.0,
    off_delay_s=0.0,
    detection_target_h=0.02,
    meaning="The processor was not running for some seconds, and evaluated nothing meanwhile. It now receives what was "
    "sent in that time; until then no pump counts as silent.",
    action="Find out what stopped it: a suspended host, a blocked disk, or too little CPU. See the logs of the host.",
    time_to_respond="hours, unless it happens again",
    rationale="Alarms were late by the duration of the standstill; no sample is lost.",
    evidence=FAILURES,
    over_s=0.0,
    explains=("processor_lags",),
)
