"""Scorecard: alarms matched with the ground truth while the fleet runs."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import polars as pl
from dash import Dash, Input, Output, html

from broker.truth.matching import FALSE
from dashboard import clocks, formatting
from dashboard.components import elements, shell
from dashboard.components.elements import Component
from dashboard.data import live_scorecard
from dashboard.data.live_scorecard import LiveScorecard, Score
from dashboard.data.services import DataService

MAX_LISTED: Final = 100
NO_TRUTH: Final = (
    "No ground truth: no simulator has written truth.jsonl to this data directory. Start one: "
    "pumpwatch run, or pumpwatch simulate on the same --data. Own pumps have no ground truth to compare with."
)
INCOMPATIBLE: Final = (
    "The ground truth in truth.jsonl was written by another version. Restart the simulator; it rewrites the file."
)


def layout() -> Component:
    """Return the page; its parts follow with the first snapshot."""
    return html.Div(
        [
            html.H1("Scorecard", className="hidden"),
            html.Div(id="score-facts", className="strip card"),
            html.Div(
                [
                    elements.card("By fault", html.Div(id="score-faults", className="scroll"), name="grow-card"),
                    elements.card("False alarms", html.Div(id="score-false", className="scroll"), name="grow-card"),
                ],
                className="score-middle",
            ),
            elements.card(
                "Injections and detections", html.Div(id="score-cases", className="scroll"), name="events-card"
            ),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page, refreshed with every snapshot."""
    shell.add_page(__name__, name="Scorecard", path="/scorecard", order=23, layout=layout, english=True)
    live_score = LiveScorecard(data)

    @app.callback(
        Output("score-facts", "children"),
        Output("score-faults", "children"),
        Output("score-false", "children"),
        Output("score-cases", "children"),
        Input("live", "data"),
    )
    async def show(_live: Any) -> Any:
        score = await asyncio.to_thread(live_score.score)
        return render(score, INCOMPATIBLE if live_score.incompatible else NO_TRUTH)


def render(score: Score | None, reason: str = NO_TRUTH) -> tuple[Component, Component, Component, Component]:
    """Return figures, the table of faults, false alarms, and injections with their detections.

    Without a score the page shows the `reason`.
    """
    if score is None:
        return elements.nothing(reason), *(elements.nothing("Nothing to compare yet.") for _ in range(3))
    return _facts(score), _faults(score), _false(score), _cases(score)


def _facts(score: Score) -> list[Component]:
    totals = live_scorecard.totals(score)
    rate = totals["false_a_pump_day"]
    notes = [
        *([f"{formatting.count(score.left_out, 'older injection')} left out"] if score.left_out else []),
        *(["older alarms left out"] if score.cut else []),
    ]
    return [
        elements.fact(
            "Detected", _share(totals["found"], totals["injected"] - totals["undecided"]), note="excluding pending"
        ),
        elements.fact("Correct cause", _share(totals["right_cause"], totals["found"]), note="of those detected"),
        elements.fact("Pending", f"{totals['undecided']:,}", note=f"for less than {live_scorecard.PENDING_H:g} h"),
        elements.fact("Missed", f"{totals['missed']:,}", tone="warn" if totals["missed"] else ""),
        elements.fact("Median time to detect", _hours(totals["delay_h"]["p50"]), note="therapy time"),
        elements.fact("p95 time to detect", _hours(totals["delay_h"]["p95"]), note="therapy time"),
        elements.fact(
            "False alarms",
            f"{totals['false']:,}",
            note=_rate(rate),
            hint=f"Over {formatting.number(score.pump_days, 1, 'pump-days')}",
            tone="warn" if totals["false"] else "",
        ),
        elements.fact("Secondary", f"{totals['secondary']:,}", note="on faulty pumps"),
        *([elements.fact("Not counted", "", note=", ".join(notes))] if notes else []),
    ]


def _rate(rate: float | None) -> str:
    if rate is None:
        return formatting.UNKNOWN
    return f"{formatting.significant(rate)} per pump-day" if rate else "none per pump-day"


def _share(part: int, of: int) -> str:
    return f"{part:,} of {of:,} ({part / of:.0%})" if of else "none yet"


