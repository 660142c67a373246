"""Dialog for alarm actions that need a reason or a duration; every page opens it through a store."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import formatting
from dashboard.components.elements import Component, notice
from dashboard.data.alarm_actions import ALARM_ACTIONS, SHELF_H, max_shelf_h
from dashboard.data.services import MAX_ALARMS_PER_ACTION, DataService

STORE: Final = "action"
"""Id of the store that any page sets to {"kind": …, "alarms": [ids]}; `n` makes each request differ from the last."""


def layout() -> Component:
    """Return the dialog, closed."""
    return dmc.Modal(
        [
            html.P(id="action-subjects", className="note"),
            dmc.Select(id="action-duration", label="Duration (therapy time)", data=[], allowDeselect=False),
            dmc.Textarea(id="action-reason", autosize=True, minRows=2, **{"data-autofocus": True}),
            html.Div(
                [
                    html.Button("Cancel", id="action-cancel", className="button"),
                    html.Button("OK", id="action-send", className="button strong"),
                ],
                className="buttons dialog-buttons",
            ),
        ],
        id="action-dialog",
        opened=False,
        size="md",
        transitionProps={"duration": 0},
    )


def register(app: Dash, data: DataService) -> None:
    """Open the dialog if an action needs a reason, else send the action at once; show the result."""

    @app.callback(
        Output("action-dialog", "opened"),
        Output("action-dialog", "title"),
        Output("action-subjects", "children"),
        Output("action-reason", "label"),
        Output("action-reason", "value"),
        Output("action-duration", "data"),
        Output("action-duration", "value"),
        Output("action-duration", "style"),
        Output("action-send", "children"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        Input("action-send", "n_clicks"),
        Input("action-cancel", "n_clicks"),
        State("action-reason", "value"),
        State("action-duration", "value"),
        prevent_initial_call=True,
    )
    async def act(request: Any, _send: Any, _cancel: Any, reason: str | None, hours: str | None) -> Any:
        if ctx.triggered_id == "action-cancel":
            return False, *[no_update] * 9
        name, ids = read(request)
        if name is None:
            return [no_update] * 10
        if ctx.triggered_id == STORE and ALARM_ACTIONS[name].prompt:
            return *opened(name, data.snapshot().alarms.filter(pl.col("alarm").is_in(ids))), no_update
        for_s = float(hours or 0) * 3600 if name == "shelve" else None
        why = (reason or "").strip() if ALARM_ACTIONS[name].prompt else ""
        answer = await data.apply(name, ids, why=why, for_s=for_s)
        stays_open = not answer.good and bool(ALARM_ACTIONS[name].prompt)
        return stays_open, *[no_update] * 8, [notice(answer.text, good=answer.good)]


def read(request: Any) -> tuple[str | None, list[str]]:
    """Return the action and the alarm ids that a browser sent; None if the request is invalid."""
    if (
        not isinstance(request, dict)
        or request.get("kind") not in ALARM_ACTIONS
        or not isinstance(request.get("alarms"), list)
    ):
        return None, []
    return request["kind"], [str(alarm) for alarm in request["alarms"]][:MAX_ALARMS_PER_ACTION]


def opened(name: str, alarms: pl.DataFrame) -> tuple[Any, ...]:
    """Return the properties of the dialog, opened for an action on these alarms."""
    action = ALARM_ACTIONS[name]
    allowed = [hours for hours in SHELF_H if hours <= max_shelf_h(alarms)]
    times = [{"value": f"{hours:g}", "label": formatting.span(hours * 3600)} for hours in allowed]
    subjects = formatting.listed(alarms["subject"].drop_nulls().unique(maintain_order=True))
    summary = f"{formatting.count(alarms.height, 'alarm')}: {subjects}"
    duration = {"display": "block" if name == "shelve" else "none"}
    title = action.label.rstrip("…")
    return True, title, summary, action.prompt, "", times, f"{min(allowed[-1], 1.0):g}", duration, title
