"""API keys: administrators create keys for programs, see when each was used last, and revoke them."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboard import formatting
from dashboard.access.accounts import ROLES, VISITOR, AccessError
from dashboard.access.api_key_file import DEFAULT_DAYS, MAX_DAYS, ApiKey
from dashboard.access.api_keys import KEYS, ApiKeys
from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements, shell
from dashboard.components.elements import Component, notice
from dashboard.data.services import DataService

CHANGED: Final = "api-keys-changed"
CHOSEN: Final = "api-key-chosen"
UNAVAILABLE: Final = "API keys can be managed only behind the sign-in of the dashboard"


def layout() -> Component:
    """Return the page with the keys."""
    return html.Div(
        [
            html.H1("API keys", className="hidden"),
            dcc.Store(id=CHANGED),
            dcc.Store(id=CHOSEN),
            dcc.ConfirmDialog(id="api-key-revoke", message=""),
            elements.card("API keys", html.Div(listed(), id="api-keys")),
            elements.card("Create an API key", _form(), name="account-form"),
        ],
        className="column",
    )


def register(app: Dash, _data: DataService) -> None:
    """Add the page: list, form and revocation, each checked on the server."""
    shell.add_page(__name__, name="API keys", path="/api-keys", order=34, layout=layout, right="admin", english=True)

    @app.callback(Output("api-keys", "children"), Input(CHANGED, "data"), prevent_initial_call=True)
    async def show(_changed: Any) -> Any:
        return listed()

    @app.callback(
        Output(CHANGED, "data"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("api-key-secret", "children"),
        Output("api-key-name", "value"),
        Input("api-key-create", "n_clicks"),
        State("api-key-name", "value"),
        State("api-key-role", "value"),
        State("api-key-days", "value"),
        prevent_initial_call=True,
    )
    async def create(clicks: Any, name: Any, role: Any, days: Any) -> Any:
        if not clicks:
            return [no_update] * 4
        return await created(str(name or "").strip(), str(role or ""), days)

    @app.callback(
        Output("api-key-revoke", "displayed"),
        Output("api-key-revoke", "message"),
        Input(CHOSEN, "data"),
        prevent_initial_call=True,
    )
    async def confirm(name: Any) -> Any:
        if not isinstance(name, str) or not name:
            return no_update, no_update
        return True, f"Revoke the API key {name}? Whatever uses it is refused at once."

    @app.callback(
        Output(CHANGED, "data", allow_duplicate=True),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output(CHOSEN, "data"),
        Input("api-key-revoke", "submit_n_clicks"),
        Input("api-key-revoke", "cancel_n_clicks"),
        State(CHOSEN, "data"),
        State("api-key-revoke", "submit_n_clicks_timestamp"),
        State("api-key-revoke", "cancel_n_clicks_timestamp"),
        prevent_initial_call=True,
    )
    async def revoke(submitted: Any, _cancelled: Any, name: Any, at: Any, cancelled_at: Any) -> Any:
        if not submitted or (cancelled_at or 0) > (at or 0):
            return no_update, no_update, ""
        return *await revoked(str(name or "")), ""


def listed() -> Component:
    """Return the keys as a table, for administrators."""
    keys = KEYS.get()
    if keys is None or not VISITOR.get().may("admin"):
        return elements.nothing("Only admins may see the API keys.")
    try:
        found = keys.all()
    except AccessError as error:
        return elements.nothing(f"{error}.")
    if not found:
        return elements.nothing("No API keys. Programs use them to read data and to act on alarms over the HTTP API.")
    titles = ("Name", "", "Role", "State", "Created by", "Expires", "Last use")
    return elements.table([(title, "") for title in titles], [_row(*one) for one in found])


def _row(key: ApiKey, problem: str, used: int | None) -> list[Component]:
    button = html.Button("Revoke…", className="button", **client_script.chooses(CHOSEN, key.name))
    state = html.Span("not valid", className="warn-word", title=problem) if problem else "valid"
    return [
        html.B(key.name, className="account-name"),
        button,
        key.role,
        state,
        key.creator or "command line",
        formatting.moment(key.expires),
        formatting.moment(used) if used else "never",
    ]


async def created(name: str, role: str, days: Any) -> tuple[Any, ...]:
    """Create a key; return the change, the notification, the secret to show once, and the field of the name."""
    try:
        token = await _keys().make(name, role, int(days) if isinstance(days, int | float) else 0)
    except (AccessError, OSError) as error:
        return no_update, [notice(f"Not created: {error}.", good=False)], no_update, no_update
    shown = html.Div(
        [
            html.P(f"The API key {name}, shown this once; copy it now:"),
            html.Code(token, className="api-key", tabIndex=0),
            dcc.Clipboard(content=token, title="Copy the key"),
        ]
    )
    return {"made": name, "token": token[-4:]}, [notice(f"Created the API key {name}.", good=True)], shown, ""


async def revoked(name: str) -> tuple[Any, ...]:
    """Revoke a key; return the change and the notification."""
    try:
        await _keys().revoke(name)
    except (AccessError, OSError) as error:
        return no_update, [notice(f"Not revoked: {error}.", good=False)]
    return {"revoked": name}, [notice(f"Revoked the API key {name}.", good=True)]


def _keys() -> ApiKeys:
    """Return the keys. Raises `AccessError` if the dashboard is served without a sign-in."""
    keys = KEYS.get()
    if keys is None:
        raise AccessError(UNAVAILABLE)
    return keys


def _form() -> Component:
    return html.Div(
        [
            html.Div(
                [
                    dmc.TextInput(
                        id="api-key-name",
                        label="Name",
                        description="of the program that uses it",
                        placeholder="nightly-export",
                        autoComplete="off",
                    ),
                    dmc.Select(
                        id="api-key-role",
                        label="Role",
                        description="what the program may do",
                        data=list(ROLES),
                        value=ROLES[0],
                        allowDeselect=False,
                    ),
                    dmc.NumberInput(
                        id="api-key-days",
                        label="Valid for, days",
                        description=f"1 to {MAX_DAYS}",
                        value=DEFAULT_DAYS,
                        min=1,
                        max=MAX_DAYS,
                        allowDecimal=False,
                    ),
                    html.Button("Create key", id="api-key-create", className="button strong"),
                ],
                className="field-row",
            ),
            html.Div(id="api-key-secret", role="status"),
            html.P(
                [
                    "A key works only for the ",
                    html.A("HTTP API", href=path_of("/api/docs")),
                    ", and as long as the account that made it exists, is enabled and has at least the key's role.",
                ],
                className="note",
            ),
        ]
    )
