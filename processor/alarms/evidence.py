"""Evidence of alarms: the numbers behind them when they are raised (`broker.contract.evidence.Evidence` as JSON). Pure.

Computed only for raised alarms, from the rows that were just scored; numbers are as of the end of that window.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import polars as pl

from broker.contract.datasheet import FLOW_RESOLUTION_UL_H
from broker.contract.evidence import BARELY, NEW_PUMP, ONLY_JUST
from processor.alarms.subjects import KEY, SUBJECT
from processor.detectors import stream
from processor.engine.columns import Rules, in_state_name, is_scored_by, memory_of, score_name
from processor.rules import Rule
from processor.rules.measures import Exclusion, Measure, Value, family

DIGITS: Final = 4
"""Significant digits of every number: more than any sensor has."""
SENTENCE_DIGITS: Final = 3
FLOW_UNIT: Final = "µL/h"
_TEXT: Final = "evidence"


def attach(
    alarms: pl.DataFrame, changes: pl.DataFrame, rows: pl.DataFrame, rules: Rules
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Attach evidence to the alarms that `changes` raise, and its first fact to those changes as their text.

    `alarms` are the open alarms after the changes, `rows` the scored rows: with any of `SUBJECT` and the columns of the
    state or of a watcher's table, and with `now` (therapy ms) if the rule scores by age. Missing facts are left out.
    """
    raised = changes.filter(pl.col("kind") == "raised").select(*KEY)
    found = [_evidence(raised.filter(pl.col("rule") == rule.name), rows, rule) for rule in _named(raised, rules)]
    if not found:
        return alarms, changes
    return bear(alarms, changes, pl.concat(found))


