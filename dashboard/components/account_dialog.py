"""Dialog in which administrators change an account: role, password, state, sessions, second factor, removal."""

from __future__ import annotations

import json
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from dashboard.access.accounts import ROLES, Account
from dashboard.access.people import ONLY_ADMINS, PEOPLE
from dashboard.components.elements import Component, notice

STORE: Final = "account"
"""Id of the store that the list sets to {"name": …}; `n` makes each request unique."""
CHANGED: Final = "accounts-changed"
"""Id of the store that counts changes, so that the list is read again."""
BUTTONS: Final = {
    "account-role-set": "role",
    "account-password-set": "password",
    "account-disable": "disable",
    "account-enable": "enable",
    "account-end": "end",
    "account-reset": "reset",
    "account-removal": "remove",
}
"""What each button, or the confirmation of the removal, does with the account."""


def layout() -> Component:
    """Return the dialog, closed."""
    return html.Div(
        [
            dcc.Store(id=STORE),
            dcc.ConfirmDialog(id="account-removal", message=""),
            dmc.Modal(
                [
                    html.P(html.B(id="account-name")),
                    _row(
                        dmc.Select(id="account-role", label="Role", data=list(ROLES), allowDeselect=False),
                        _button("Change role", "account-role-set"),
                    ),
                    _row(
                        dmc.PasswordInput(id="account-password", label="New password", autoComplete="new-password"),
                        _button("Set password", "account-password-set"),
                    ),
                    html.P("Each of these changes ends the sessions of the account at once.", className="note"),
                    html.Div(
                        [
                            _button("Disable", "account-disable"),
                            _button("Enable", "account-enable"),
                            _button("End sessions", "account-end"),
                            _button("Reset second factor", "account-reset"),
                            _button("Remove account…", "account-remove"),
                        ],
                        className="buttons dialog-wrap",
                    ),
                    html.Div(_button("Close", "account-close"), className="buttons dialog-buttons"),
                ],
                id="account-dialog",
                title="Account",
                opened=False,
                size="md",
                transitionProps={"duration": 0},
            ),
        ]
    )


def register(app: Dash) -> None:
    """Open the dialog, carry out what its buttons say, and show the result."""

    @app.callback(
        Output("account-dialog", "opened"),
        Output("account-name", "children"),
        Output("account-role", "value"),
        Output("account-password", "value"),
        Output(CHANGED, "data", allow_duplicate=True),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        Input("account-close", "n_clicks"),
        *(Input(button, _event(button)) for button in BUTTONS),
        State("account-role", "value"),
        State("account-password", "value"),
        prevent_initial_call=True,
    )
    async def act(request: Any, _close: Any, *values: Any) -> Any:
        role, password = values[len(BUTTONS) :]
        # Dash also calls this when the page opens: then nothing was pressed.
        if not isinstance(request, dict) or not ctx.triggered or not ctx.triggered[0]["value"]:
            return [no_update] * 6
        if ctx.triggered_id == "account-close":
            return False, *[no_update] * 5
        name = str(request.get("name") or "")
        if ctx.triggered_id == STORE:
            return True, name, request.get("role"), "", no_update, no_update
        return await carry_out(str(ctx.triggered_id), name, str(role or ""), str(password or ""))

    @app.callback(
        Output("account-removal", "displayed"),
        Output("account-removal", "message"),
        Input("account-remove", "n_clicks"),
        State(STORE, "data"),
        prevent_initial_call=True,
    )
    async def confirm(clicks: Any, request: Any) -> Any:
        if not clicks or not isinstance(request, dict):
            return no_update, no_update
        name = str(request.get("name") or "")
        return True, f"Remove the account {name}? Its entries in the audit trail stay."


async def carry_out(button: str, name: str, role: str, password: str) -> tuple[Any, ...]:
    """Do what a button says; return the new state of the dialog, the count of changes and the notification."""
    people, kind = PEOPLE.get(), BUTTONS.get(button, "")
    if people is None:
        return (*[no_update] * 5, [notice(ONLY_ADMINS, good=False)])
    done = await people.manage(kind, name, {"role": role, "password": password}.get(kind, ""))
    changed = {"name": name, "kind": kind} if done.good else no_update
    return not done.good, no_update, no_update, "", changed, [notice(done.text, good=done.good)]


def button(account: Account) -> Component:
    """Return the button of a row of the list."""
    attributes: dict[str, Any] = {"data-account": json.dumps({"name": account.name, "role": account.role})}
    return html.Button("Manage…", className="button", **attributes)


def _event(button: str) -> str:
    return "submit_n_clicks" if button == "account-removal" else "n_clicks"


def _button(label: str, name: str) -> Component:
    return html.Button(label, id=name, className="button")


def _row(*children: Component) -> Component:
    return html.Div(list(children), className="field-row")
