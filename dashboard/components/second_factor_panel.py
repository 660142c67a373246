"""Panel on the page Account that turns the second factor on and off."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from dashboard.access.accounts import VISITOR, AccessError
from dashboard.access.people import PEOPLE
from dashboard.access.second_factor import qr_code, uri
from dashboard.components import elements
from dashboard.components.elements import Component, notice
from dashboard.languages import decimal, tr, tr_later

WHY: Final = tr_later(
    "With a second factor, signing in also takes a code of an authenticator app on your phone, or one of ten recovery "
    "codes."
)


def layout() -> Component:
    """Return the panel with the state of the visitor's account."""
    return html.Div(state(), id="second-factor")


def register(app: Dash) -> None:
    """Set up, confirm and turn off; each answer replaces the content of the panel."""

    @app.callback(Output("second-factor", "children"), Input("factor-begin", "n_clicks"), prevent_initial_call=True)
    async def begin(clicks: Any) -> Any:
        people = PEOPLE.get()
        return setup(people.begin_second_factor()) if clicks and people else no_update

    @app.callback(
        Output("second-factor", "children", allow_duplicate=True),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input("factor-confirm", "n_clicks"),
        State("factor-code", "value"),
        prevent_initial_call=True,
    )
    async def confirm(clicks: Any, code: Any) -> Any:
        people = PEOPLE.get()
        if not clicks or people is None:
            return no_update, no_update
        done, codes = await people.confirm_second_factor(str(code or ""))
        return (recovery(codes) if done.good else no_update), [notice(done.text, good=done.good)]

    @app.callback(
        Output("second-factor", "children", allow_duplicate=True),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input("factor-end", "n_clicks"),
        State("factor-password", "value"),
        prevent_initial_call=True,
    )
    async def end(clicks: Any, password: Any) -> Any:
        people = PEOPLE.get()
        if not clicks or people is None:
            return no_update, no_update
        done = await people.end_second_factor(str(password or ""))
        return (state() if done.good else no_update), [notice(done.text, good=done.good)]


def state() -> Component:
    """Return whether the second factor is on, and the way to change that."""
    try:
        account = people.own_account() if (people := PEOPLE.get()) else None
    except AccessError:
        account = None
    if account is None:
        return elements.nothing(tr("Your sign-in is not kept here, so its second factor is not either."))
    if not account.totp:
        return html.Div(
            [html.P(f"{tr('Off.')} {tr(WHY)}"), html.Button(tr("Set up"), id="factor-begin", className="button strong")]
        )
    left = tr("On. Recovery codes left: {count}.", count=decimal(len(account.recovery)))
    password = dmc.PasswordInput(
        id="factor-password",
        label=tr("Current password"),
        description=tr("to turn it off"),
        autoComplete="current-password",
    )
    button = html.Button(tr("Turn off"), id="factor-end", className="button")
    return html.Div([html.P(left), html.Div([password, button], className="field-row")])


def setup(secret: str) -> Component:
    """Return the QR code of a new secret, the secret to type instead, and the field of the first code."""
    address = uri(secret, VISITOR.get().name)
    grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    code = dmc.TextInput(
        id="factor-code",
        label=tr("Code"),
        description=tr("six digits that the app shows"),
        autoComplete="one-time-code",
    )
    return html.Div(
        [
            html.Img(src=qr_code(address), alt=tr("QR code for the authenticator app"), className="qr-code"),
            html.Div(
                [
                    html.P(tr("Scan this with an authenticator app, or type the secret:")),
                    html.P(html.Code(grouped)),
                    html.Div(
                        [code, html.Button(tr("Turn on"), id="factor-confirm", className="button strong")],
                        className="field-row",
                    ),
                ]
            ),
        ],
        className="factor-setup",
    )


def recovery(codes: list[str]) -> Component:
    """Return the recovery codes, which are shown only once."""
    return html.Div(
        [
            html.P(
                tr(
                    "On. Keep these recovery codes in a safe place: each signs you in once, "
                    "and they are not shown again."
                )
            ),
            html.Ul([html.Li(html.Code(code)) for code in codes], className="recovery-codes"),
        ]
    )
