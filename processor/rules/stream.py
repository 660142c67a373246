"""Alarms of the way from the pump to us."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.detectors.silence import allowed_s, silence
from processor.detectors.stream import HOUR_S, SHARE, STEP_S, stream
from processor.rules.measures import Measure, kept
from processor.rules.rule import HOUR, MINUTE, NO_DEADBAND, Rule

PATIENCE: Final = {"floor_s": 8 * MINUTE, "intervals": 8.0, "in_field_s": 2 * HOUR}


def _shares(first: str) -> tuple[Measure, ...]:
    said = {"lost": "Samples that never arrived", "repeated": "Samples that came twice or late"}
    names = (first, *(name for name in said if name != first))
    return tuple(Measure(said[name], "%", kept(name, 100.0), expected=0.0, limit=100.0 * SHARE) for name in names)


RULES: Final = (
    Rule(
        name="pump_silent",
        title="Pump silent",
        priority="medium",
        detector=silence(**PATIENCE),
        on_delay_s=0.0,
        off_delay_s=0.0,
        deadband=NO_DEADBAND,
        identifies=("link_corrupted", "link_late", "silent_pump"),
        detects=("mri_stall", "gateway_restart", "broker_outage"),
        detection_target_h=10.0 / 60.0,
        meaning="Nothing has been heard from this pump. Its state is unknown, not normal.",
        action="Look whether its gateway is silent as well. Call the patient if it does not come back.",
        time_to_respond="unknown: the last values are old",
        rationale="A fault during silence would not be seen.",
        evidence=(
            Measure(
                "Last heard",
                "min ago",
                lambda _: pl.col("age") / MINUTE,
                expected=kept("usual_s", 1 / MINUTE),
                limit=lambda memory: allowed_s(memory, **PATIENCE) / MINUTE,
            ),
            Measure("Usual interval", "s", kept("usual_s")),
        ),
    ),
    Rule(
        name="samples_lost",
        title="Samples are lost",
        priority="low",
        detector=stream("lost"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("link_corrupted", "silent_pump"),
        detects=("link_reordered",),
        detection_target_h=2.0,
        meaning="Part of this pump's samples never arrived, or were refused because they cannot be true.",
        action="Look at the line of this pump and at the refused messages on the pipeline page.",
        time_to_respond="days, if what arrives is calm",
        rationale="With fewer samples everything is found later.",
        evidence=_shares("lost"),
        over_s=HOUR_S,
    ),
    Rule(
        name="samples_repeated",
        title="Samples come twice or late",
        priority="low",
        detector=stream("repeated"),
        on_delay_s=15 * MINUTE,
        off_delay_s=HOUR,
        identifies=("link_duplicated", "link_reordered"),
        detection_target_h=2.0,
        meaning="Part of this pump's samples arrived again or after younger ones. They are counted and left out.",
        action="Look at the relay or gateway of this pump: it sends again what was confirmed, or by several ways.",
        time_to_respond="days, if what arrives is calm",
        rationale="No harm by itself; a line that stammers often fails next.",
        evidence=_shares("repeated"),
        over_s=HOUR_S,
        explains=("samples_lost",),
    ),
    Rule(
        name="clock_ahead",
        title="Pump's clock runs ahead",
        priority="low",
        detector=stream("clock"),
        on_delay_s=10 * MINUTE,
        off_delay_s=10 * MINUTE,
        identifies=("clock_skew",),
        detection_target_h=1.0,
        meaning="The times of this pump's samples have jumped ahead by minutes.",
        action="Set the pump's clock at the next interrogation. A day schedule runs early until then.",
        time_to_respond="some days",
        rationale="Doses by the clock come at the wrong hour, and when it is set right samples seem to come again.",
        evidence=(
            Measure("Ahead of what the samples count", "min", kept("ahead_s", 1 / MINUTE), 0.0, STEP_S / MINUTE),
            Measure("Usual interval", "s", kept("interval_s")),
        ),
    ),
)
