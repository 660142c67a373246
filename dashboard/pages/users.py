"""Users: administrators add accounts, change roles, end sessions and reset second factors."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboard import formatting
from dashboard.access.accounts import ROLES, AccessError
from dashboard.access.passwords import MAX_PASSWORD, MIN_PASSWORD
from dashboard.access.people import ONLY_ADMINS, PEOPLE, Person
from dashboard.components import account_dialog, elements, shell
from dashboard.components.elements import Component, notice
from dashboard.data.services import DataService


def layout() -> Component:
    """Return the page with the accounts."""
    return html.Div(
        [
            html.H1("Users", className="hidden"),
            dcc.Store(id=account_dialog.CHANGED),
            elements.card("Accounts", html.Div(listed(), id="accounts")),
            elements.card("Add account", _form(), name="account-form"),
            account_dialog.layout(),
        ],
        className="column",
    )


def register(app: Dash, _data: DataService) -> None:
    """Add the page: list, form and dialog, each checked on the server."""
    shell.add_page(__name__, name="Users", path="/users", order=32, layout=layout, right="admin", english=True)
    account_dialog.register(app)

    @app.callback(Output("accounts", "children"), Input(account_dialog.CHANGED, "data"), prevent_initial_call=True)
    async def show(_changed: Any) -> Any:
        return listed()

    @app.callback(
        Output(account_dialog.CHANGED, "data"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("new-name", "value"),
        Output("new-password", "value"),
        Input("new-add", "n_clicks"),
        State("new-name", "value"),
        State("new-role", "value"),
        State("new-password", "value"),
        prevent_initial_call=True,
    )
    async def add(clicks: Any, name: Any, role: Any, password: Any) -> Any:
        if not clicks:
            return [no_update] * 4
        return await added(str(name or "").strip(), str(role or ""), str(password or ""))


def listed() -> Component:
    """Return the accounts as a table, for administrators."""
    people = PEOPLE.get()
    try:
        persons = people.listed() if people else []
    except AccessError:
        persons = []
    if not persons:
        return elements.nothing("No accounts, or your role may not see them.")
    return table(persons)


def table(persons: list[Person]) -> Component:
    """Return accounts as a table, with a button each."""
    titles = ("Name", "", "Role", "State", "Second factor", "Last sign-in", "Sessions")
    rows = [
        [
            html.B(person.account.name, className="account-name"),
            account_dialog.button(person.account),
            person.account.role,
            _state(person),
            "–" if person.provider else "on" if person.account.totp else "off",
            formatting.moment(person.last_sign_in) if person.last_sign_in else "never",
            str(person.sessions),
        ]
        for person in persons
    ]
    return elements.table([(title, "") for title in titles], rows, name="cards")


def _state(person: Person) -> Component:
    if person.provider:
        return "by identity provider"
    return html.Span("disabled", className="warn-word") if person.account.disabled else "enabled"


async def added(name: str, role: str, password: str) -> tuple[Any, ...]:
    """Add an account; return the change, the notification, and the fields: empty if it was added."""
    people = PEOPLE.get()
    if people is None:
        return no_update, [notice(ONLY_ADMINS, good=False)], no_update, no_update
    try:
        done = await people.add(name, role, password)
    except AccessError as error:
        return no_update, [notice(f"Not added: {error}.", good=False)], no_update, no_update
    if not done.good:
        return no_update, [notice(done.text, good=False)], no_update, no_update
    return {"name": name, "kind": "add"}, [notice(done.text, good=True)], "", ""


def _form() -> Component:
    lengths = f"{MIN_PASSWORD} to {MAX_PASSWORD} characters"
    return html.Div(
        [
            dmc.TextInput(id="new-name", label="Name", description="letters, digits and _ . @ -", autoComplete="off"),
            dmc.Select(
                id="new-role",
                label="Role",
                description="what the account may do",
                data=list(ROLES),
                value=ROLES[0],
                allowDeselect=False,
            ),
            dmc.PasswordInput(id="new-password", label="Password", description=lengths, autoComplete="new-password"),
            html.Button("Add account", id="new-add", className="button strong"),
        ],
        className="field-row",
    )
