"""This file is how well the alarms tell what is really wrong, counted while the fleet runs."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import polars as pl
from dash import Dash, Input, Output, html

from broker.truth.matching import FALSE
from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece
from dashboard.data import live_scorecard
from dashboard.data.live_scorecard import Keeper, Score
from dashboard.data.services import DataService

PATH: Final = "/scorecard"
TITLE: Final = "Scorecard"
ORDER: Final = 6
MAX_LISTED: Final = 100
NOTHING: Final = (
    "No simulator of this data directory has told what is really wrong. It does so in truth.jsonl; nothing else can."
)


def layout(_desk: DataService, _rest: str = "") -> Piece:
    """Return the page; its parts follow with the first word of a snapshot."""
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
                "Injected, and what was noticed", html.Div(id="score-cases", className="scroll"), name="events-card"
            ),
        ],
        className="column",
    )


def register(app: Dash, desk: DataService) -> None:
    """Renew everything with each snapshot."""
    keeper = Keeper(desk)

    @app.callback(
        Output("score-facts", "children"),
        Output("score-faults", "children"),
        Output("score-false", "children"),
        Output("score-cases", "children"),
        Input("live", "data"),
    )
    async def show(_live: Any) -> Any:
        return render(await asyncio.to_thread(keeper.score))


def render(score: Score | None) -> tuple[Piece, Piece, Piece, Piece]:
    """Return figures, the table of faults, false alarms, and injections with what was noticed."""
    if score is None:
        return elements.nothing(NOTHING), *(elements.nothing("Nothing to count.") for _ in range(3))
    return _facts(score), _faults(score), _false(score), _cases(score)


def _facts(score: Score) -> list[Piece]:
    told = live_scorecard.totals(score)
    rate = told["false_a_pump_day"]
    notes = [
        *([f"{formatting.count(score.left_out, 'older injection')} left out"] if score.left_out else []),
        *(["older alarms left out"] if score.cut else []),
    ]
    return [
        elements.fact(
            "Found", _share(told["found"], told["injected"] - told["undecided"]), note="of what had its time"
        ),
        elements.fact("Right cause", _share(told["right_cause"], told["found"]), note="of those found"),
        elements.fact("Not yet", f"{told['undecided']:,}", note=f"for less than {live_scorecard.PATIENCE_H:g} h"),
        elements.fact("Missed", f"{told['missed']:,}", tone="warn" if told["missed"] else ""),
        elements.fact("Half found within", _hours(told["delay_h"]["p50"]), note="therapy time"),
        elements.fact("95 in 100 within", _hours(told["delay_h"]["p95"]), note="therapy time"),
        elements.fact(
            "False alarms",
            f"{told['false']:,}",
            note=f"{formatting.number(rate, 4, 'a pump-day')}, of {formatting.number(score.pump_days, 1)}",
            tone="warn" if told["false"] else "",
        ),
        elements.fact("Secondary", f"{told['secondary']:,}", note="on failing pumps"),
        *([elements.fact("Not counted", "", note=", ".join(notes))] if notes else []),
    ]


def _share(part: int, of: int) -> str:
    return f"{part:,} of {of:,} ({part / of:.0%})" if of else "none yet"


def _faults(score: Score) -> Piece:
    rows = live_scorecard.by_fault(score)
    if not rows:
        return elements.nothing("No pump was made to fail yet.")
    heads = [
        ("Fault", ""),
        ("Injected", "number"),
        ("Found", "number"),
        ("Right cause", "number"),
        ("Not yet", "number"),
        ("Missed", "number"),
        ("Half within", "number"),
        ("95 % within", "number"),
        ("First alarm", "wide"),
    ]
    return elements.table(heads, [_fault(row) for row in rows])


def _fault(row: dict[str, Any]) -> list[Piece]:
    name = html.B(formatting.title(row["fault"]))
    if not row["visible"]:
        return [name, f"{row['injected']:,}", *[""] * 6, html.Span("no alarm is expected", className="muted")]
    return [
        name,
        *(f"{row[column]:,}" for column in ("injected", "found", "right_cause", "undecided")),
        html.Span(f"{row['missed']:,}", className="warn-word" if row["missed"] else ""),
        *(_hours(row["delay_h"][share]) for share in ("p50", "p95")),
        formatting.listed(formatting.title(rule) for rule in row["first"]),
    ]


def _false(score: Score) -> Piece:
    false = score.found.alarms.filter(pl.col("verdict") == FALSE)
    if false.is_empty():
        return elements.nothing("No alarm was false so far.")
    heads = [("Alarm", "wide"), ("Stood", "number")]
    rows = [
        [
            html.Div(
                [
                    html.Span([elements.mark(row["priority"]), formatting.title(row["rule"])], className="priority"),
                    html.Div([_about(score, row["pump"]), f", {formatting.moment(row['raised'])}"], className="note"),
                ]
            ),
            _stood(row["raised"], row["returned"]),
        ]
        for row in false.sort("raised", descending=True).head(MAX_LISTED).iter_rows(named=True)
    ]
    return html.Div([elements.table(heads, rows), *_more(false.height, "false alarm")])


def _about(score: Score, subject: str) -> Piece:
    return elements.pumps_link(subject) if subject in score.cohorts else elements.pump_link(subject)


def _cases(score: Score) -> Piece:
    cases = score.found.injections
    if cases.is_empty():
        return elements.nothing("Make pumps fail on the page Faults, or play a scenario.")
    heads = [
        ("Since", ""),
        ("Pump", ""),
        ("Fault", ""),
        ("Severity", "number"),
        ("Until", ""),
        ("Noticed", "wide"),
    ]
    rows = [
        [
            formatting.moment(row["onset"]),
            elements.pump_link(row["pump"]),
            formatting.title(row["fault"]),
            formatting.number(row["severity"], 2),
            formatting.moment(row["end"]) if row["end"] else "goes on",
            _noticed(row, visible=row["fault"] in score.expected, now=score.now),
        ]
        for row in cases.sort("onset", descending=True).head(MAX_LISTED).iter_rows(named=True)
    ]
    return html.Div([elements.table(heads, rows), *_more(cases.height, "injection")])


def _noticed(row: dict[str, Any], *, visible: bool, now: int) -> Piece:
    if row["detected"]:
        cause = "; its cause was named" if row["right_cause"] else "; its cause was not named"
        after = "by an alarm" if row["delay_h"] is None else f"after {_hours(row['delay_h'])}"
        shown = "" if row["announced"] else ", held under another alarm"
        return html.Span([f"found {after}, first by ", html.B(formatting.title(row["by"])), cause, shown])
    if not visible:
        return html.Span("no alarm is expected", className="muted")
    if row["undecided"]:
        return html.Span(f"nothing yet after {formatting.span((now - row['onset']) / 1000)}", className="muted")
    return html.Span("missed", className="warn-word")


def _stood(raised: int, returned: int | None) -> str:
    return "stands" if returned is None else formatting.span((returned - raised) / 1000)


def _hours(hours: float | None) -> str:
    return "none yet" if hours is None else formatting.span(hours * 3600)


def _more(count: int, singular: str) -> list[Piece]:
    more = count - MAX_LISTED
    return [html.P(f"and {formatting.count(more, f'older {singular}')}", className="note")] if more > 0 else []
