"""Handover: the sheet for the change of shift, made by the machine, and the sheets that were signed."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.access.proxies import path_of
from dashboard.components import address, client_script, drawn, elements, handover_view, shell
from dashboard.components.elements import Component
from dashboard.data.handover_files import HandoverFiles, Kept
from dashboard.data.handover_sheet import MAX_TEXT
from dashboard.data.handovers import SPANS_H, Handovers
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr

REFRESH_MS: Final = 30_000
MAX_LISTED: Final = 30


def layout() -> Component:
    """Return the page; draft and list follow at once."""
    may_sign = VISITOR.get().may("acknowledge")
    listing = elements.card(tr("Signed sheets"), html.Div(id="handover-list", className="scroll"))
    return html.Div(
        [
            html.H1(tr("Handover"), className="hidden"),
            dcc.Interval(id="handover-beat", interval=REFRESH_MS),
            html.Div(id="handover-waiting", role="status", className="no-print"),
            html.Div([_form(may_sign), listing], className="handover-top no-print"),
            elements.card(None, *drawn.area("handover-draft")),
        ],
        className="column",
    )


def _form(may_sign: bool) -> Component:
    note = "" if may_sign else tr("Your role may look at sheets; operators, engineers and admins sign them.")
    spans = [{"value": str(hours), "label": f"{hours} h"} for hours in SPANS_H]
    return elements.card(
        tr("Hand over"),
        html.Div(
            [
                dmc.SegmentedControl(
                    id="handover-hours", value="8", data=spans, **client_script.label(tr("Length of the shift"))
                ),
                html.Span(tr("back and ahead, in wall-clock time"), className="note"),
            ],
            className="buttons",
        ),
        dmc.Textarea(
            id="handover-text",
            label=tr("For the next shift (optional, at most {count} characters)", count=decimal(MAX_TEXT)),
            autosize=True,
            minRows=2,
            maxRows=12,
        ),
        html.Div(
            [
                html.Button(
                    tr("Sign and hand over"), id="handover-sign", className="button strong", disabled=not may_sign
                ),
                html.Button(tr("Print"), className="button", **handover_view.PRINT),
                html.Span(note, id="handover-note", role="status", className="note"),
            ],
            className="buttons",
        ),
        name="handover-form",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: a draft that follows the fleet, its signature, and the list of signed sheets."""
    shell.add_page(__name__, name="Handover", path="/handover", order=5, layout=layout)
    handovers = Handovers(data, HandoverFiles(data.settings.data))
    spans = [str(hours) for hours in SPANS_H]
    address.bind(app, "/handover", {"hours": address.choice("handover-hours", spans, default="8", step=True)})

    drawn.register(app, "handover-draft")

    @app.callback(
        drawn.output("handover-draft"), Input("handover-hours", "value"), Input("handover-beat", "n_intervals")
    )
    async def draft(hours: str | None, _beat: Any) -> Any:
        compose = partial(handovers.draft, span_of(hours), "", VISITOR.get().name)
        try:
            return drawn.nodes(handover_view.sheet(await asyncio.to_thread(compose)))
        except sqlite3.Error as error:
            return drawn.nodes(elements.nothing(tr("The journal cannot be read now: {error}.", error=error)))

    @app.callback(
        Output("handover-list", "children"),
        Output("handover-waiting", "children"),
        Input("handover-beat", "n_intervals"),
        Input("handover-note", "children"),
    )
    async def listed(_beat: Any, _signed: Any) -> Any:
        found, count = await asyncio.to_thread(handovers.newest, MAX_LISTED)
        return table(found, count), waiting(found)

    @app.callback(
        Output("handover-note", "children"),
        Output("handover-text", "value"),
        Input("handover-sign", "n_clicks"),
        State("handover-hours", "value"),
        State("handover-text", "value"),
        prevent_initial_call=True,
        running=[(Output("handover-sign", "disabled"), True, False)],
    )
    async def sign(clicks: int | None, hours: str | None, text: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        answer, number = await handovers.hand_over(span_of(hours), text.strip() if isinstance(text, str) else "")
        if number is None:
            return html.Span(answer.text, className="bad-word"), no_update
        return [answer.text, " ", link(number, tr("Open it"))], ""


def span_of(hours: Any) -> int:
    """Return one of `SPANS_H` for what a browser sent."""
    return next((one for one in SPANS_H if str(one) == hours), SPANS_H[0])


def link(number: int, label: str = "") -> Component:
    """Return a link to a signed sheet."""
    place = path_of(f"/handover/{number}")
    return html.A(
        label or tr("Sheet {number}", number=decimal(number)), href=place, className="pump-link", **client_script.GO
    )


def waiting(found: list[Kept]) -> Component:
    """Return which sheet waits for the visitor's signature; nothing if none does."""
    for kept in found:
        if kept.taken_over is None and kept.sheet.by != VISITOR.get().name:
            text = tr(
                "by {who} of {moment} waits for whoever takes over.",
                who=kept.sheet.by,
                moment=formatting.moment(kept.sheet.made),
            )
            return html.Div([link(kept.sheet.number), " ", text], className="card handover-waiting")
        if kept.taken_over is not None:  # what is older was settled, or nobody came
            break
    return None


def table(found: list[Kept], count: int) -> Component:
    """Return the signed sheets, newest first."""
    if not found:
        return elements.nothing(tr("No sheets yet. Sheets appear here once somebody has signed one."))
    rows = [
        [
            link(kept.sheet.number),
            formatting.moment(kept.sheet.made),
            f"{kept.sheet.hours} h",
            kept.sheet.by,
            kept.taken_over.who if kept.taken_over else html.Span(tr("not yet"), className="muted"),
            formatting.moment(kept.taken_over.at) if kept.taken_over else "",
        ]
        for kept in found
    ]
    titles = (tr("Sheet"), tr("Handed over"), tr("Shift"), tr("By"), tr("Taken over by"), tr("Taken over"))
    heads = [(title, "") for title in titles]
    more = count - len(found)
    older = formatting.count(more, "older sheet")
    rest = html.P(tr("and {sheets}, each at /handover/NUMBER", sheets=older), className="note")
    return html.Div([elements.table(heads, rows), rest if more > 0 else None])
