"""This file takes pumps and other subjects of alarms out of service before they alarm, and puts them back."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece, notice
from dashboard.data.services import DataService

STORE: Final = "service"
"""The store that any page sets to {"kind": …, "subject": …, "rule": …}; `n` makes it differ from the one before."""
TAKE_OUT: Final = "take_out"
PUT_BACK: Final = "put_back"
ALL: Final = "all"
UNTIL: Final = "until"
HOURS: Final = (1.0, 8.0, 24.0, 72.0, 168.0)
"""The times that the dialog offers, in therapy hours, beside until it is put back."""


def layout() -> Piece:
    """Return the dialog, closed."""
    times = [{"value": UNTIL, "label": "until it is put back"}]
    times += [{"value": f"{hours:g}", "label": formatting.span(hours * 3600)} for hours in HOURS]
    return dmc.Modal(
        [
            html.P(id="service-what", className="note"),
            dmc.Select(id="service-rule", label="Which alarms", data=[], allowDeselect=False, searchable=True),
            dmc.Select(id="service-for", label="For, therapy time", data=times, value=UNTIL, allowDeselect=False),
            dmc.Textarea(id="service-why", label="What is being repaired?", autosize=True, minRows=2),
            html.Div(
                [
                    html.Button("Cancel", id="service-cancel", className="button"),
                    html.Button("Take out of service", id="service-do", className="button strong"),
                ],
                className="buttons deed-buttons",
            ),
        ],
        id="service-dialog",
        title="Out of service",
        opened=False,
        size="md",
        transitionProps={"duration": 0},
    )


def register(app: Dash, desk: DataService) -> None:
    """Open the dialog to take something out, put it back at once; tell what became of it."""

    @app.callback(
        Output("service-dialog", "opened"),
        Output("service-what", "children"),
        Output("service-rule", "data"),
        Output("service-rule", "value"),
        Output("service-for", "value"),
        Output("service-why", "value"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        Input("service-do", "n_clicks"),
        Input("service-cancel", "n_clicks"),
        State("service-rule", "value"),
        State("service-for", "value"),
        State("service-why", "value"),
        prevent_initial_call=True,
    )
    async def turn(wanted: Any, _do: Any, _cancel: Any, rule: str | None, lasts: str | None, why: str | None) -> Any:
        if ctx.triggered_id == "service-cancel":
            return False, *[no_update] * 6
        kind, subject, of_rule = read(wanted)
        if kind is None:
            return [no_update] * 7
        if ctx.triggered_id == STORE and kind == TAKE_OUT:
            said = f"Alarms of {subject} call nobody while it is out of service, and explain no others."
            return True, said, choices(desk.snapshot().health.rules), ALL, UNTIL, "", no_update
        if kind == TAKE_OUT:
            of_rule = None if rule in (None, ALL) else rule
        for_s = None if lasts in (None, UNTIL) else float(lasts or 0) * 3600
        answer = await desk.serve(kind, subject, rule=of_rule, why=(why or "").strip(), for_s=for_s)
        stays = not answer.good and kind == TAKE_OUT
        return stays, *[no_update] * 5, [notice(answer.text, good=answer.good)]


def read(wanted: Any) -> tuple[str | None, str, str | None]:
    """Return what a browser wants, of which subject and rule (None: all); None for what is nothing of that."""
    if not isinstance(wanted, dict) or wanted.get("kind") not in (TAKE_OUT, PUT_BACK):
        return None, "", None
    rule = wanted.get("rule")
    return wanted["kind"], str(wanted.get("subject") or ""), None if rule is None else str(rule)


def choices(rules: dict[str, str]) -> list[dict[str, str]]:
    """Return what can be taken out: all alarms, or those of one rule by its title."""
    named = sorted(rules.items(), key=lambda rule: rule[1])
    return [{"value": ALL, "label": "all of them"}, *({"value": name, "label": title} for name, title in named)]


def button(subject: str) -> Piece:
    """Return the button that asks what of a subject is to be taken out of service."""
    return elements.service("Out of service…", {"kind": TAKE_OUT, "subject": subject})


def listed(orders: pl.DataFrame) -> Piece:
    """Return what is out of service (`broker.store.snapshot.ORDERS_SCHEMA`), a line an order, each with its way back."""
    return html.Div([_line(row) for row in orders.iter_rows(named=True)], className="orders")


def _line(row: dict[str, Any]) -> Piece:
    left = "until it is put back" if row["left_s"] is None else f"for another {formatting.span(row['left_s'])}"
    wanted = {"kind": PUT_BACK, "subject": row["subject"], "rule": row["rule"]}
    return html.Div(
        [
            html.Span("out of service", className="tag"),
            elements.subject(row),
            html.Span(row["title"]),
            html.Span(
                f"{left}, by {row['out_by']} since {formatting.moment(row['out_wall'])}: {row['out_why']}",
                className="note",
            ),
            elements.service("Put back", wanted),
        ],
        className="order",
    )
