"""This file is where an engineer treats pumps as with a programmer: program, bolus, stop, refill, replace, ask."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from dashboard import choice, fault_report, order_fields, order_form, pieces
from dashboard.accounts import VISITOR
from dashboard.desk import Desk
from dashboard.pieces import Piece

PATH: Final = "/programmer"
TITLE: Final = "Programmer"
ORDER: Final = 5
FIRST: Final = "program"


def layout(_desk: Desk, _rest: str = "") -> Piece:
    """Return the page: the form of one order, and what the gateways answered."""
    answers = html.Div(pieces.nothing("Nothing ordered yet."), id="order-answers", role="status")
    return html.Div(
        [
            html.H1("Programmer", className="hidden"),
            html.Div(
                [
                    pieces.card("Treat simulated pumps", _form(may=VISITOR.get().may("program")), name="order-form"),
                    pieces.card("Answers", answers, name="order-answers"),
                ],
                className="fault-top",
            ),
        ],
        className="column",
    )


def _form(*, may: bool) -> Piece:
    return html.Div(
        [
            dmc.Select(
                id="order-what",
                label="What",
                description=html.Span(id="order-does"),
                data=[{"value": what, "label": form.title} for what, form in order_form.FORMS.items()],
                value=FIRST,
                allowDeselect=False,
            ),
            dmc.TextInput(
                id="order-pumps",
                label="Pumps",
                placeholder="3, 7-9, ITB-000123",
                description=html.Span(id="order-chosen"),
            ),
            dmc.MultiSelect(
                id="order-picked",
                label="or pick by serial",
                data=[],
                searchable=True,
                placeholder="type a part of a serial",
                maxValues=100,
                limit=50,
            ),
            *order_form.groups(disabled=not may),
            html.Div(html.Button("Order", id="order-send", className="button strong", disabled=not may)),
            None if may else pieces.nothing("You can look, but not order: only engineers may treat pumps."),
        ],
        className="form",
    )


def register(app: Dash, desk: Desk) -> None:
    """Show the fields of the order, name its pumps, send it, and say what was answered."""

    @app.callback(
        Output("order-does", "children"),
        *[Output(f"order-{what}", "hidden") for what in order_form.FORMS],
        Input("order-what", "value"),
    )
    async def fit(what: str | None) -> Any:
        form = order_form.FORMS.get(what or FIRST)
        return (form.does if form else "", *[what != one for one in order_form.FORMS])

    @app.callback(Output("order-pumps", "value"), Input("url", "search"))
    async def fill(search: str | None) -> Any:
        return asked(search) or no_update

    @app.callback(Output("order-picked", "data"), Input("order-picked", "searchValue"), State("order-picked", "value"))
    async def offer(typed: str | None, picked: list[str] | None) -> Any:
        return sorted({*choice.matching(desk.snapshot().pumps, typed or ""), *(picked or [])})

    @app.callback(Output("order-chosen", "children"), Input("order-pumps", "value"), Input("order-picked", "value"))
    async def count(text: str | None, picked: list[str] | None) -> Any:
        return choice.say(_chosen(desk, text, picked))

    @app.callback(
        Output("order-answers", "children"),
        Input("order-send", "n_clicks"),
        State("order-what", "value"),
        State("order-pumps", "value"),
        State("order-picked", "value"),
        *[State(name, "value") for name in order_form.FIELD_IDS],
        prevent_initial_call=True,
        running=[(Output("order-send", "aria-busy"), "true", "false")],
    )
    async def order(clicks: int | None, what: Any, text: Any, picked: Any, *values: Any) -> Any:
        if not clicks:
            return no_update
        given = dict(zip(order_form.FIELD_IDS, values, strict=True))
        return await carry_out(desk, what, _chosen(desk, text, picked), given)


async def carry_out(desk: Desk, what: Any, chosen: choice.Choice, given: dict[str, Any]) -> Piece:
    """Order what the form says for the chosen pumps, and return the answers, refusals first."""
    if chosen.unknown or chosen.pumps.is_empty():
        return pieces.nothing(choice.say(chosen))
    try:
        treatment = order_form.treatment(what, given)
    except order_fields.FormError as error:
        return pieces.nothing(f"Not ordered. {error}")
    return fault_report.answers(sorted(await desk.treat(chosen.pumps, treatment), key=lambda reply: reply.ok))


def asked(search: str | None) -> str:
    """Return the pumps that the address asks for: "?pumps=ITB-000001"; nothing where they are too many to show."""
    text = ", ".join(parse_qs((search or "").removeprefix("?")).get("pumps", []))
    # Cut off, a list could name other pumps than were meant.
    return text if len(text) <= order_fields.MOST_TEXT else ""


def _chosen(desk: Desk, text: str | None, picked: list[str] | None) -> choice.Choice:
    return choice.choose(desk.snapshot().pumps, " ".join([text or "", *(picked or [])]))
