"""This file shows what an alarm rests on: its numbers, its score, and what it is not."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from broker.contract.evidence import Evidence, Fact, RuledOut, decode
from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece

MAX_SHARE: Final = 2.0
"""A number many times as large as expected is told by itself better than by its share."""


def shown(row: dict[str, Any]) -> Piece:
    """Return the evidence of an open alarm; None where it bears none."""
    found = decode(row["evidence"])
    if found is None:
        return None
    heads = [("When it was raised", ""), ("Found", "number"), ("Expected", "number"), ("Share", "number")]
    heads.append(("Limit", "number"))
    facts = [
        [fact.label, elements.quantity(_found(fact)), _beside(fact.expected), _share(fact), _beside(fact.limit)]
        for fact in found.facts
    ]
    return html.Div(
        [
            elements.table(heads, facts, name="facts") if facts else html.P(found.said, className="evidence-said"),
            html.Ul([html.Li(line) for line in (*course(found, row), *map(ruled_out, found.ruled_out))]),
        ],
        className="evidence",
    )


def brief(row: dict[str, Any]) -> Piece:
    """Return the first fact in words; None where there is none."""
    found = decode(row["evidence"])
    return None if found is None else html.Span(found.said)


def course(evidence: Evidence, row: dict[str, Any]) -> list[str]:
    """Say over which time the numbers are, how the score went, and how sure that is."""
    over = f"averages over about {formatting.span(evidence.window_s)}, " if evidence.window_s else ""
    above = f" after {formatting.span(evidence.above_s)} above it" if evidence.above_s else ""
    scores = [f"{_amount(evidence.score)} when raised{above}"]
    if row["score_now"] is not None:
        scores.append(f"{_amount(row['score_now'])} now")
    if row["score"] is not None:
        scores.append(f"{_amount(row['score'])} at its highest")
    doubts = f": {', '.join(evidence.doubts)}" if evidence.doubts else ""
    return [
        f"Numbers: {over}up to {formatting.moment(evidence.time)}",
        f"Score, 1 is the limit: {', '.join(scores)}",
        f"Confidence: {evidence.confidence}{doubts}",
    ]


def ruled_out(other: RuledOut) -> str:
    """Say which cause it is not, and by what."""
    if other.value is None:
        return f"Not “{other.cause}”: {other.because}"
    number = f"{_amount(other.value)} {other.unit}".rstrip()
    limit = "" if other.limit is None else f", the limit is {_amount(other.limit)}"
    return f"Not “{other.cause}”: {other.because} ({number}{limit})"


def _found(fact: Fact) -> str:
    return f"{_amount(fact.value)} {fact.unit}".rstrip()


def _beside(value: float | None) -> str:
    return "" if value is None else _amount(value)


def _share(fact: Fact) -> str:
    """Say which part of what was expected was found, where that tells more than the number."""
    if not fact.expected or fact.expected < 0 or "%" in fact.unit:
        return ""
    share = max(0.0, fact.value / fact.expected)
    return f"{formatting.number(100 * share, 0)} %" if share <= MAX_SHARE else ""


def _amount(value: float) -> str:
    """Say a number with three digits that count: "0.044", "1.78", "25.8", "1,765"."""
    size = abs(value)
    decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    said = formatting.number(value, decimals)
    return "0" if float(said.replace(",", "")) == 0 else said
