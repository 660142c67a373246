"""This file judges Pumpwatch itself by its readings, as the engine judges pumps. It is pure: the clock is an argument.

There are few readings and few rules, so that this is plain Python; pumps are never looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.evidence import Evidence, Fact
from broker.contract.subjects import system_subject
from processor.alarms.subjects import SUBJECT
from processor.alarms.violations import DEADBAND, OBSERVED, Violations
from processor.engine.columns import MS_PER_S, Rules
from processor.engine.scoring import MAX_SCORE
from processor.rules.system import RISES_OVER_S, SYSTEM_RULES
from processor.watch.readings import TROUBLE

MARK_MS: Final = 10_000
"""Counts are noted no more often than this, to know by how much they rose."""
MAX_TEXT: Final = 500
EVIDENCE: Final[dict[str, pl.DataType]] = {**SUBJECT, "rule": pl.String(), "evidence": pl.String()}
_Counter = tuple[str, str]
"""What is counted, and of which part."""
_About = tuple[str, str]
"""A rule, and the subject of its alarm."""


@dataclass(frozen=True)
class SelfMonitor:
    """What is remembered from look to look; times are wall ms.

    `above`: since when a rule has been at its limit, and the onset (therapy ms) that its alarm will have. `well`: since
    when a rule in alarm has been below. `marks`: how far each count was when.
    """

    above: Mapping[_About, tuple[int, int]] = field(default_factory=dict)
    well: Mapping[_About, int] = field(default_factory=dict)
    marks: Mapping[_Counter, tuple[tuple[int, float], ...]] = field(default_factory=dict)

    def clock_set(self, step_ms: int) -> SelfMonitor:
        """Return the same after the wall clock was set by so much: all was as long ago as before."""
        return SelfMonitor(
            {about: (since + step_ms, onset) for about, (since, onset) in self.above.items()},
            {about: since + step_ms for about, since in self.well.items()},
            {of: tuple((at + step_ms, value) for at, value in marks) for of, marks in self.marks.items()},
        )


@dataclass(frozen=True)
class Look:
    """What one look saw, and the evidence (`EVIDENCE`) of what stands."""

    seen: Violations
    evidence: pl.DataFrame


def look(
    watch: SelfMonitor,
    readings: pl.DataFrame,
    alarms: pl.DataFrame,
    *,
    now: int,
    time: int,
    rules: Rules = SYSTEM_RULES,
) -> tuple[SelfMonitor, Look]:
    """Judge `readings` (`processor.watch.readings.SCHEMA`) at the wall time `now` (ms), which is `time` in therapy.

    `alarms` are those open; a rule that is in alarm returns once it has been below its limit for its off-delay.
    """
    watch = replace(watch, marks=_marked(watch.marks, readings, now))
    told = readings.with_columns(pl.Series("rise", _rises(watch.marks, readings), dtype=pl.Float64))
    scored = _scored(told, rules)
    alarmed = _alarmed(alarms, rules)
    above = {about: watch.above.get(about, (now, time)) for about, (score, _) in scored.items() if score >= 1.0}
    well = {about: watch.well.get(about, now) for about in alarmed if about not in above}
    rule_of = {rule.name: rule for rule in rules}
    standing, over, borne = [], [], []
    for (name, other), (since, onset) in above.items():
        if now - since >= rule_of[name].on_delay_s * MS_PER_S:
            score, row = scored[name, other]
            about = {**_about(name, other), "onset": onset, "time": time}
            standing.append({**about, "score": min(score, MAX_SCORE)})
            text = _evidence(row, score, time=time, above_s=(now - since) / MS_PER_S)
            borne.append({**about, "evidence": text})
    for (name, other), since in well.items():
        score, _ = scored.get((name, other), (0.0, {}))
        if score < DEADBAND and now - since >= rule_of[name].off_delay_s * MS_PER_S:
            over.append({**_about(name, other), "onset": time, "time": time, "score": score})
    seen = Violations(_frame(standing, OBSERVED), _frame(over, OBSERVED))
    return replace(watch, above=above, well=well), Look(seen, _frame(borne, EVIDENCE))


def _scored(told: pl.DataFrame, rules: Rules) -> dict[_About, tuple[float, dict[str, Any]]]:
    """Return how far each rule finds each part from well, with the reading that says so."""
    scores = told.select(rule.detector.score(_no_memory).fill_nan(None).alias(rule.name) for rule in rules)
    rows = told.rows(named=True)
    return {
        (rule.name, system_subject(rows[at]["part"])): (score, rows[at])
        for rule in rules
        for at, score in enumerate(scores[rule.name])
        if score is not None
    }


def _alarmed(alarms: pl.DataFrame, rules: Rules) -> list[_About]:
    """Return of which rules there are alarms that stand, and about what."""
    ours = pl.col("rule").is_in([rule.name for rule in rules]) & pl.col("returned").is_null()
    return alarms.filter(ours).select("rule", "other").rows()


def _about(name: str, other: str) -> dict[str, Any]:
    return {**dict.fromkeys(SUBJECT), "other": other, "other_kind": "system", "rule": name}


def _frame(rows: list[dict[str, Any]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema)


def _no_memory(_: str) -> pl.Expr:
    raise NotImplementedError("a rule about the system has no memory; what rises is told by its reading")


def _marked(
    marks: Mapping[_Counter, tuple[tuple[int, float], ...]], readings: pl.DataFrame, now: int
) -> dict[_Counter, tuple[tuple[int, float], ...]]:
    """Return the marks with those of now; the oldest kept is as old as what rises is judged over, or the first."""
    kept = {}
    for what, part, value in readings.filter(pl.col("limit").is_null()).select("what", "part", "value").iter_rows():
        known = marks.get((what, part), ())
        if not known or now - known[-1][0] >= MARK_MS:
            known = (*known, (now, value))
        first = next((at for at, (when, _) in enumerate(known) if now - when < RISES_OVER_S * MS_PER_S), len(known) - 1)
        kept[what, part] = known[max(0, first) :]
    return kept


def _rises(marks: Mapping[_Counter, tuple[tuple[int, float], ...]], readings: pl.DataFrame) -> list[float | None]:
    """Return by how much each count rose since its oldest mark; None for a level."""
    return [
        None if limit is not None else max(0.0, value - marks[what, part][0][1])
        for what, part, value, limit in readings.select("what", "part", "value", "limit").iter_rows()
    ]


def _evidence(row: dict[str, Any], score: float, *, time: int, above_s: float) -> str:
    """Return what an alarm rests on, in words and, but for trouble, as a number."""
    rises = row["limit"] is None
    value, unit = (row["rise"] if rises else row["value"]), row["unit"]
    within = f" within {RISES_OVER_S / 60:.0f} min" if rises else ""
    limit = value / score if rises else row["limit"]
    fact = Fact(label=row["part"].capitalize() + within, value=value, unit=unit, limit=limit)
    said = f"{value:,.0f} {row['text']}{within}" if rises else row["text"]
    found = Evidence(
        said=(said[:1].upper() + said[1:])[:MAX_TEXT],
        time=time,
        window_s=0.0,
        score=min(MAX_SCORE, score),
        above_s=above_s,
        confidence="high",
        facts=[] if row["what"] == TROUBLE else [fact],
    )
    return msgspec.json.encode(found).decode()
