"""Scores of Pumpwatch itself, from its readings. Pure: the clock is an argument.

There are few readings and few rules, so this is plain Python; pumps are never handled one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.evidence import Evidence, Fact
from broker.contract.subjects import system_subject
from processor.alarms.hold import SCORES, with_missing
from processor.alarms.subjects import KEY, SUBJECT
from processor.engine.columns import MS_PER_S, Rules, indicator_of
from processor.engine.scoring import MAX_SCORE
from processor.rules.indicators import RISES_OVER_S
from processor.rules.reading_kinds import TROUBLE
from processor.rules.system import SYSTEM_RULES

MARK_MS: Final = 10_000
"""Counts are recorded at most this often, to know by how much they rose."""
MAX_TEXT: Final = 500
EVIDENCE: Final[dict[str, pl.DataType]] = {**SUBJECT, "rule": pl.String(), "evidence": pl.String()}
_Counter = tuple[str, str]
"""A kind of count and its component."""
_Key = tuple[str, str]
"""A rule and the subject of its alarm."""
_Marks = Mapping[_Counter, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class SelfMonitor:
    """What is remembered between readings: how far each count was at which wall ms (`marks`)."""

    marks: _Marks = field(default_factory=dict)

    def shift_wall_clock(self, step_ms: int) -> SelfMonitor:
        """Return the same after the wall clock was set by `step_ms`."""
        return SelfMonitor({of: tuple((at + step_ms, value) for at, value in each) for of, each in self.marks.items()})


@dataclass(frozen=True)
class SystemScores:
    """Scores (`processor.alarms.hold.SCORES`) of readings taken at `time` (therapy ms), and the reading of each."""

    scores: pl.DataFrame
    time: int
    _found: Mapping[_Key, tuple[float, dict[str, Any]]]

    def evidence(self, standing: pl.DataFrame, timers: pl.DataFrame, now: int) -> pl.DataFrame:
        """Return the evidence (`EVIDENCE`) of standing conditions; `now` is wall ms, on which their timers run."""
        since = dict(zip(timers.select("rule", "other").rows(), timers["since"], strict=True))
        rows = []
        for row in standing.iter_rows(named=True):
            key = row["rule"], row["other"]
            above_s = (now - since[key]) / MS_PER_S
            value, reading = self._found[key]
            text = _evidence(reading, value, time=self.time, above_s=above_s)
            rows.append({**{name: row[name] for name in KEY}, "evidence": text})
        return pl.DataFrame(rows, EVIDENCE)


def score(
    monitor: SelfMonitor,
    readings: pl.DataFrame,
    timers: pl.DataFrame,
    *,
    now: int,
    time: int,
    rules: Rules = SYSTEM_RULES,
) -> tuple[SelfMonitor, SystemScores]:
    """Score `readings` (`processor.watch.readings.SCHEMA`) taken at the wall time `now` (ms), `time` in therapy ms.

    A component whose timer runs and that has no reading any more scores 0.
    """
    marks = _marked(monitor.marks, readings, now)
    rising = readings.with_columns(pl.Series("rise", _rises(marks, readings), dtype=pl.Float64))
    scored = _scored(rising, rules)
    rows = [
        {
            **dict.fromkeys(SUBJECT),
            "other": other,
            "other_kind": "system",
            "rule": rule,
            "score": min(value, MAX_SCORE),
            "time": time,
            "onset": None,
        }
        for (rule, other), (value, _) in scored.items()
    ]
    scores = with_missing(pl.DataFrame(rows, SCORES), timers, rules, time)
    return SelfMonitor(marks), SystemScores(scores, time, scored)


def _scored(rising: pl.DataFrame, rules: Rules) -> dict[_Key, tuple[float, dict[str, Any]]]:
    """Return the score of each rule and component, with its reading."""
    scores = rising.select(indicator_of(rule).fill_nan(None).alias(rule.name) for rule in rules)
    rows = rising.rows(named=True)
    return {
        (rule.name, system_subject(rows[at]["part"])): (value, rows[at])
        for rule in rules
        for at, value in enumerate(scores[rule.name])
        if value is not None
    }


def _marked(marks: _Marks, readings: pl.DataFrame, now: int) -> dict[_Counter, tuple[tuple[int, float], ...]]:
    """Return the marks with those of now; the oldest kept is as old as rises are counted over, or the first."""
    kept = {}
    for what, part, value in readings.filter(pl.col("limit").is_null()).select("what", "part", "value").iter_rows():
        known = marks.get((what, part), ())
        if not known or now - known[-1][0] >= MARK_MS:
            known = (*known, (now, value))
        first = next((at for at, (when, _) in enumerate(known) if now - when < RISES_OVER_S * MS_PER_S), len(known) - 1)
        kept[what, part] = known[max(0, first) :]
    return kept


def _rises(marks: _Marks, readings: pl.DataFrame) -> list[float | None]:
    """Return by how much each count rose since its oldest mark; None for a level."""
    return [
        None if limit is not None else max(0.0, value - marks[what, part][0][1])
        for what, part, value, limit in readings.select("what", "part", "value", "limit").iter_rows()
    ]


def _evidence(row: dict[str, Any], score: float, *, time: int, above_s: float) -> str:
    """Return the evidence of an alarm as JSON: a sentence and, unless something failed, the number behind it."""
    rises = row["limit"] is None
    value, unit = (row["rise"] if rises else row["value"]), row["unit"]
    within = f" within {RISES_OVER_S / 60:.0f} min" if rises else ""
    limit = value / score if rises else row["limit"]
    fact = Fact(label=row["part"].capitalize() + within, value=value, unit=unit, limit=limit)
    sentence = f"{value:,.0f} {row['text']}{within}" if rises else row["text"]
    found = Evidence(
        summary=(sentence[:1].upper() + sentence[1:])[:MAX_TEXT],
        time=time,
        window_s=0.0,
        score=min(MAX_SCORE, score),
        above_s=above_s,
        confidence="high",
        facts=[] if row["what"] == TROUBLE else [fact],
    )
    return msgspec.json.encode(found).decode()
