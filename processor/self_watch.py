"""This file judges Pumpwatch itself by its readings, as the engine judges pumps. It is pure: the clock is an argument.

There are few readings and few rules, so that this is plain Python; pumps are never looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import polars as pl

from broker.evidence import Evidence, Fact
from processor.engine import HIGHEST_SCORE, MS_PER_S, Rules
from processor.readings import TROUBLE
from processor.system_rules import RISES_OVER_S, SYSTEM_RULES
from processor.violations import DEADBAND, OBSERVED, Violations

MARK_MS: Final = 10_000
"""Counts are noted no more often than this, to know by how much they rose."""
MOST_FACTS: Final = 8
MOST_SAID: Final = 3
MOST_TEXT: Final = 300
EVIDENCE: Final[dict[str, pl.DataType]] = {
    "pump": pl.UInt32(),
    "gateway": pl.UInt32(),
    "rule": pl.String(),
    "evidence": pl.String(),
}
_Counter = tuple[str, str]


@dataclass(frozen=True)
class SelfWatch:
    """What is remembered from look to look; times are wall ms.

    `above`: since when a rule has been at its limit, and the onset (therapy ms) that its alarm will have. `well`: since
    when a rule in alarm has been below. `marks`: how far each count was when.
    """

    above: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    well: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[_Counter, tuple[tuple[int, float], ...]] = field(default_factory=dict)

    def clock_set(self, step_ms: int) -> SelfWatch:
        """Return the same after the wall clock was set by so much: all was as long ago as before."""
        return SelfWatch(
            {name: (since + step_ms, onset) for name, (since, onset) in self.above.items()},
            {name: since + step_ms for name, since in self.well.items()},
            {of: tuple((at + step_ms, value) for at, value in marks) for of, marks in self.marks.items()},
        )


@dataclass(frozen=True)
class Look:
    """What one look saw, and the evidence (`EVIDENCE`) of what stands."""

    seen: Violations
    evidence: pl.DataFrame


def look(
    watch: SelfWatch, readings: pl.DataFrame, alarms: pl.DataFrame, *, now: int, time: int, rules: Rules = SYSTEM_RULES
) -> tuple[SelfWatch, Look]:
    """Judge `readings` (`processor.readings.SCHEMA`) at the wall time `now` (ms), which is `time` in therapy.

    `alarms` are those open; a rule that is in alarm returns once it has been below its limit for its off-delay.
    """
    watch = replace(watch, marks=_marked(watch.marks, readings, now))
    told = readings.with_columns(pl.Series("rise", _rises(watch.marks, readings), dtype=pl.Float64))
    scores = told.select(rule.detector.score(_no_memory).fill_nan(None).alias(rule.name) for rule in rules)
    worst = {name: float(scores[name].max() or 0.0) for name in scores.columns}  # type: ignore[arg-type]
    alarmed = set(alarms.filter(pl.col("returned").is_null())["rule"])
    above = {name: watch.above.get(name, (now, time)) for name, score in worst.items() if score >= 1.0}
    well = {name: watch.well.get(name, now) for name, score in worst.items() if name in alarmed and score < 1.0}
    standing, over, borne = [], [], []
    for rule in rules:
        score = worst[rule.name]
        since, onset = above.get(rule.name, (now, time))
        row = {"pump": None, "gateway": None, "rule": rule.name, "onset": onset, "time": time}
        if rule.name in above and now - since >= rule.on_delay_s * MS_PER_S:
            standing.append({**row, "score": min(score, HIGHEST_SCORE)})
            numbers = told.with_columns(scores[rule.name].alias("score"))
            text = _evidence(numbers, rises=rule.over_s > 0, time=time, above_s=(now - since) / MS_PER_S)
            borne.append({**row, "evidence": text})
        elif rule.name in well and score < DEADBAND and now - well[rule.name] >= rule.off_delay_s * MS_PER_S:
            over.append({**row, "score": score})
    seen = Violations(_frame(standing, OBSERVED), _frame(over, OBSERVED))
    return replace(watch, above=above, well=well), Look(seen, _frame(borne, EVIDENCE))


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


def _evidence(told: pl.DataFrame, *, rises: bool, time: int, above_s: float) -> str:
    """Return what an alarm rests on: each part that is at its limit, the worst first, in words and numbers."""
    rows = told.filter(pl.col("score") >= 1.0).sort("score", descending=True, maintain_order=True)
    said = [
        f"{row['rise']:,.0f} {row['text']} in {RISES_OVER_S / 60:.0f} min" if rises else row["text"]
        for row in rows.head(MOST_SAID).iter_rows(named=True)
    ]
    more = [f"and {rows.height - MOST_SAID} more"] if rows.height > MOST_SAID else []
    facts = [
        Fact(
            label=row["part"].capitalize(),
            value=row["rise"] if rises else row["value"],
            unit=row["unit"],
            limit=row["rise"] / row["score"] if rises else row["limit"],
        )
        for row in rows.filter(pl.col("what") != TROUBLE).head(MOST_FACTS).iter_rows(named=True)
    ]
    found = Evidence(
        said="; ".join([*(text[:MOST_TEXT] for text in said), *more]),
        time=time,
        window_s=RISES_OVER_S if rises else 0.0,
        score=min(HIGHEST_SCORE, float(rows["score"][0])),
        above_s=above_s,
        confidence="high",
        facts=facts,
    )
    return msgspec.json.encode(found).decode()


