"""Signed handover sheet: as it was signed, or what is wrong with it, and the second signature."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from dashboard.access.accounts import VISITOR
from dashboard.access.proxies import path_of
from dashboard.components import client_script, drawn, elements, handover_view, shell
from dashboard.components.elements import Component
from dashboard.data.handover_files import MAX_NUMBER, HandoverError, HandoverFiles
from dashboard.data.handovers import Checked, Handovers
from dashboard.data.services import DataService
from dashboard.languages import tr


def layout(number: str = "") -> Component:
    """Return the page of one sheet, which follows at once."""
    return html.Div(
        [
            html.H1(tr("Handover sheet"), className="hidden"),
            dcc.Store(id="sheet-number", data=number),
            html.Div(
                [
                    html.A(tr("All sheets"), href=path_of("/handover"), className="button", **client_script.GO),
                    html.Button(tr("Print"), className="button", **handover_view.PRINT),
                    html.Button(tr("Sign and take over"), id="sheet-sign", className="button strong", hidden=True),
                    html.Span(id="sheet-note", role="status", className="note"),
                ],
                className="buttons no-print",
            ),
            html.Div(id="sheet-problem", role="alert", className="sheet-problem"),
            elements.card(None, *drawn.area("sheet-shown")),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page of each signed sheet."""
    shell.add_page(__name__, name="Handover sheet", path="/handover/<number>", layout=layout)
    handovers = Handovers(data, HandoverFiles(data.settings.data))

    drawn.register(app, "sheet-shown")

    @app.callback(
        drawn.output("sheet-shown"),
        Output("sheet-problem", "children"),
        Output("sheet-sign", "hidden"),
        Input("sheet-number", "data"),
        Input("sheet-note", "children"),
    )
    async def show(number: Any, _signed: Any) -> Any:
        sheet, *rest = await asyncio.to_thread(partial(shown, handovers, number))
        return drawn.nodes(sheet), *rest

    @app.callback(
        Output("sheet-note", "children"),
        Input("sheet-sign", "n_clicks"),
        State("sheet-number", "data"),
        prevent_initial_call=True,
        running=[(Output("sheet-sign", "disabled"), True, False)],
    )
    async def sign(clicks: int | None, number: Any) -> Any:
        found = number_of(number)
        if not clicks or found is None:
            raise PreventUpdate
        answer = await handovers.take_over(found)
        return answer.text if answer.good else html.Span(answer.text, className="bad-word")


def shown(handovers: Handovers, number: Any) -> tuple[Component, str, bool]:
    """Return a sheet, what is wrong with it, and whether the button for the second signature is hidden."""
    found = number_of(number)
    if found is None:
        given = repr(str(number)[:20])
        return elements.nothing(tr("Not shown: there is no sheet {given}; sheets have numbers.", given=given)), "", True
    try:
        checked = handovers.open(found)
    except (HandoverError, sqlite3.Error) as error:
        return elements.nothing(tr("Not shown: {error}.", error=error)), "", True
    problem = tr("Do not rely on this sheet: {problem}.", problem=checked.problem) if checked.problem else ""
    return handover_view.sheet(checked.kept.sheet, checked.kept), problem, not awaits(checked)


def awaits(checked: Checked) -> bool:
    """Return whether a sheet waits for the signature of this visitor."""
    visitor, kept = VISITOR.get(), checked.kept
    open_for = visitor.may("acknowledge") and visitor.name != kept.sheet.by
    return open_for and kept.taken_over is None and not checked.problem


def number_of(text: Any) -> int | None:
    """Return the number of a sheet that a browser sent; None if it is none."""
    known = isinstance(text, str) and text.isascii() and text.isdecimal() and int(text[:9]) <= MAX_NUMBER
    return int(text) if known else None
