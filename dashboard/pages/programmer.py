"""Programmer: program, bolus, stop, refill, replace or interrogate simulated pumps."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.components import elements, form_fields, injection_report, program_form, pump_picker, shell
from dashboard.components.elements import Component
from dashboard.data import pump_search
from dashboard.data.services import DataService

FIRST: Final = "program"


def layout() -> Component:
    """Return the page: the form of a command, and the responses of the gateways."""
    responses = html.Div(elements.nothing("No responses yet."), id="command-responses", role="status")
    return html.Div(
        [
            html.H1("Programmer", className="hidden"),
            html.Div(
                [
                    elements.card("Program pumps", _form(may=VISITOR.get().may("program")), name="command-form"),
                    elements.card("Responses", responses, name="command-responses"),
                ],
                className="fault-top",
            ),
        ],
        className="column",
    )


def _form(*, may: bool) -> Component:
    return html.Div(
        [
            dmc.Select(
                id="command-kind",
                label="Command",
                description=html.Span(id="command-description"),
                data=[{"value": kind, "label": form.title} for kind, form in program_form.FORMS.items()],
                value=FIRST,
                allowDeselect=False,
            ),
            *pump_picker.fields("command"),
            *program_form.groups(disabled=not may),
            html.Div(html.Button("Send", id="command-send", className="button strong", disabled=not may)),
            _confirmation(),
            None if may else elements.nothing("Read-only: only engineers and admins may program pumps."),
        ],
        className="form",
    )


def _confirmation() -> Component:
    """Return the dialog that confirms a command with a warning."""
    buttons = [
        html.Button("Cancel", id="command-cancel", className="button"),
        html.Button("Confirm", id="command-confirmed", className="button strong"),
    ]
    return dmc.Modal(
        [html.P(id="command-question"), html.Div(buttons, className="buttons dialog-buttons")],
        id="command-confirm",
        title="Confirm command",
        opened=False,
        centered=True,
        closeButtonProps={"aria-label": "Cancel"},
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: show the fields of the command, send it to the selected pumps, show the responses."""
    shell.add_page(__name__, name="Programmer", path="/programmer", order=22.5, layout=layout, english=True)

    @app.callback(
        Output("command-description", "children"),
        *[Output(f"command-{kind}", "hidden") for kind in program_form.FORMS],
        Input("command-kind", "value"),
    )
    async def show(kind: str | None) -> Any:
        form = program_form.FORMS.get(kind or FIRST)
        return (form.does if form else "", *[kind != other for other in program_form.FORMS])

    @app.callback(Output("command-pumps", "value"), Input("url", "search"))
    async def fill(search: str | None) -> Any:
        return requested_pumps(search) or no_update

    pump_picker.register(app, data, "command")

    @app.callback(
        Output("command-responses", "children"),
        Output("command-confirm", "opened"),
        Output("command-question", "children"),
        Input("command-send", "n_clicks"),
        Input("command-confirmed", "n_clicks"),
        State("command-question", "children"),
        State("command-kind", "value"),
        State("command-pumps", "value"),
        State("command-picked", "value"),
        *[State(name, "value") for name in program_form.FIELD_IDS],
        prevent_initial_call=True,
        running=[
            (Output("command-send", "aria-busy"), "true", "false"),
            (Output("command-confirmed", "aria-busy"), "true", "false"),
        ],
    )
    async def send(*values: Any) -> Any:
        sent, confirmed, asked, kind, text, picked, *entries = values
        if not (sent or confirmed):
            return no_update, no_update, no_update
        chosen = pump_picker.chosen(data, text, picked)
        ask = question(kind, chosen)
        # Only the question that was shown is confirmed; if pumps or command have changed, it is asked again.
        if ask and not (ctx.triggered_id == "command-confirmed" and asked == ask):
            return no_update, True, ask
        given = dict(zip(program_form.FIELD_IDS, entries, strict=True))
        return await carry_out(data, kind, chosen, given), False, ""

    @app.callback(
        Output("command-confirm", "opened", allow_duplicate=True),
        Input("command-cancel", "n_clicks"),
        prevent_initial_call=True,
    )
    async def cancel(_clicks: int | None) -> Any:
        return False


def question(kind: Any, chosen: pump_search.Choice) -> str:
    """Return the question to confirm: which pumps, and what happens to them; empty if the command needs none."""
    form, serials = program_form.FORMS.get(str(kind)), chosen.pumps["pump"]
    if form is None or not form.warning or chosen.unknown or serials.is_empty():
        return ""
    return f"{form.title} {formatting.count(serials.len(), 'pump')}: {formatting.listed(serials)}? {form.warning}"


async def carry_out(data: DataService, kind: Any, chosen: pump_search.Choice, given: dict[str, Any]) -> Component:
    """Send the command of the form to the selected pumps; return the responses, failures first."""
    if chosen.unknown or chosen.pumps.is_empty():
        return elements.nothing(pump_search.describe(chosen))
    try:
        treatment = program_form.treatment(kind, given)
    except form_fields.FormError as error:
        return elements.nothing(f"Not sent. {error}")
    return injection_report.responses(sorted(await data.program(chosen.pumps, treatment), key=lambda reply: reply.ok))


def requested_pumps(search: str | None) -> str:
    """Return the pumps that the address asks for: "?pumps=ITB-000001"; empty if there are too many to show."""
    text = ", ".join(parse_qs((search or "").removeprefix("?")).get("pumps", []))
    # A truncated list could name other pumps than were meant.
    return text if len(text) <= form_fields.MAX_TEXT else ""
