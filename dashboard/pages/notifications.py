"""Notifications: who is notified of which alarms, whether that works, dead letters, and who was notified when."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update, set_props
from dash.exceptions import PreventUpdate

from broker.contract.notification_fields import ConfigError
from dashboard.access.accounts import VISITOR
from dashboard.components import address, client_script, elements, notification_editor, notification_views, shell
from dashboard.components.elements import Component
from dashboard.components.notification_editor import PREFIX
from dashboard.components.notification_views import STATE_WORD, STORE
from dashboard.data import notification_editing, notifications
from dashboard.data.notification_editing import Draft
from dashboard.data.services import DataService
from dashboard.zones import ZONE

PATH: Final = "/notifications"
REFRESH_MS: Final = 3_000
PARTS: Final = ("status", "services", "routes", "dead", "listed")


def layout() -> Component:
    """Return the page; its parts follow at once and every few seconds."""
    states = dmc.Select(
        id="notification-state",
        value="",
        data=[{"value": state, "label": label} for state, label in STATE_WORD.items()],
        allowDeselect=False,
        size="xs",
        w=140,
        **client_script.label("State of the messages"),
    )
    return html.Div(
        [
            html.H1("Notifications", className="hidden"),
            dcc.Interval(id="notification-beat", interval=REFRESH_MS),
            dcc.Store(id="notification-key"),
            dcc.Store(id=STORE),
            dcc.Store(id="notification-changed"),
            elements.card("Notifier", html.Div(id="notification-status", role="status")),
            elements.card("Services", html.Div(id="notification-services", className="scroll")),
            elements.card("Routes", html.Div(id="notification-routes", className="scroll")),
            notification_editor.card(),
            elements.card("Dead letters", html.Div(id="notification-dead", className="scroll")),
            elements.card(
                "Who was notified, and when", html.Div(id="notification-listed", className="scroll"), side=states
            ),
        ],
        className="column notifications",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page."""
    shell.add_page(
        __name__, name="Notifications", path=PATH, order=31, layout=layout, right=notifications.RIGHT, english=True
    )
    address.bind(app, PATH, {"state": address.choice("notification-state", STATE_WORD)})

    @app.callback(
        *[Output(f"notification-{part}", "children") for part in PARTS],
        Output("notification-key", "data"),
        Input("notification-beat", "n_intervals"),
        Input("notification-changed", "data"),
        Input("notification-state", "value"),
        State("notification-key", "data"),
    )
    async def show(_beat: Any, _changed: Any, state: Any, key: Any) -> Any:
        if not VISITOR.get().may(notifications.RIGHT):
            raise PreventUpdate
        return await asyncio.to_thread(render, data, state if state in STATE_WORD else "", key)

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("notification-changed", "data"),
        Input(STORE, "data"),
        prevent_initial_call=True,
    )
    async def ask(asked: Any) -> Any:
        if not asked:
            return no_update, no_update
        set_props(STORE, {"data": None})  # so that the same button can be used again
        kind, about, name = asked_of(asked)
        if kind not in notifications.DONE:
            raise PreventUpdate
        answer = await notifications.ask(data, kind, about, name)  # type: ignore[arg-type]
        return [elements.notice(answer.text, good=answer.good)], answer.text

    editing(app, data)


def editing(app: Dash, data: DataService) -> None:
    """Add what the editor does: open, check, save, close."""

    @app.callback(
        Output(f"{PREFIX}-text", "value"),
        Output(f"{PREFIX}-of", "data"),
        Output(f"{PREFIX}-editor", "hidden"),
        Output(f"{PREFIX}-answer", "children"),
        Input(f"{PREFIX}-open", "n_clicks"),
        Input(f"{PREFIX}-close", "n_clicks"),
        prevent_initial_call=True,
    )
    async def open_or_close(opens: Any, closes: Any) -> Any:
        if not (opens or closes):  # the page was put in, nobody clicked
            raise PreventUpdate
        if ctx.triggered_id != f"{PREFIX}-open" or not VISITOR.get().may(notifications.RIGHT):
            return "", None, True, None
        try:
            draft = await asyncio.to_thread(notification_editing.opened, data)
        except ConfigError as error:
            return "", None, False, notification_editor.wrong(f"it cannot be opened: {error}")
        return draft.text, draft.revision, False, None

    @app.callback(
        Output(f"{PREFIX}-answer", "children", allow_duplicate=True),
        Input(f"{PREFIX}-check", "n_clicks"),
        State(f"{PREFIX}-text", "value"),
        State(f"{PREFIX}-of", "data"),
        prevent_initial_call=True,
    )
    async def check(clicks: Any, text: Any, revision: Any) -> Any:
        if not clicks or not VISITOR.get().may(notifications.RIGHT):
            raise PreventUpdate
        try:
            found = await asyncio.to_thread(notification_editing.checked, data, draft_of(text, revision))
        except ConfigError as error:
            return notification_editor.wrong(str(error))
        return notification_editor.verdict(found.sentences)

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output(f"{PREFIX}-answer", "children", allow_duplicate=True),
        Output(f"{PREFIX}-of", "data", allow_duplicate=True),
        Output(f"{PREFIX}-text", "value", allow_duplicate=True),
        Output("notification-changed", "data", allow_duplicate=True),
        Input(f"{PREFIX}-save", "n_clicks"),
        State(f"{PREFIX}-text", "value"),
        State(f"{PREFIX}-of", "data"),
        prevent_initial_call=True,
    )
    async def save(clicks: Any, text: Any, revision: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        answer = await notification_editing.save(data, draft_of(text, revision))
        said = [elements.notice(answer.text, good=answer.good)]
        if not answer.good:
            return said, html.P(answer.text, className="warn-word"), no_update, no_update, no_update
        draft = await asyncio.to_thread(notification_editing.opened, data)
        return said, html.P(answer.text), draft.revision, draft.text, clicks


def draft_of(text: Any, revision: Any) -> Draft:
    """Return what a browser asks to check or to save, whatever it sends."""
    return Draft(text if isinstance(text, str) else "", revision[:64] if isinstance(revision, str) else "")


def render(data: DataService, state: str, key: Any) -> tuple[Any, ...]:
    """Return the parts of the page and their key; of those that look as in `key`, nothing."""
    found, now = notifications.overview(data, state), data.now()
    fresh = {
        "services": [
            found.config.get("services"),
            [one.service for one in found.status.failing] if found.status else 0,
        ],
        "routes": [found.config.get("routes"), found.config.get("rotas")],
        "dead": [one.key for one in found.dead],
        "listed": [[one.key, one.state, one.attempts, one.title] for one in found.listed],
    }
    keys = {part: repr((ZONE.get(), known)) for part, known in fresh.items()}
    before = key if isinstance(key, dict) else {}
    parts = [
        no_update if before.get(part) == keys[part] else getattr(notification_views, part)(found) for part in PARTS[1:]
    ]
    return notification_views.status(found, now), *parts, keys


def asked_of(asked: Any) -> tuple[str, str, str]:
    """Return kind, subject and name of what a browser asks for; empty texts if it is nothing known."""
    try:
        found = json.loads(asked)
        return str(found["kind"]), str(found["about"])[:200], str(found["name"])[:200]
    except (TypeError, ValueError, KeyError):
        return "", "", ""
