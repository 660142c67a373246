"""Dialog for alarm actions: opens in the browser and asks for reason, duration or confirmation."""

from __future__ import annotations

import json
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.contract.actions import MAX_SHELF_H
from broker.store.snapshot import PRIORITY_CODE
from dashboard import formatting
from dashboard.components import client_script
from dashboard.components.elements import Component, notice
from dashboard.data.alarm_actions import ALARM_ACTIONS, SHELF_H
from dashboard.data.services import MAX_ALARMS_PER_ACTION, DataService
from dashboard.languages import decimal, tr

STORE: Final = "action"
"""Id of the store that any page sets to {"kind": …, "alarms": [ids]}; `n` makes each request differ from the last.

The dialog also shows the first `names` of the alarms' `subjects` (their number) and the `counts` of each priority."""
ANSWERED: Final = "action-answered"
"""Id of the store that gets what became of an action: {"alarms": [ids], "good": …, "text": …}."""


def spec() -> dict[str, Any]:
    """Return what the browser needs to know to open the dialog and to show what was asked."""
    return {
        "actions": {
            name: {
                "label": tr(action.label),
                "prompt": tr(action.prompt),
                "states": action.states,
                "word": f"{tr(action.gerund)}…",
            }
            for name, action in ALARM_ACTIONS.items()
        },
        "priorities": {code: tr(name) for code, name in formatting.PRIORITY_WORD.items()},
        "states": {state: tr(name) for state, name in formatting.STATE_WORD.items()},
        "times": [{"value": f"{hours:g}", "label": formatting.span(hours * 3600)} for hours in SHELF_H],
        "longest": {code: MAX_SHELF_H[name] for name, code in PRIORITY_CODE.items()},
        "most": MAX_ALARMS_PER_ACTION,
    }


def layout() -> Component:
    """Return the dialog, closed."""
    dialog = dmc.Modal(
        [
            html.P(id="action-subjects", className="note"),
            html.Div(
                dmc.Select(id="action-duration", label=tr("Duration (therapy time)"), data=[], allowDeselect=False),
                id="action-duration-box",
            ),
            html.Div(
                dmc.Textarea(id="action-reason", autosize=True, minRows=2, **{"data-autofocus": True}),
                id="action-reason-box",
            ),
            html.Div(
                [
                    html.Button(tr("Cancel"), id="action-cancel", className="button"),
                    html.Button("OK", id="action-send", className="button strong"),
                ],
                className="buttons dialog-buttons",
            ),
        ],
        id="action-dialog",
        opened=False,
        size="md",
        transitionProps={"duration": 0},
        closeButtonProps=client_script.label(tr("Close")),
    )
    described: dict[str, Any] = {"data-spec": json.dumps(spec())}
    return html.Div(
        [
            html.Div(id="action-spec", hidden=True, **described),
            dcc.Store(id="action-order"),
            dcc.Store(id=ANSWERED),
            html.Div(id="action-seen", hidden=True),
            dialog,
        ]
    )


def register(app: Dash, data: DataService) -> None:
    """Open the dialog if an action needs it, else send the action at once; show the result."""
    client_script.runs(
        app,
        "asked",
        Output("action-dialog", "opened", allow_duplicate=True),
        Output("action-dialog", "title"),
        Output("action-subjects", "children"),
        Output("action-reason", "label"),
        Output("action-reason", "value"),
        Output("action-reason-box", "style"),
        Output("action-duration", "data"),
        Output("action-duration", "value"),
        Output("action-duration-box", "style"),
        Output("action-send", "children"),
        Output("action-order", "data", allow_duplicate=True),
        Input(STORE, "data"),
        prevent_initial_call=True,
    )
    client_script.runs(
        app,
        "confirmed",
        Output("action-dialog", "opened", allow_duplicate=True),
        Output("action-order", "data"),
        Input("action-send", "n_clicks"),
        State(STORE, "data"),
        State("action-reason", "value"),
        State("action-duration", "value"),
        prevent_initial_call=True,
    )
    client_script.runs(
        app,
        "cancelled",
        Output("action-dialog", "opened"),
        Input("action-cancel", "n_clicks"),
        prevent_initial_call=True,
    )
    client_script.runs(app, "answered", Output("action-seen", "children"), Input(ANSWERED, "data"))

    @app.callback(
        Output("action-dialog", "opened", allow_duplicate=True),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output(ANSWERED, "data"),
        Input("action-order", "data"),
        prevent_initial_call=True,
        running=[(Output("action-send", "disabled"), True, False)],
    )
    async def act(order: Any) -> Any:
        answer = await done(data, order)
        if answer is None:
            return [no_update] * 3
        # A dialog in which somebody wrote stays open until the action is done.
        opened = no_update if not answer["good"] else False
        return opened, [notice(answer["text"], good=answer["good"])], answer


async def done(data: DataService, order: Any) -> dict[str, Any] | None:
    """Apply what a browser ordered; return the alarms, whether it was done and the sentence. None if it is no order."""
    name, ids, problem = read(order)
    if name is None:
        return None
    if problem:
        return {"alarms": [], "good": False, "text": problem}
    hours = order.get("hours")
    for_s = _seconds(hours) if name == "shelve" else None
    why = str(order.get("why") or "").strip() if ALARM_ACTIONS[name].prompt else ""
    answer = await data.apply(name, ids, why=why, for_s=for_s)
    return {"alarms": ids, "good": answer.good, "text": answer.text}


def _seconds(hours: Any) -> float:
    try:
        return float(hours or 0) * 3600
    except (TypeError, ValueError):
        return 0.0


def read(order: Any) -> tuple[str | None, list[str], str]:
    """Return action, alarm ids and what is wrong with them of an order; no action if it is not one."""
    if (
        not isinstance(order, dict)
        or order.get("kind") not in ALARM_ACTIONS
        or not isinstance(order.get("alarms"), list)
    ):
        return None, [], ""
    count = len(order["alarms"])
    problem = (
        tr(
            "Not {participle}: {count} alarms are selected; allowed at once are {max_alarms_per_action}. Select fewer.",
            participle=tr(ALARM_ACTIONS[order["kind"]].participle),
            count=decimal(count),
            max_alarms_per_action=decimal(MAX_ALARMS_PER_ACTION),
        )
        if count > MAX_ALARMS_PER_ACTION
        else ""
    )
    return order["kind"], [str(alarm) for alarm in order["alarms"][:MAX_ALARMS_PER_ACTION]], problem