def _faults(score: Score) -> Component:
    rows = live_scorecard.by_fault(score)
    if not rows:
        return elements.nothing("No faults injected yet.")
    heads = [
        ("Fault", ""),
        ("Injected", "number"),
        ("Detected", "number"),
        ("Correct cause", "number"),
        ("Pending", "number"),
        ("Missed", "number"),
        ("Median (therapy)", "number"),
        ("p95 (therapy)", "number"),
        ("First alarm", "wide"),
    ]
    return elements.table(heads, [_fault(score, row) for row in rows], name="cards")


def _fault(score: Score, row: dict[str, Any]) -> list[Component]:
    name = html.B(score.fault_title(row["fault"]))
    if not row["visible"]:
        return [name, f"{row['injected']:,}", *[""] * 6, html.Span("no alarm expected", className="muted")]
    return [
        name,
        *(f"{row[column]:,}" for column in ("injected", "found", "right_cause", "undecided")),
        html.Span(f"{row['missed']:,}", className="warn-word" if row["missed"] else ""),
        *(_hours(row["delay_h"][share]) for share in ("p50", "p95")),
        formatting.listed(score.title(rule) for rule in row["first"]),
    ]


def _false(score: Score) -> Component:
    false = score.found.alarms.filter(pl.col("verdict") == FALSE)
    if false.is_empty():
        return elements.nothing("No false alarms.")
    heads = [("Alarm", "wide"), ("Duration (therapy)", "number")]
    rows = [
        [
            html.Div(
                [
                    html.Span([elements.mark(row["priority"]), score.title(row["rule"])], className="priority"),
                    html.Div(
                        [_source(score, row["pump"]), f", {clocks.therapy_moment(row['raised'], score.clock)}"],
                        className="note",
                    ),
                ]
            ),
            _duration(row["raised"], row["returned"]),
        ]
        for row in false.sort("raised", descending=True).head(MAX_LISTED).iter_rows(named=True)
    ]
    return html.Div([elements.table(heads, rows), *_more(false.height, "false alarm")])


def _source(score: Score, subject: str) -> Component:
    return elements.pumps_link(subject) if subject in score.cohorts else elements.pump_link(subject)


def _cases(score: Score) -> Component:
    cases = score.found.injections
    if cases.is_empty():
        return elements.nothing("Inject a fault on the Faults page, or run a scenario.")
    heads = [
        ("Onset", ""),
        ("Pump", ""),
        ("Fault", ""),
        ("Severity", "number"),
        ("End", ""),
        ("Detection", "wide"),
    ]
    rows = [
        [
            clocks.therapy_moment(row["onset"], score.clock),
            elements.pump_link(row["pump"]),
            score.fault_title(row["fault"]),
            formatting.number(row["severity"], 2),
            clocks.therapy_moment(row["end"], score.clock) if row["end"] else "ongoing",
            _detection(score, row),
        ]
        for row in cases.sort("onset", descending=True).head(MAX_LISTED).iter_rows(named=True)
    ]
    return html.Div([elements.table(heads, rows, name="cards"), *_more(cases.height, "injection")])


def _detection(score: Score, row: dict[str, Any]) -> Component:
    if row["detected"]:
        cause = "; correct cause" if row["right_cause"] else "; wrong cause"
        after = "by an alarm" if row["delay_h"] is None else f"after {_hours(row['delay_h'])} (therapy)"
        suppressed = "" if row["announced"] else "; suppressed by another alarm"
        return html.Span([f"detected {after}, first by ", html.B(score.title(row["by"])), cause, suppressed])
    if row["fault"] not in score.expected:
        return html.Span("no alarm expected", className="muted")
    if row["undecided"]:
        return html.Span(
            f"pending for {formatting.span((score.now - row['onset']) / 1000)} (therapy)", className="muted"
        )
    return html.Span("missed", className="warn-word")


def _duration(raised: int, returned: int | None) -> str:
    return "ongoing" if returned is None else formatting.span((returned - raised) / 1000)


def _hours(hours: float | None) -> str:
    return "none yet" if hours is None else formatting.span(hours * 3600)


def _more(count: int, singular: str) -> list[Component]:
    more = count - MAX_LISTED
    return [html.P(f"and {formatting.count(more, f'older {singular}')}", className="note")] if more > 0 else []
