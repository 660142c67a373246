"""Account: what each person does with their own account: password, second factor and sessions."""

from __future__ import annotations

import json
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboard import formatting
from dashboard.access import language_choice
from dashboard.access.accounts import VISITOR, AccessError
from dashboard.access.passwords import MAX_PASSWORD, MIN_PASSWORD
from dashboard.access.people import PEOPLE, People
from dashboard.access.proxies import path_of
from dashboard.access.session_table import Session
from dashboard.components import client_script, elements, second_factor_panel, shell
from dashboard.components.elements import Component, notice
from dashboard.data.services import DataService
from dashboard.languages import LANGUAGE, NAMES, decimal, tr

STORE: Final = "session"
"""Id of the store that a button of the list sets to {"handle": …}; `n` makes each request unique."""
CHANGED: Final = "sessions-changed"
MAX_LISTED: Final = 100
BROWSERS: Final = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrom": "Chrome", "Safari": "Safari"}
SYSTEMS: Final = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Mac OS": "macOS",
    "Linux": "Linux",
}
"""What a browser sends, by what it contains; of several the first is right."""


def layout() -> Component:
    """Return the page of the visitor."""
    visitor, people = VISITOR.get(), PEOPLE.get()
    users = html.A(tr("Users"), href=path_of("/users"), className="button", **client_script.GO)
    head = [html.H1(visitor.name or tr("Account")), html.Span(tr(visitor.role), className="tag")]
    return html.Div(
        [
            dcc.Store(id=STORE),
            dcc.Store(id=CHANGED),
            html.Div([*head, *([users] if visitor.may("admin") else [])], className="account-head"),
            elements.card(tr("Language"), _languages(), name="account-languages"),
            elements.card(tr("Password"), _password_form(people), name="account-form"),
            elements.card(tr("Second factor"), second_factor_panel.layout()),
            elements.card(tr("Sessions"), html.Div(sessions(), id="own-sessions"), side=_sign_out_everywhere()),
        ],
        className="column",
    )


def _languages() -> Component:
    """Return the links that choose the language of this browser; a choice loads the page again."""
    links = [
        html.A(
            name,
            href=language_choice.link(code, "/account"),
            lang=code,
            hrefLang=code,
            className="button strong" if code == LANGUAGE.get().code else "button",
            **_current(code),
        )
        for code, name in NAMES.items()
    ]
    note = html.P(tr("Texts for engineers, and texts that have no translation yet, are in English."), className="note")
    return html.Div([html.Div(links, className="buttons"), note])


def _current(code: str) -> dict[str, Any]:
    return {"aria-current": "true"} if code == LANGUAGE.get().code else {}


def register(app: Dash, _data: DataService) -> None:
    """Add the page: change the own password, list and end the own sessions."""
    shell.add_page(__name__, name="Account", path="/account", layout=layout)
    second_factor_panel.register(app)

    @app.callback(Output("own-sessions", "children"), Input(CHANGED, "data"), prevent_initial_call=True)
    async def show(_changed: Any) -> Any:
        return sessions()

    @app.callback(
        Output(CHANGED, "data"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        prevent_initial_call=True,
    )
    async def end(request: Any) -> Any:
        people = PEOPLE.get()
        if people is None or not isinstance(request, dict):
            return no_update, no_update
        done = await people.end_own(str(request.get("handle") or ""))
        return request, [notice(done.text, good=done.good)]

    @app.callback(
        Output(CHANGED, "data", allow_duplicate=True),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("own-current", "value"),
        Output("own-new", "value"),
        Output("own-repeated", "value"),
        Input("own-change", "n_clicks"),
        State("own-current", "value"),
        State("own-new", "value"),
        State("own-repeated", "value"),
        prevent_initial_call=True,
    )
    async def change(clicks: Any, *values: Any) -> Any:
        if not clicks:
            return [no_update] * 5
        text, good = await changed(*(str(value or "") for value in values))
        kept = "" if good else no_update
        return (clicks if good else no_update), [notice(text, good=good)], kept, kept, kept


async def changed(current: str, new: str, repeated: str) -> tuple[str, bool]:
    """Change the password of the visitor; return a sentence and whether it was changed."""
    people = PEOPLE.get()
    if people is None:
        return tr("Not changed: sign in first."), False
    if new != repeated:
        return tr("Not changed: the new password and its repetition differ."), False
    try:
        done = await people.own_password(current, new)
    except AccessError as error:
        return tr("Not changed: {problem}.", problem=error), False
    return (tr("Password changed; your other sessions ended."), True) if done.good else (done.text, False)


def sessions() -> Component:
    """Return the sessions of the visitor as a table."""
    people = PEOPLE.get()
    found = people.own_sessions() if people else []
    if not found:
        return elements.nothing(tr("No sessions."))
    heads = [(title, "") for title in (tr("Browser"), "", tr("From"), tr("Since"), tr("Last used"))]
    rows = [
        [
            html.Span(browser_name(session.agent), title=session.agent),
            _end_button(session),
            session.address,
            formatting.moment(session.started),
            formatting.moment(session.seen),
        ]
        for session in found[:MAX_LISTED]
    ]
    return elements.table(heads, rows, name="cards")


def browser_name(agent: str) -> str:
    """Return what people call a browser and its system: "Firefox on Windows"; the first words if it is unknown."""
    browser = next((name for mark, name in BROWSERS.items() if mark in agent), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    return (
        tr("{browser} on {system}", browser=browser, system=system)
        if browser and system
        else agent[:30] or tr(formatting.UNKNOWN)
    )


def _end_button(session: Session) -> Component:
    if session.digest == VISITOR.get().session:
        return html.Span(tr("this session"), className="tag")
    attributes: dict[str, Any] = {"data-session": json.dumps({"handle": session.handle})}
    return html.Button(tr("End", context="session"), className="button", **attributes)


def _sign_out_everywhere() -> Component:
    action = path_of("/sign-out?everywhere=1")
    return html.Form(html.Button(tr("Sign out everywhere"), className="button"), action=action, method="POST")


def _password_form(people: People | None) -> Component:
    try:
        known = people is not None and people.own_account() is not None
    except AccessError:
        known = False
    if not known:
        return elements.nothing(tr("Your password is not kept here, so it cannot be changed here."))
    lengths = tr("{least} to {most} characters", least=MIN_PASSWORD, most=decimal(MAX_PASSWORD))
    return html.Div(
        [
            dmc.PasswordInput(
                id="own-current",
                label=tr("Current password"),
                description=tr("as at sign-in"),
                autoComplete="current-password",
            ),
            dmc.PasswordInput(id="own-new", label=tr("New password"), description=lengths, autoComplete="new-password"),
            dmc.PasswordInput(
                id="own-repeated",
                label=tr("New password again"),
                description=tr("the same"),
                autoComplete="new-password",
            ),
            html.Button(tr("Change password"), id="own-change", className="button strong"),
        ],
        className="field-row",
    )
