"""Editor of the configuration of notifications, on their page: closed until somebody opens it."""

from __future__ import annotations

from typing import Final

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard.components import client_script, elements
from dashboard.components.elements import Component

PREFIX: Final = "notification-edit"
HINT: Final = "Secrets stand as (kept 1): leave them, or write a new one. Checking sends and saves nothing."


def card() -> Component:
    """Return the card with the button that opens the editor, and the closed editor."""
    text = dmc.Textarea(
        id=f"{PREFIX}-text",
        value="",
        autosize=True,
        minRows=12,
        maxRows=36,
        spellCheck=False,
        className="notify-editor",
        **client_script.label("Configuration of notifications as TOML"),
    )
    buttons = [
        html.Button("Check", id=f"{PREFIX}-check", className="button"),
        html.Button("Save", id=f"{PREFIX}-save", className="button strong"),
        html.Button("Close", id=f"{PREFIX}-close", className="button"),
    ]
    editor = html.Div(
        [
            html.P(HINT, className="note"),
            text,
            html.Div(buttons, className="buttons"),
            html.Div(id=f"{PREFIX}-answer", role="status"),
        ],
        id=f"{PREFIX}-editor",
        hidden=True,
    )
    return elements.card(
        "Change routes, services and rotas",
        html.Div([html.Button("Open", id=f"{PREFIX}-open", className="button"), dcc.Store(id=f"{PREFIX}-of"), editor]),
    )


def said(sentences: tuple[str, ...]) -> Component:
    """Return what a checked configuration would do."""
    return html.Div([html.B("Valid. With the alarms that are open now:"), html.Ul([html.Li(one) for one in sentences])])


def wrong(problem: str) -> Component:
    """Return why a configuration cannot be used."""
    return html.P(f"{problem[:1].upper()}{problem[1:]}.", className="warn-word")
