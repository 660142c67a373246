"""This file is where an engineer treats pumps as with a programmer: program, bolus, stop, refill, replace, ask."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.components import elements, form_fields, injection_report, program_form, pump_picker
from dashboard.components.elements import Piece
from dashboard.data import pump_search
from dashboard.data.services import DataService

PATH: Final = "/programmer"
TITLE: Final = "Programmer"
ORDER: Final = 5
FIRST: Final = "program"


def layout(_desk: DataService, _rest: str = "") -> Piece:
    """Return the page: the form of one order, and what the gateways answered."""
    answers = html.Div(elements.nothing("Nothing ordered yet."), id="order-answers", role="status")
    return html.Div(
        [
            html.H1("Programmer", className="hidden"),
            html.Div(
                [
                    elements.card("Treat simulated pumps", _form(may=VISITOR.get().may("program")), name="order-form"),
                    elements.card("Answers", answers, name="order-answers"),
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
                data=[{"value": what, "label": form.title} for what, form in program_form.FORMS.items()],
                value=FIRST,
                allowDeselect=False,
            ),
            *pump_picker.fields("order"),
            *program_form.groups(disabled=not may),
            html.Div(html.Button("Order", id="order-send", className="button strong", disabled=not may)),
            _confirmation(),
            None if may else elements.nothing("You can look, but not order: only engineers may treat pumps."),
        ],
        className="form",
    )


def _confirmation() -> Piece:
    """Return the window in which an order that cannot be taken back is confirmed or left."""
    buttons = [
        html.Button("Yes, do it", id="order-yes", className="button strong"),
        html.Button("Leave as it is", id="order-no", className="button"),
    ]
    return dmc.Modal(
        [html.P(id="order-question"), html.Div(buttons, className="buttons")],
        id="order-confirm",
        title="Confirm",
        opened=False,
        centered=True,
        closeButtonProps={"aria-label": "Leave as it is"},
    )


def register(app: Dash, desk: DataService) -> None:
    """Show the fields of the order, name its pumps, send it, and say what was answered."""

    @app.callback(
        Output("order-does", "children"),
        *[Output(f"order-{what}", "hidden") for what in program_form.FORMS],
        Input("order-what", "value"),
    )
    async def fit(what: str | None) -> Any:
        form = program_form.FORMS.get(what or FIRST)
        return (form.does if form else "", *[what != one for one in program_form.FORMS])

    @app.callback(Output("order-pumps", "value"), Input("url", "search"))
    async def fill(search: str | None) -> Any:
        return asked(search) or no_update

    pump_picker.register(app, desk, "order")

    @app.callback(
        Output("order-answers", "children"),
        Output("order-confirm", "opened"),
        Output("order-question", "children"),
        Input("order-send", "n_clicks"),
        Input("order-yes", "n_clicks"),
        State("order-question", "children"),
        State("order-what", "value"),
        State("order-pumps", "value"),
        State("order-picked", "value"),
        *[State(name, "value") for name in program_form.FIELD_IDS],
        prevent_initial_call=True,
        running=[
            (Output("order-send", "aria-busy"), "true", "false"),
            (Output("order-yes", "aria-busy"), "true", "false"),
        ],
    )
    async def order(*values: Any) -> Any:
        sent, yes, asked, what, text, picked, *put_in = values
        if not (sent or yes):
            return no_update, no_update, no_update
        chosen = pump_picker.chosen(desk, text, picked)
        ask = question(what, chosen)
        # What was confirmed is what was read: pumps that came since, or another order, are asked for anew.
        if ask and not (ctx.triggered_id == "order-yes" and asked == ask):
            return no_update, True, ask
        given = dict(zip(program_form.FIELD_IDS, put_in, strict=True))
        return await carry_out(desk, what, chosen, given), False, ""

    @app.callback(
        Output("order-confirm", "opened", allow_duplicate=True),
        Input("order-no", "n_clicks"),
        prevent_initial_call=True,
    )
    async def leave(_clicks: int | None) -> Any:
        return False


def question(what: Any, chosen: pump_search.Choice) -> str:
    """Return what must be confirmed before an order is sent: which pumps, what happens to them; empty for others."""
    form, serials = program_form.FORMS.get(str(what)), chosen.pumps["pump"]
    if form is None or not form.warning or chosen.unknown or serials.is_empty():
        return ""
    return f"{form.title} {formatting.count(serials.len(), 'pump')}: {formatting.listed(serials)}? {form.warning}"


async def carry_out(desk: DataService, what: Any, chosen: pump_search.Choice, given: dict[str, Any]) -> Piece:
    """Order what the form says for the chosen pumps, and return the answers, refusals first."""
    if chosen.unknown or chosen.pumps.is_empty():
        return elements.nothing(pump_search.say(chosen))
    try:
        treatment = program_form.treatment(what, given)
    except form_fields.FormError as error:
        return elements.nothing(f"Not ordered. {error}")
    return injection_report.answers(sorted(await desk.treat(chosen.pumps, treatment), key=lambda reply: reply.ok))


def asked(search: str | None) -> str:
    """Return the pumps that the address asks for: "?pumps=ITB-000001"; nothing where they are too many to show."""
    text = ", ".join(parse_qs((search or "").removeprefix("?")).get("pumps", []))
    # Cut off, a list could name other pumps than were meant.
    return text if len(text) <= form_fields.MAX_TEXT else ""
