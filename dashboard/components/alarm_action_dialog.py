"""This file asks for the reason of what a person wants to do with alarms, and has it done; every page uses it."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import formatting
from dashboard.components.elements import Piece, notice
from dashboard.data.alarm_actions import ALARM_ACTIONS, SHELF_H, longest_h
from dashboard.data.services import MAX_AT_ONCE, DataService

STORE: Final = "deed"
"""The store that any page sets to {"kind": …, "alarms": [ids]}; `n` only makes it differ from the one before."""


def layout() -> Piece:
    """Return the dialog, closed."""
    return dmc.Modal(
        [
            html.P(id="deed-what", className="note"),
            dmc.Select(id="deed-for", label="For, therapy time", data=[], allowDeselect=False),
            dmc.Textarea(id="deed-why", autosize=True, minRows=2, **{"data-autofocus": True}),
            html.Div(
                [
                    html.Button("Cancel", id="deed-cancel", className="button"),
                    html.Button("Do it", id="deed-do", className="button strong"),
                ],
                className="buttons deed-buttons",
            ),
        ],
        id="deed-dialog",
        opened=False,
        size="md",
        transitionProps={"duration": 0},
    )


def register(app: Dash, desk: DataService) -> None:
    """Open the dialog where a deed asks for something, else do it at once; tell what became of it."""

    @app.callback(
        Output("deed-dialog", "opened"),
        Output("deed-dialog", "title"),
        Output("deed-what", "children"),
        Output("deed-why", "label"),
        Output("deed-why", "value"),
        Output("deed-for", "data"),
        Output("deed-for", "value"),
        Output("deed-for", "style"),
        Output("deed-do", "children"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        Input("deed-do", "n_clicks"),
        Input("deed-cancel", "n_clicks"),
        State("deed-why", "value"),
        State("deed-for", "value"),
        prevent_initial_call=True,
    )
    async def turn(wanted: Any, _do: Any, _cancel: Any, why: str | None, hours: str | None) -> Any:
        if ctx.triggered_id == "deed-cancel":
            return False, *[no_update] * 9
        name, ids = read(wanted)
        if name is None:
            return [no_update] * 10
        if ctx.triggered_id == STORE and ALARM_ACTIONS[name].asks:
            return *opened(name, desk.snapshot().alarms.filter(pl.col("alarm").is_in(ids))), no_update
        for_s = float(hours or 0) * 3600 if name == "shelve" else None
        answer = await desk.deal(name, ids, why=(why or "").strip() if ALARM_ACTIONS[name].asks else "", for_s=for_s)
        stays = not answer.good and bool(ALARM_ACTIONS[name].asks)
        return stays, *[no_update] * 8, [notice(answer.text, good=answer.good)]


def read(wanted: Any) -> tuple[str | None, list[str]]:
    """Return the name of the deed and the alarms that a browser sent; None for what is no deed."""
    if (
        not isinstance(wanted, dict)
        or wanted.get("kind") not in ALARM_ACTIONS
        or not isinstance(wanted.get("alarms"), list)
    ):
        return None, []
    return wanted["kind"], [str(one) for one in wanted["alarms"]][:MAX_AT_ONCE]


def opened(name: str, alarms: pl.DataFrame) -> tuple[Any, ...]:
    """Return what the dialog shows for a deed with these alarms."""
    deed = ALARM_ACTIONS[name]
    allowed = [hours for hours in SHELF_H if hours <= longest_h(alarms)]
    times = [{"value": f"{hours:g}", "label": formatting.span(hours * 3600)} for hours in allowed]
    subjects = formatting.listed(alarms["subject"].drop_nulls().unique(maintain_order=True))
    what = f"{formatting.count(alarms.height, 'alarm')}: {subjects}"
    shown = {"display": "block" if name == "shelve" else "none"}
    title = deed.label.rstrip("…")
    return True, title, what, deed.asks, "", times, f"{min(allowed[-1], 1.0):g}", shown, title
