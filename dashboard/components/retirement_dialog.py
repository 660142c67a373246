"""Dialog that retires a pump, what a retired pump's page shows, and the list of retired pumps."""

from __future__ import annotations

import json
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import clocks, formatting
from dashboard.access.accounts import VISITOR
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements
from dashboard.components.elements import Component, notice
from dashboard.data import retirement
from dashboard.data.services import DataService
from dashboard.languages import tr

STORE: Final = "retirement"
"""Id of the store that any page sets to {"kind": …, "pump": …}; `n` makes each request unique."""
RETIRE: Final = "retire"
REINSTATE: Final = "reinstate"
MAX_LISTED: Final = 100
CONSEQUENCE: Final = (
    "It is no longer monitored: it has no alarms, not even for silence, and is in no list but that of retired pumps. "
    "Its samples and alarms of the past stay."
)
RETURN: Final = (
    "It is monitored again once it is reinstated, sends a sample, or is named in a new birth of its gateway. "
    "A pump that still sends cannot be retired."
)


def layout() -> Component:
    """Return the dialog, closed."""
    return dmc.Modal(
        [
            html.P(html.B(id="retirement-pump")),
            html.P(CONSEQUENCE),
            html.P(RETURN, className="note"),
            dmc.Textarea(
                id="retirement-reason", label="Reason (required)", autosize=True, minRows=2, **{"data-autofocus": True}
            ),
            html.Div(
                [
                    html.Button("Cancel", id="retirement-cancel", className="button"),
                    html.Button("Retire pump", id="retirement-send", className="button strong"),
                ],
                className="buttons dialog-buttons",
            ),
        ],
        id="retirement-dialog",
        title="Retire pump",
        opened=False,
        size="md",
        transitionProps={"duration": 0},
    )


def register(app: Dash, data: DataService) -> None:
    """Open the dialog to retire a pump, reinstate one at once; show the result."""

    @app.callback(
        Output("retirement-dialog", "opened"),
        Output("retirement-pump", "children"),
        Output("retirement-reason", "value"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        Input("retirement-send", "n_clicks"),
        Input("retirement-cancel", "n_clicks"),
        State("retirement-reason", "value"),
        prevent_initial_call=True,
    )
    async def act(request: Any, _send: Any, _cancel: Any, reason: str | None) -> Any:
        if ctx.triggered_id == "retirement-cancel":
            return False, no_update, no_update, no_update
        kind, serial = read(request)
        if kind is None:
            return [no_update] * 4
        if ctx.triggered_id == STORE and kind == RETIRE:
            return True, serial, "", no_update
        answer = await data.change_monitoring(kind, serial, why=(reason or "").strip() if kind == RETIRE else "")
        stays_open = not answer.good and kind == RETIRE
        return stays_open, no_update, no_update, [notice(answer.text, good=answer.good)]


def read(request: Any) -> tuple[str | None, str]:
    """Return action and pump that a browser sent; the action is None if it is invalid."""
    if not isinstance(request, dict) or request.get("kind") not in (RETIRE, REINSTATE):
        return None, ""
    return request["kind"], str(request.get("pump") or "")


def button(label: str, kind: str, serial: str) -> Component:
    """Return a button that retires or reinstates a pump, for those who may; the frame handles its clicks."""
    if not VISITOR.get().may("service"):
        return None
    attributes: dict[str, Any] = {"data-retirement": json.dumps({"kind": kind, "pump": serial})}
    return html.Button(label, className="button", **attributes)


def head(row: dict[str, Any], clock: TherapyClock = WALL) -> Component:
    """Return the head of a retired pump's page: since when it is retired, by whom, why, and the way back."""
    facts = [("Site", row["site"]), ("Gateway", row["gateway"]), ("Model", row["model"]), ("Lot", row["lot"])]
    reason = [html.Div([html.B("Reason: "), row["retired_why"]])] if row["retired_why"] else []
    back = (
        button("Reinstate", REINSTATE, row["pump"])
        if retirement.by_itself(row)
        else html.Span("It is monitored again once its gateway is back.", className="note")
    )
    return html.Section(
        [
            html.Div(
                [html.H1(row["pump"]), html.Div(f"Retired {retirement.since(row)}", className="pump-status")],
                className="pump-title",
            ),
            html.Div(
                [elements.fact(label, value or formatting.UNKNOWN) for label, value in facts]
                + [elements.fact("Last sample", clocks.therapy_moment(row["time"], clock))],
                className="pump-facts",
            ),
            html.Div(back, className="pump-actions"),
            html.Div(
                [*reason, html.Div("Not monitored: no alarms, not even for silence.", className="note")],
                className="retired-why",
            ),
        ],
        className="card pump-head retired",
    )


def listed(pumps: pl.DataFrame) -> Component:
    """Return retired pumps (`broker.store.snapshot.RETIRED_SCHEMA`) as a table, the first `MAX_LISTED`."""
    titles = (tr("Pump"), tr("Site"), tr("Gateway"), tr("Retired"), tr("By"))
    heads = [*((title, "") for title in titles), (tr("Reason"), "wide")]
    rows = [
        [
            elements.pump_link(row["pump"]),
            row["site"] or "",
            row["gateway"] or "",
            formatting.moment(row["retired_wall"]) if retirement.by_itself(row) else "",
            row["retired_by"] or "",
            row["retired_why"] or tr("retired {since}", since=retirement.since(row)),
        ]
        for row in pumps.head(MAX_LISTED).iter_rows(named=True)
    ]
    more = pumps.height - MAX_LISTED
    note = tr("{pumps} not listed; narrow the search.", pumps=formatting.count(more, "more pump")) if more > 0 else ""
    return html.Div([elements.table(heads, rows), html.Div(note, className="note")])
