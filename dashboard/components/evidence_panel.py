"""Evidence of an alarm: measured and expected values, score, confidence, causes ruled out."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from broker.contract.evidence import Evidence, Fact, RuledOut, confidence, decode, standing_doubts
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.languages import ENGLISH, LANGUAGE, tr, tr_later, tr_sentence

DOUBTS: Final = (
    tr_later("only just above the limit"),
    tr_later("this pump has been known for only {duration}"),
)
"""Doubts about an alarm as the processor writes them."""
MAX_SHARE: Final = 2.0
"""Above this multiple of the expected value, the value itself says more than its share."""


def shown(row: dict[str, Any], clock: TherapyClock = WALL) -> Component:
    """Return the evidence of an open alarm, its therapy times by `clock`; None if it has none."""
    found = decode(row["evidence"])
    if found is None:
        return None
    heads = [(tr("When raised"), ""), (tr("Measured"), "number"), (tr("Expected"), "number"), (tr("Share"), "number")]
    heads.append((tr("Limit"), "number"))
    facts = [
        [
            tr(fact.label),
            elements.quantity(_measured(fact)),
            _optional(fact.expected),
            _share(fact),
            _optional(fact.limit),
        ]
        for fact in found.facts
    ]
    return html.Div(
        [
            elements.table(heads, facts, name="facts")
            if facts
            else html.P(tr(found.summary), className="evidence-text"),
            html.Ul([html.Li(line) for line in (*reliability(found, row, clock), *map(ruled_out, found.ruled_out))]),
        ],
        className="evidence",
    )


def brief(row: dict[str, Any]) -> Component:
    """Return the first fact in words; None if there is none."""
    found = decode(row["evidence"])
    return None if found is None else html.Span(_summary(found))


def reliability(evidence: Evidence, row: dict[str, Any], clock: TherapyClock) -> list[str]:
    """Return the time the values cover, the score when raised, now and at its peak, and the confidence."""
    window = (
        tr("averaged over about {duration} ", duration=formatting.span(evidence.window_s)) if evidence.window_s else ""
    )
    speed = clocks.age_speed(row)
    lasted = clocks.with_here(
        tr("{duration} above 1.0", duration=formatting.span(evidence.above_s)), evidence.above_s, speed
    )
    above = tr(" after {lasted}", lasted=lasted) if evidence.above_s else ""
    scores = [tr("{amount} when raised{above}", amount=_amount(evidence.score), above=above)]
    if row["score_now"] is not None:
        scores.append(tr("{amount} now", amount=_amount(row["score_now"])))
    if row["score"] is not None:
        scores.append(tr("{amount} peak", amount=_amount(row["score"])))
    return [
        tr(
            "Values: {window}up to {therapy_moment}",
            window=window,
            therapy_moment=clocks.therapy_moment(evidence.time, clock),
        ),
        tr("Score (alarm at 1.0): {names}", names=", ".join(scores)),
        tr("Confidence: {confidence}", confidence=_confidence(evidence, row)),
    ]


def _confidence(evidence: Evidence, row: dict[str, Any]) -> str:
    """Return the confidence now, with what still lowers it, and what it was when raised if that was different."""
    still = standing_doubts(evidence, row["score"], (row["age_s"] or 0.0) / 3600)
    now = f"{tr(confidence(still))}{_doubts(still)}"
    return (
        now
        if still == evidence.doubts
        else tr(
            "{now}; when raised {confidence}{doubts}",
            now=now,
            confidence=tr(evidence.confidence),
            doubts=_doubts(evidence.doubts),
        )
    )


def _doubts(doubts: list[str]) -> str:
    return f" ({', '.join(tr_sentence(doubt, DOUBTS) for doubt in doubts)})" if doubts else ""


def ruled_out(other: RuledOut) -> str:
    """Return the sentence that rules out a cause, with the value that does."""
    if other.value is None:
        return tr("Ruled out “{cause}”: {because}", cause=tr(other.cause), because=tr(other.because))
    number = f"{_amount(other.value)} {tr(other.unit)}".rstrip()
    limit = "" if other.limit is None else tr(", limit {amount}", amount=_amount(other.limit))
    return tr(
        "Ruled out “{cause}”: {because} ({number}{limit})",
        cause=tr(other.cause),
        because=tr(other.because),
        number=number,
        limit=limit,
    )


def _measured(fact: Fact) -> str:
    return f"{_amount(fact.value)} {tr(fact.unit)}".rstrip()


def _optional(value: float | None) -> str:
    return "" if value is None else _amount(value)


def _share(fact: Fact) -> str:
    """Return the measured share of the expected value, if it says more than the number."""
    if not fact.expected or fact.expected < 0 or "%" in fact.unit:
        return ""
    share = max(0.0, fact.value / fact.expected)
    return f"{formatting.number(100 * share, 0)} %" if share <= MAX_SHARE else ""


def _amount(value: float) -> str:
    """Return a number with three significant digits: "0.044", "1.78", "25.8", "1,765"."""
    size = abs(value)
    decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    zero = float(f"{value:.{decimals}f}") == 0
    return formatting.number(0.0, 0) if zero else formatting.number(value, decimals)


def _summary(evidence: Evidence) -> str:
    """Return the first fact as a sentence; the processor wrote the English one."""
    if not evidence.facts or LANGUAGE.get() is ENGLISH:
        return tr(evidence.summary)
    fact = evidence.facts[0]
    parts = [f"{tr(fact.label)} {_measured(fact)}"]
    if fact.expected is not None:
        parts.append(tr("expected {amount}", amount=_amount(fact.expected)))
    if fact.limit is not None:
        parts.append(tr("limit {amount}", amount=_amount(fact.limit)))
    return ", ".join(parts)
