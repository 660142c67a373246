"""This file says in words what is known about one pump at this moment."""

from __future__ import annotations

from typing import Any

import polars as pl
from dash import html

from broker.signals import SIGNALS
from broker.snapshot import WAITING
from dashboard import deeds, evidence, pieces, queries, service_dialog, words
from dashboard.pieces import Piece


def head(row: dict[str, Any], alarms: pl.DataFrame, orders: pl.DataFrame) -> Piece:
    """Return who the pump is, what is wrong with it, and the button that acknowledges it."""
    first = alarms.row(0, named=True) if alarms.height else None
    waiting = alarms.filter(pl.col("state").is_in(WAITING))["alarm"].to_list()
    every = alarms["alarm"].to_list()
    if first:
        over = first["state"] in ("returned", "latched")
        lasts = words.STATE_WORD[first["state"]] if over else words.since(first["age_s"])
        said = [pieces.mark(first["priority"], first["state"]), f"{first['title']}, {lasts}"]
    elif row["silent"]:
        said = [pieces.mark(0, silent=True), f"silent {words.since(row['age_s'])}, state unknown"]
    else:
        said = [html.Span("normal", className="calm")]
    label = "Acknowledge" if len(waiting) == 1 else f"Acknowledge {len(waiting)} alarms"
    dose = queries.dose_ug_day(row["flow_ul_h"], row["concentration_ug_ml"])
    ordered = queries.dose_ug_day(row["commanded_ul_h"], row["concentration_ug_ml"])
    facts = [
        (
            "Dose by measured flow",
            pieces.quantity(words.number(dose, 0, "µg/day")),
            f"commanded {words.number(ordered, 0, 'µg/day')}",
        ),
        (
            "Concentration",
            pieces.quantity(words.number(row["concentration_ug_ml"], 0, "µg/mL")),
            row["prescription"] or "",
        ),
        ("Reservoir size", pieces.quantity(words.number(row["tank_ml"], 0, "mL")), row["model"] or "model unknown"),
        ("Lot", row["lot"] or words.UNKNOWN, "pumps made together"),
        ("Site", row["site"] or words.UNKNOWN, row["group"] or ""),
        ("Gateway", row["gateway"] or words.UNKNOWN, ""),
    ]
    return html.Section(
        [
            html.Div([html.H1(row["pump"]), html.Div(said, className="pump-said")], className="pump-title"),
            html.Div([pieces.fact(label, value, note=note) for label, value, note in facts], className="pump-facts"),
            html.Div(
                [
                    pieces.programmer_link(row["pump"]),
                    service_dialog.button(row["pump"]),
                    pieces.deed("Note…", "note", every) if every else None,
                    pieces.deed("Shelve…", "shelve", every) if every else None,
                    pieces.acknowledge(label, {"alarms": waiting}, strong=True) if waiting else None,
                ],
                className="pump-do",
            ),
            service_dialog.listed(orders) if orders.height else None,
        ],
        className=f"card pump-head {pieces.SHAPE.get(row['priority'] or 0, 'normal')}",
    )


def alarms(alarms: pl.DataFrame) -> list[Piece]:
    """Return a card an open alarm: what to do first, what it means, how long there is, what it rests on.

    Of the first all evidence is shown, of the others the first fact.
    """
    return [
        html.Section(
            [
                html.Div(
                    [pieces.priority(row["priority"], row["state"]), html.B(row["title"]), html.Span(_story(row))],
                    className="do-head",
                ),
                html.Div([html.Span("Do first", className="do-label"), html.Span(row["action"])], className="do-what"),
                html.Div(
                    [html.Span("Means", className="do-label"), html.Span(row["meaning"]), _explained(row)],
                    className="do-means",
                ),
                html.Div(
                    [html.Span("Time left", className="do-label"), html.B(row["deadline"] or words.UNKNOWN)],
                    className="do-when",
                ),
                _evidence(row, whole=at == 0),
            ],
            className=f"card do {pieces.SHAPE.get(row['priority'], 'normal')} {row['state']}",
        )
        for at, row in enumerate(alarms.head(4).iter_rows(named=True))
    ]


def _evidence(row: dict[str, Any], *, whole: bool) -> Piece:
    found = evidence.shown(row) if whole else evidence.brief(row)
    return None if found is None else html.Div([html.Span("Evidence", className="do-label"), found], className="do-why")


def _explained(row: dict[str, Any]) -> Piece:
    if not row["explains"]:
        return None
    first = f" First of them all: {row['first_out']}." if row["first_out"] else ""
    return html.Div(f"Explains as well, and holds back: {row['explains']}.{first}", className="do-explains")


def _story(row: dict[str, Any]) -> str:
    # Who took it out of service says so already.
    state = [] if row["out_by"] else [words.STATE_WORD.get(row["state"], row["state"])]
    return " · ".join([f"since {words.moment(row['onset'])} ({words.span(row['age_s'])})", *state, *deeds.told(row)])


def values(row: dict[str, Any]) -> Piece:
    """Return the table of the latest value of each signal, with its age."""
    age = words.span(row["age_s"])
    rows = [
        [
            signal.title,
            pieces.quantity(words.reading(signal.name, row[signal.name])),
            html.Span(age, className="value-age"),
        ]
        for signal in SIGNALS
    ]
    name = "values old" if row["silent"] else "values"
    return pieces.table([("Signal", ""), ("Value", "number"), ("Age", "number")], rows, name=name)


def flags(row: dict[str, Any]) -> Piece:
    """Return what the pump reports about itself."""
    said = words.flags(row["flags"])
    return html.Div([html.Span(one, className="tag") for one in said]) if said else pieces.nothing("Nothing to report.")


def quality(row: dict[str, Any]) -> Piece:
    """Return how complete and how fresh the samples are."""
    return html.Div(
        [
            pieces.fact("Last sample", words.moment(row["time"]), note=f"{words.span(row['age_s'])} ago"),
            pieces.fact(
                "Samples",
                words.number(row["samples"], 0),
                note=f"the latest is no. {words.number(row['seq'], 0)}",
            ),
            *(
                pieces.fact(name, words.number(row[column], 0), tone="warn" if row[column] else "", hint=hint)
                for name, column, hint in (
                    ("Lost", "lost", words.LOST),
                    ("Late", "late", words.LATE),
                    ("Repeats", "repeated", words.REPEATED),
                )
            ),
        ],
        className="quality",
    )
