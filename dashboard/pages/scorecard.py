"""This file is how well the alarms tell what is really wrong, counted while the fleet runs."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import polars as pl
from dash import Dash, Input, Output, html

from broker.matching import FALSE
from dashboard import pieces, scorekeeper, words
from dashboard.desk import Desk
from dashboard.pieces import Piece
from dashboard.scorekeeper import Keeper, Score

PATH: Final = "/scorecard"
TITLE: Final = "Scorecard"
ORDER: Final = 6
MOST_LISTED: Final = 100
NOTHING: Final = (
    "No simulator of this data directory has told what is really wrong. It does so in truth.jsonl; nothing else can."
)


def layout(_desk: Desk, _rest: str = "") -> Piece:
    """Return the page; its parts follow with the first word of a snapshot."""
    return html.Div(
        [
            html.H1("Scorecard", className="hidden"),
            html.Div(id="score-facts", className="strip card"),
            html.Div(
                [
                    pieces.card("By fault", html.Div(id="score-faults", className="scroll"), name="grow-card"),
                    pieces.card("False alarms", html.Div(id="score-false", className="scroll"), name="grow-card"),
                ],
                className="score-middle",
            ),
            pieces.card(
                "Injected, and what was noticed", html.Div(id="score-cases", className="scroll"), name="events-card"
            ),
        ],
        className="column",
    )


def register(app: Dash, desk: Desk) -> None:
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
        return pieces.nothing(NOTHING), *(pieces.nothing("Nothing to count.") for _ in range(3))
    return _facts(score), _faults(score), _false(score), _cases(score)


def _facts(score: Score) -> list[Piece]:
    told = scorekeeper.totals(score)
    rate = told["false_a_pump_day"]
    notes = [
        *([f"{words.count(score.left_out, 'older injection')} left out"] if score.left_out else []),
        *(["older alarms left out"] if score.cut else []),
    ]
    return [
        pieces.fact("Found", _share(told["found"], told["injected"] - told["undecided"]), note="of what had its time"),
        pieces.fact("Right cause", _share(told["right_cause"], told["found"]), note="of those found"),
        pieces.fact("Not yet", f"{told['undecided']:,}", note=f"for less than {scorekeeper.PATIENCE_H:g} h"),
        pieces.fact("Missed", f"{told['missed']:,}", tone="warn" if told["missed"] else ""),
        pieces.fact("Half found within", _hours(told["delay_h"]["p50"]), note="therapy time"),
        pieces.fact("95 in 100 within", _hours(told["delay_h"]["p95"]), note="therapy time"),
        pieces.fact(
            "False alarms",
            f"{told['false']:,}",
            note=f"{words.number(rate, 4, 'a pump-day')}, of {words.number(score.pump_days, 1)}",
            tone="warn" if told["false"] else "",
        ),
        pieces.fact("Secondary", f"{told['secondary']:,}", note="on failing pumps"),
        *([pieces.fact("Not counted", "", note=", ".join(notes))] if notes else []),
    ]


def _share(part: int, of: int) -> str:
    return f"{part:,} of {of:,} ({part / of:.0%})" if of else "none yet"


def _faults(score: Score) -> Piece:
    rows = scorekeeper.by_fault(score)
    if not rows:
        return pieces.nothing("No pump was made to fail yet.")
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
    return pieces.table(heads, [_fault(row) for row in rows])


def _fault(row: dict[str, Any]) -> list[Piece]:
    name = html.B(words.title(row["fault"]))
    if not row["visible"]:
        return [name, f"{row['injected']:,}", *[""] * 6, html.Span("no alarm is expected", className="muted")]
    return [
        name,
        *(f"{row[column]:,}" for column in ("injected", "found", "right_cause", "undecided")),
        html.Span(f"{row['missed']:,}", className="warn-word" if row["missed"] else ""),
        *(_hours(row["delay_h"][share]) for share in ("p50", "p95")),
        words.listed(words.title(rule) for rule in row["first"]),
    ]


def _false(score: Score) -> Piece:
    false = score.found.alarms.filter(pl.col("verdict") == FALSE)
    if false.is_empty():
        return pieces.nothing("No alarm was false so far.")
    heads = [("Alarm", "wide"), ("Stood", "number")]
    rows = [
        [
            html.Div(
                [
                    html.Span([pieces.mark(row["priority"]), words.title(row["rule"])], className="priority"),
                    html.Div([_about(score, row["pump"]), f", {words.moment(row['raised'])}"], className="note"),
                ]
            ),
            _stood(row["raised"], row["returned"]),
        ]
        for row in false.sort("raised", descending=True).head(MOST_LISTED).iter_rows(named=True)
    ]
    return html.Div([pieces.table(heads, rows), *_more(false.height, "false alarm")])


def _about(score: Score, subject: str) -> Piece:
    return pieces.pumps_link(subject) if subject in score.cohorts else pieces.pump_link(subject)


def _cases(score: Score) -> Piece:
    cases = score.found.injections
    if cases.is_empty():
        return pieces.nothing("Make pumps fail on the page Faults, or play a scenario.")
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
            words.moment(row["onset"]),
            pieces.pump_link(row["pump"]),
            words.title(row["fault"]),
            words.number(row["severity"], 2),
            words.moment(row["end"]) if row["end"] else "goes on",
            _noticed(row, visible=row["fault"] in score.expected, now=score.now),
        ]
        for row in cases.sort("onset", descending=True).head(MOST_LISTED).iter_rows(named=True)
    ]
    return html.Div([pieces.table(heads, rows), *_more(cases.height, "injection")])


def _noticed(row: dict[str, Any], *, visible: bool, now: int) -> Piece:
    if row["detected"]:
        cause = "; its cause was named" if row["right_cause"] else "; its cause was not named"
        after = "by an alarm" if row["delay_h"] is None else f"after {_hours(row['delay_h'])}"
        shown = "" if row["announced"] else ", held under another alarm"
        return html.Span([f"found {after}, first by ", html.B(words.title(row["by"])), cause, shown])
    if not visible:
        return html.Span("no alarm is expected", className="muted")
    if row["undecided"]:
        return html.Span(f"nothing yet after {words.span((now - row['onset']) / 1000)}", className="muted")
    return html.Span("missed", className="warn-word")


def _stood(raised: int, returned: int | None) -> str:
    return "stands" if returned is None else words.span((returned - raised) / 1000)


def _hours(hours: float | None) -> str:
    return "none yet" if hours is None else words.span(hours * 3600)


def _more(count: int, singular: str) -> list[Piece]:
    more = count - MOST_LISTED
    return [html.P(f"and {words.count(more, f'older {singular}')}", className="note")] if more > 0 else []