def bear(alarms: pl.DataFrame, changes: pl.DataFrame, fresh: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Attach `fresh` evidence (`KEY` and JSON) to the alarms that `changes` raise, and its first fact as their text."""
    raised = changes.filter(pl.col("kind") == "raised").select(*KEY)
    fresh = fresh.join(raised, on=KEY, how="semi", nulls_equal=True)
    known = alarms.join(fresh, on=KEY, how="left", suffix="_now", maintain_order="left", nulls_equal=True)
    after = changes.join(fresh, on=KEY, how="left", maintain_order="left", nulls_equal=True)
    sentence = pl.when(pl.col("kind") == "raised").then(pl.col(_TEXT).str.json_path_match("$.said"))
    return (
        known.with_columns(pl.coalesce(f"{_TEXT}_now", _TEXT).alias(_TEXT)).select(*alarms.columns),
        after.with_columns(pl.coalesce("text", sentence).alias("text")).select(*changes.columns),
    )


def text(rows: pl.DataFrame, rule: Rule) -> pl.Series:
    """Return the evidence of each row as JSON, for one rule; see `attach`."""
    evidence, used = _plan(rule, frozenset(rows.columns))
    return _text(rows, evidence, used)


def _text(rows: pl.DataFrame, evidence: pl.Expr, columns: list[str]) -> pl.Series:
    used = rows.select(columns)
    # With a row of nulls: Polars divides a single value differently, and a pump alone must get the same numbers.
    padded = pl.concat([used, used.clear(1)])
    return padded.select(evidence).to_series().head(rows.height)


@cache
def _plan(rule: Rule, columns: frozenset[str]) -> tuple[pl.Expr, list[str]]:
    """Return the expression of the JSON for rows with these columns, and the columns that it uses."""
    facts = [_fact(measure, rule) for measure in rule.evidence if _answers(_parts(measure), rule, columns)]
    others = [_other(cause, rule) for cause in rule.rules_out if _answers(_grounds(cause), rule, columns)]
    doubts = _doubts(rule, columns)
    many = pl.sum_horizontal(pl.lit(0), *(doubt.is_not_null() for doubt in doubts))
    confidence = pl.when(many == 0).then(pl.lit("high")).when(many == 1).then(pl.lit("medium"))
    evidence = pl.struct(
        _said(rule.evidence[0], rule).alias("said"),
        pl.col("time" if is_scored_by(rule, "sample") else "now").alias("time"),
        pl.lit(rule.over_s).alias("window_s"),
        _rounded(pl.col(score_name(rule))).alias("score"),
        _rounded(_above_s(rule, columns)).alias("above_s"),
        confidence.otherwise(pl.lit("low")).alias("confidence"),
        _listed(doubts, pl.String()).alias("doubts"),
        _listed(facts, _FACT).alias("facts"),
        _listed(others, _OTHER).alias("ruled_out"),
        *([_rounded(_known_h()).alias("known_h"), pl.lit(rule.learns_h).alias("learns_h")] if _learns(columns) else []),
    )
    return evidence.struct.json_encode().alias(_TEXT), sorted(set(evidence.meta.root_names()))


_FACT: Final = pl.Struct(
    {"label": pl.String, "value": pl.Float64, "unit": pl.String, "expected": pl.Float64, "limit": pl.Float64}
)
_OTHER: Final = pl.Struct(
    {"cause": pl.String, "because": pl.String, "value": pl.Float64, "unit": pl.String, "limit": pl.Float64}
)


def _named(raised: pl.DataFrame, rules: Rules) -> list[Rule]:
    names = set(raised["rule"])
    return [rule for rule in rules if rule.name in names and rule.evidence]


def _evidence(raised: pl.DataFrame, rows: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    of_whom = [name for name in SUBJECT if name in rows.columns]
    evidence, used = _plan(rule, frozenset(rows.columns))
    known = rows[[name for name in rows.columns if name in {*used, *of_whom}]]
    known = known.join(raised.select(of_whom), on=of_whom, how="semi", nulls_equal=True)
    whom = [
        (pl.col(name) if name in of_whom else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SUBJECT.items()
    ]
    return known.select(*whom, pl.lit(rule.name).alias("rule")).with_columns(_text(known, evidence, used))


def _parts(measure: Measure) -> tuple[Value | float | None, ...]:
    return (measure.value, measure.expected, measure.limit)


def _grounds(cause: Exclusion) -> tuple[Value | float | None, ...]:
    return (cause.value, cause.holds)


def _answers(values: tuple[Value | float | None, ...], rule: Rule, columns: frozenset[str]) -> bool:
    """Return whether the rows have every column needed; a shorter alarm list has fewer."""
    needed = {name for value in values if callable(value) for name in value(memory_of(rule)).meta.root_names()}
    return needed <= columns


def _number(value: Value | float | None, rule: Rule, unit: str = "") -> pl.Expr:
    number = _rounded(value(memory_of(rule)) if callable(value) else pl.lit(value, pl.Float64))
    if unit != FLOW_UNIT:
        return number
    return pl.when(number.abs() < FLOW_RESOLUTION_UL_H).then(0.0).otherwise(number)


def _rounded(value: pl.Expr) -> pl.Expr:
    """Round to `DIGITS`; null for numbers that JSON cannot represent."""
    whole = value.cast(pl.Float64).round_sig_figs(DIGITS)
    return pl.when(whole.is_finite()).then(whole)


def _fact(measure: Measure, rule: Rule) -> pl.Expr:
    value = _number(measure.value, rule, measure.unit)
    fact = pl.struct(
        pl.lit(measure.label).alias("label"),
        value.alias("value"),
        pl.lit(measure.unit).alias("unit"),
        _number(measure.expected, rule).alias("expected"),
        _number(measure.limit, rule).alias("limit"),
    )
    return pl.when(value.is_not_null()).then(fact)


def _other(cause: Exclusion, rule: Rule) -> pl.Expr:
    fact = pl.struct(
        pl.lit(cause.cause).alias("cause"),
        pl.lit(cause.because).alias("because"),
        _number(cause.value, rule, cause.unit).alias("value"),
        pl.lit(cause.unit).alias("unit"),
        _number(cause.limit, rule).alias("limit"),
    )
    return pl.when(cause.holds(memory_of(rule)).fill_null(value=False)).then(fact)


def _listed(parts: list[pl.Expr], dtype: pl.DataType) -> pl.Expr:
    if not parts:
        return pl.lit(pl.Series([[]], dtype=pl.List(dtype))).first()
    return pl.concat_list(parts).list.drop_nulls()


def _said(measure: Measure, rule: Rule) -> pl.Expr:
    value, expected = _number(measure.value, rule, measure.unit), _number(measure.expected, rule)
    value, expected = value.round_sig_figs(SENTENCE_DIGITS), expected.round_sig_figs(SENTENCE_DIGITS)
    unit = f" {measure.unit}" if measure.unit else ""
    plain = pl.format(f"{measure.label} {{}}{unit}", _shown(value))
    return pl.coalesce(pl.format(f"{{}}, expected {{}}{unit}", plain, _shown(expected)), plain, pl.lit(""))


def _shown(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.replace(r"\.0$", "")


def _above_s(rule: Rule, columns: frozenset[str]) -> pl.Expr:
    """Return how long (s) the score has been at its limit: from the state, the age beyond the limit, or the rows."""
    if "above_s" in columns:
        return pl.col("above_s")
    if is_scored_by(rule, "sample"):
        return pl.col(in_state_name(rule))
    return pl.col("age") - pl.col("age") / pl.col(score_name(rule))


def _doubts(rule: Rule, columns: frozenset[str]) -> list[pl.Expr]:
    """Return reasons for doubt as texts, each null if it does not apply."""
    found: list[pl.Expr] = []
    detector = rule.detector
    of_stream = family("stream")
    if detector is None or detector.judges != "sample":
        return found
    if detector.memory:
        barely = pl.col(score_name(rule)) < BARELY
        found.append(pl.when(barely).then(pl.lit(ONLY_JUST)))
    if _learns(columns):
        lost = of_stream("lost")
        known_h = _known_h()
        if detector.family != "stream":
            text = pl.format("{} % of the samples were lost", (100.0 * lost).round(0).cast(pl.Int64))
            found.append(pl.when(lost > stream.SHARE).then(text))
        text = pl.format(f"{NEW_PUMP} {{}} h", known_h.floor().cast(pl.Int64))
        found.append(pl.when(known_h < rule.learns_h).then(text))
    return found


def _learns(columns: frozenset[str]) -> bool:
    return {"samples", "stream.memory.interval_s", "stream.memory.lost"} <= columns


def _known_h() -> pl.Expr:
    """Return the expression of the hours for which a pump has been known."""
    return pl.col("samples") * family("stream")("interval_s") / 3600.0
