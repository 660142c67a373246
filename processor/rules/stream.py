"""Data stream rules: silent pumps, lost and duplicate samples, wrong clocks."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.detectors.clock import clock_faults
from processor.detectors.silence import allowed_s, silence
from processor.detectors.stream import HOUR_S, SHARE, STEP_S, stream
from processor.rules.measures import Measure, kept
from processor.rules.rule import HOUR, MINUTE, NO_DEADBAND, Rule

ALLOWED_SILENCE: Final = {"floor_s": 8 * MINUTE, "intervals": 8.0, "in_field_s": 2 * HOUR}


def _shares(first: str) -> tuple[Measure, ...]:
    labels = {"lost": "Samples never received", "repeated": "Samples received twice or late"}
    names = (first, *(name for name in labels if name != first))
    return tuple(Measure(labels[name], "%", kept(name, 100.0), expected=0.0, limit=100.0 * SHARE) for name in names)


RULES: Final = (
    Rule(
        name="pump_silent",
        title="Pump silent",
        priority="medium",
        mdc="MDC_EVT_COMM_STATUS_CHANGE",
        detector=silence(**ALLOWED_SILENCE),
        on_delay_s=0.0,
        off_delay_s=0.0,
        deadband=NO_DEADBAND,
        identifies=("link_corrupted", "link_late", "silent_pump"),
        detects=("mri_stall", "gateway_restart", "broker_outage"),
        detection_target_h=10.0 / 60.0,
        meaning="No data is arriving from this pump. Its state is unknown, not normal.",
        action="Check whether its gateway is silent too. Call the patient if the pump does not come back.",
        time_to_respond="unknown: the last values are outdated",
        rationale="While the pump is silent, a fault would go unnoticed.",
        evidence=(
            Measure(
                "Last sample",
                "min ago",
                lambda _: pl.col("age") / MINUTE,
                expected=kept("usual_s", 1 / MINUTE),
                limit=lambda memory: allowed_s(memory, **ALLOWED_SILENCE) / MINUTE,
            ),
            Measure("Usual reporting interval", "s", kept("usual_s")),
        ),
    ),
    Rule(
        name="samples_lost",
        title="Samples lost",
        priority="low",
        detector=stream("lost"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("link_corrupted", "silent_pump"),
        detects=("link_reordered",),
        detection_target_h=2.0,
        meaning="Some of this pump's samples never arrived or were rejected as impossible.",
        action="Check this pump's connection and the rejected messages on the Pipeline page.",
        time_to_respond="days, if the samples that arrive are normal",
        rationale="With fewer samples, faults are detected later.",
        evidence=_shares("lost"),
        over_s=HOUR_S,
    ),
    Rule(
        name="samples_repeated",
        title="Duplicate or late samples",
        priority="low",
        detector=stream("repeated"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("link_duplicated", "link_reordered"),
        detection_target_h=2.0,
        meaning="Some of this pump's samples arrive twice or after newer ones. They are counted and ignored.",
        action="Check this pump's relay or gateway: it resends confirmed samples or uses several paths.",
        time_to_respond="days, if the samples that arrive are normal",
        rationale="No direct harm, but an unstable connection often fails next.",
        evidence=_shares("repeated"),
        over_s=HOUR_S,
        explains=("samples_lost",),
    ),
    Rule(
        name="clock_ahead",
        title="Pump clock ahead",
        priority="low",
        detector=stream("clock"),
        on_delay_s=10 * MINUTE,
        off_delay_s=10 * MINUTE,
        identifies=("clock_skew",),
        detection_target_h=1.0,
        meaning="The timestamps of this pump's samples have jumped ahead by minutes.",
        action="Set the pump clock at the next interrogation. Until then, scheduled doses come early.",
        time_to_respond="several days",
        rationale="Scheduled doses come at the wrong time; after correction, new samples look like duplicates.",
        evidence=(
            Measure("Clock ahead of sample count", "min", kept("ahead_s", 1 / MINUTE), 0.0, STEP_S / MINUTE),
            Measure("Usual reporting interval", "s", kept("interval_s")),
        ),
    ),
    Rule(
        name="clock_implausible",
        title="Pump clock implausible",
        priority="low",
        detector=clock_faults(),
        on_delay_s=0.0,
        off_delay_s=HOUR,
        detection_target_h=0.25,
        meaning="This pump's clock was set back, or it sent times in the far future. Impossible samples were rejected.",
        action="Compare the pump's clock at the next interrogation. Trends before and after the jump do not connect.",
        time_to_respond="several days",
        rationale="Scheduled doses come at the wrong time; what was learned about the pump starts afresh.",
        evidence=(Measure("Clock jumps and impossible times", "", kept("faults"), 0.0, 1.0),),
        over_s=0.0,
    ),
)
