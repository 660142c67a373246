"""This file says in words what is known about one pump at this moment."""

from __future__ import annotations

from typing import Any

import polars as pl
from dash import html

from broker.contract.signals import SIGNALS
from broker.store.snapshot import WAITING
from dashboard import formatting
from dashboard.components import elements, evidence_panel, out_of_service_dialog
from dashboard.components.elements import Piece
from dashboard.data import alarm_actions, queries


def head(row: dict[str, Any], alarms: pl.DataFrame, orders: pl.DataFrame) -> Piece:
    """Return who the pump is, what is wrong with it, and the button that acknowledges it."""
    first = alarms.row(0, named=True) if alarms.height else None
    waiting = alarms.filter(pl.col("state").is_in(WAITING))["alarm"].to_list()
    every = alarms["alarm"].to_list()
    if first:
        over = first["state"] in ("returned", "latched")
        lasts = formatting.STATE_WORD[first["state"]] if over else formatting.since(first["age_s"])
        said = [elements.mark(first["priority"], first["state"]), f"{first['title']}, {lasts}"]
    elif row["silent"]:
        said = [elements.mark(0, silent=True), f"silent {formatting.since(row['age_s'])}, state unknown"]
    else:
        said = [html.Span("normal", className="calm")]
    label = "Acknowledge" if len(waiting) == 1 else f"Acknowledge {len(waiting)} alarms"
    dose = queries.dose_ug_day(row["flow_ul_h"], row["concentration_ug_ml"])
    ordered = queries.dose_ug_day(row["commanded_ul_h"], row["concentration_ug_ml"])
    facts = [
        (
            "Dose by measured flow",
            elements.quantity(formatting.number(dose, 0, "µg/day")),
            f"commanded {formatting.number(ordered, 0, 'µg/day')}",
        ),
        (
            "Concentration",
            elements.quantity(formatting.number(row["concentration_ug_ml"], 0, "µg/mL")),
            row["prescription"] or "",
        ),
        (
            "Reservoir size",
            elements.quantity(formatting.number(row["reservoir_capacity_ml"], 0, "mL")),
            row["model"] or "model unknown",
        ),
        ("Lot", row["lot"] or formatting.UNKNOWN, "pumps made together"),
        ("Site", row["site"] or formatting.UNKNOWN, row["group"] or ""),
        ("Gateway", row["gateway"] or formatting.UNKNOWN, ""),
    ]
    return html.Section(
        [
            html.Div([html.H1(row["pump"]), html.Div(said, className="pump-said")], className="pump-title"),
            html.Div([elements.fact(label, value, note=note) for label, value, note in facts], className="pump-facts"),
            html.Div(
                [
                    elements.programmer_link(row["pump"]),
                    out_of_service_dialog.button(row["pump"]),
                    elements.deed("Note…", "note", every) if every else None,
                    elements.deed("Shelve…", "shelve", every) if every else None,
                    elements.acknowledge(label, {"alarms": waiting}, strong=True) if waiting else None,
                ],
                className="pump-do",
            ),
            out_of_service_dialog.listed(orders) if orders.height else None,
        ],
        className=f"card pump-head {elements.SHAPE.get(row['priority'] or 0, 'normal')}",
    )


def alarms(alarms: pl.DataFrame) -> list[Piece]:
    """Return a card an open alarm: what to do first, what it means, how long there is, what it rests on.

    Of the first all evidence is shown, of the others the first fact.
    """
    return [
        html.Section(
            [
                html.Div(
                    [elements.priority(row["priority"], row["state"]), html.B(row["title"]), html.Span(_story(row))],
                    className="do-head",
                ),
                html.Div([html.Span("Do first", className="do-label"), html.Span(row["action"])], className="do-what"),
                html.Div(
                    [html.Span("Means", className="do-label"), html.Span(row["meaning"]), _explained(row)],
                    className="do-means",
                ),
                html.Div(
                    [html.Span("Time left", className="do-label"), html.B(row["deadline"] or formatting.UNKNOWN)],
                    className="do-when",
                ),
                _evidence(row, whole=at == 0),
            ],
            className=f"card do {elements.SHAPE.get(row['priority'], 'normal')} {row['state']}",
        )
        for at, row in enumerate(alarms.head(4).iter_rows(named=True))
    ]


def _evidence(row: dict[str, Any], *, whole: bool) -> Piece:
    found = evidence_panel.shown(row) if whole else evidence_panel.brief(row)
    return None if found is None else html.Div([html.Span("Evidence", className="do-label"), found], className="do-why")


def _explained(row: dict[str, Any]) -> Piece:
    if not row["explains"]:
        return None
    first = f" First of them all: {row['first_out']}." if row["first_out"] else ""
    return html.Div(f"Explains as well, and holds back: {row['explains']}.{first}", className="do-explains")


def _story(row: dict[str, Any]) -> str:
    # Who took it out of service says so already.
    state = [] if row["out_by"] else [formatting.STATE_WORD.get(row["state"], row["state"])]
    return " · ".join(
        [f"since {formatting.moment(row['onset'])} ({formatting.span(row['age_s'])})", *state, *alarm_actions.told(row)]
    )


def values(row: dict[str, Any]) -> Piece:
    """Return the table of the latest value of each signal, with its age."""
    age = formatting.span(row["age_s"])
    rows = [
        [
            signal.title,
            elements.quantity(formatting.reading(signal.name, row[signal.name])),
            html.Span(age, className="value-age"),
        ]
        for signal in SIGNALS
    ]
    name = "values old" if row["silent"] else "values"
    return elements.table([("Signal", ""), ("Value", "number"), ("Age", "number")], rows, name=name)


def flags(row: dict[str, Any]) -> Piece:
    """Return what the pump reports about itself."""
    said = formatting.flags(row["flags"])
    return (
        html.Div([html.Span(one, className="tag") for one in said]) if said else elements.nothing("Nothing to report.")
    )


def quality(row: dict[str, Any]) -> Piece:
    """Return how complete and how fresh the samples are."""
    return html.Div(
        [
            elements.fact("Last sample", formatting.moment(row["time"]), note=f"{formatting.span(row['age_s'])} ago"),
            elements.fact(
                "Samples",
                formatting.number(row["samples"], 0),
                note=f"the latest is no. {formatting.number(row['seq'], 0)}",
            ),
            *(
                elements.fact(name, formatting.number(row[column], 0), tone="warn" if row[column] else "", hint=hint)
                for name, column, hint in (
                    ("Lost", "lost", formatting.LOST),
                    ("Late", "late", formatting.LATE),
                    ("Repeats", "repeated", formatting.REPEATED),
                )
            ),
        ],
        className="quality",
    )
