"""Audit: who did what, from where and when, from the journal, and whether anybody altered it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.components import address, client_script, elements, shell
from dashboard.components.elements import Component
from dashboard.data import audit_log
from dashboard.data.audit_chain import ChainState
from dashboard.data.services import DataService
from dashboard.languages import in_english
from dashboard.zones import ZONE

MAX_PLACES: Final = 1_000
"""Pages that a browser can go back."""
REFUSAL: Final = "Only engineers and admins can see the audit log."
HEADS: Final = [("Time", ""), ("Event", ""), ("Person", "wrap"), ("From", ""), ("About", ""), ("Details", "wide")]
FILTERS: Final = ("audit-show", "audit-who", "audit-text", "audit-hours")


def layout(data: DataService) -> Component:
    """Return the page; its entries follow at once."""
    if not VISITOR.get().may(audit_log.RIGHT):
        return html.Div([html.H1("Audit", className="hidden"), elements.card("Audit log", elements.nothing(REFUSAL))])
    kinds = [{"value": kind, "label": formatting.event_kind(kind)} for kind in audit_log.KINDS]
    groups = [{"value": name, "label": label} for name, label in audit_log.GROUPS.items()]
    periods = [{"value": hours, "label": label} for hours, label in audit_log.PERIODS.items()]
    tools = [
        dmc.Select(
            id="audit-show",
            value="people",
            data=[{"group": "Entries", "items": groups}, {"group": "One kind", "items": kinds}],
            allowDeselect=False,
            size="xs",
            w=170,
            **client_script.label("Entries"),
        ),
        dmc.Select(
            id="audit-hours",
            value="",
            data=periods,
            allowDeselect=False,
            size="xs",
            w=130,
            **client_script.label("Period"),
        ),
        dmc.TextInput(
            id="audit-who", placeholder="Person", size="xs", debounce=300, w=110, **client_script.label("Person")
        ),
        dmc.TextInput(
            id="audit-text",
            placeholder="Text, address, pump",
            size="xs",
            debounce=300,
            w=185,
            **client_script.label("Search"),
        ),
        html.Button("Export CSV", id="audit-export", className="button"),
    ]
    return html.Div(
        [
            html.H1("Audit", className="hidden"),
            dcc.Store(id="audit-place"),
            dcc.Download(id="audit-file"),
            elements.card(
                "Audit log",
                html.Div(chain(data.chain.state), id="audit-chain", role="status"),
                html.Div(id="audit-entries", className="scroll audit-entries"),
                html.Div(
                    [
                        html.Button("Newer", id="audit-newer", className="button", disabled=True),
                        html.Button("Older", id="audit-older", className="button", disabled=True),
                        html.Span(id="audit-note", className="note"),
                    ],
                    className="audit-pages",
                ),
                side=tools,
                name="grow-card audit-card",
            ),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: entries by filter, page by page; the newest page follows the journal."""
    shell.add_page(
        __name__,
        name="Audit",
        path="/audit",
        order=30,
        layout=partial(layout, data),
        right=audit_log.RIGHT,
        english=True,
    )
    address.bind(
        app,
        "/audit",
        {
            "show": address.choice("audit-show", (*audit_log.GROUPS, *audit_log.KINDS), default="people", step=True),
            "person": address.text("audit-who"),
            "text": address.text("audit-text"),
            "hours": address.choice("audit-hours", audit_log.PERIODS, step=True),
        },
    )

    @app.callback(
        Output("audit-entries", "children"),
        Output("audit-note", "children"),
        Output("audit-newer", "disabled"),
        Output("audit-older", "disabled"),
        Output("audit-place", "data"),
        *[Input(name, "value") for name in FILTERS],
        Input("audit-newer", "n_clicks"),
        Input("audit-older", "n_clicks"),
        Input("live", "data"),
        State("audit-place", "data"),
    )
    async def show(*given: Any) -> Any:
        await _allow(data)
        known = given[-1] if isinstance(given[-1], dict) else {}
        chosen, before, last = audit_log.filter_of(*given[:4]), place_of(known), known.get("last")
        trigger = ctx.triggered_id
        if trigger == "live" and before:
            raise PreventUpdate
        if trigger == "audit-older" and isinstance(last, int):
            before = [*before, last][-MAX_PLACES:]
        elif trigger == "audit-newer":
            before = before[:-1]
        elif trigger in FILTERS:
            before = []
        found, older = await asyncio.to_thread(
            audit_log.page, data.settings.data, chosen, data.now(), before[-1] if before else None
        )
        last = None if found.is_empty() else int(found["id"][-1])
        key = f"{chosen} {None if last is None else found['id'][0]} {found.height} {ZONE.get()}"
        if trigger == "live" and key == known.get("key"):
            raise PreventUpdate
        place = {"before": before, "last": last, "key": key}
        return table(found), note(found, older=older), not before, not older, place

    @app.callback(Output("audit-chain", "children"), Input("live", "data"))
    async def state(_live: Any) -> Any:
        await _allow(data)
        return chain(data.chain.look())

    @app.callback(
        Output("audit-file", "data"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input("audit-export", "n_clicks"),
        *[State(name, "value") for name in FILTERS],
        prevent_initial_call=True,
    )
    async def export(clicks: int | None, *given: Any) -> Any:
        await _allow(data)
        if not clicks:
            raise PreventUpdate
        return await exported(data, audit_log.filter_of(*given))


async def exported(data: DataService, chosen: audit_log.Filter) -> tuple[Any, list[dict[str, Any]]]:
    """Return the file and a notice; an export that cannot be recorded in the audit log is not made."""
    now = data.now()
    text, count, more = await asyncio.to_thread(audit_log.csv, data.settings.data, chosen, now)
    with in_english():
        entries = formatting.count(count, "entry", "entries")
    if not await data.audit.record("exported", VISITOR.get(), f"audit log, {entries}: {chosen.words()}"):
        notice = "Not exported: the export cannot be recorded in the audit log; see the dashboard's log."
        return no_update, [elements.notice(notice, good=False)]
    rest = "; older ones do not fit, use pumpwatch journal --json" if more else ""
    file = {"content": text, "filename": f"audit-{now}.csv", "type": "text/csv"}
    return file, [elements.notice(f"Exported {entries}{rest}.", good=True)]


async def _allow(data: DataService) -> None:
    """Stop a callback for visitors who may not see the audit log, and record that they tried."""
    visitor = VISITOR.get()
    if not visitor.may(audit_log.RIGHT):
        await data.audit.denied(visitor, "see the audit log")
        raise PreventUpdate


def place_of(known: dict[str, Any]) -> list[int]:
    """Return the numbers of the entries before which the pages begin that a browser went through."""
    before = known.get("before")
    return [one for one in before if isinstance(one, int)][-MAX_PLACES:] if isinstance(before, list) else []


def table(found: pl.DataFrame) -> Component:
    """Return entries as a table, newest first."""
    if found.is_empty():
        return elements.nothing("No entries. Sign-ins, actions, commands and refusals appear here.")
    rows = [
        [
            html.Span(formatting.timestamp(row["at"]), className="tabular", title=f"Entry {row['id']:,}"),
            html.Span(formatting.event_kind(row["kind"]), className="tag bad" * (row["kind"] in audit_log.REFUSED)),
            row["who"] or "",
            row["origin"] or "",
            audit_log.about(row),
            audit_log.details(row),
        ]
        for row in found.iter_rows(named=True)
    ]
    return elements.table(HEADS, rows)


def note(found: pl.DataFrame, *, older: bool) -> str:
    """Return which entries are shown."""
    if found.is_empty():
        return ""
    return (
        f"{formatting.count(found.height, 'entry', 'entries')}{', older ones follow' if older else ', no older ones'}"
    )


def chain(state: ChainState) -> Component:
    """Return what is known about the chain: verified up to which entry, or what is wrong with it."""
    if state.problem:
        text = f"The journal is not what was written: {state.problem}. Run pumpwatch doctor."
        return html.Span(text, className="audit-broken", role="alert")
    if state.at is None:
        return html.Span("Verifying the chain …", className="note")
    more = "" if state.complete else "; verifying the rest …"
    if not state.entries:
        return html.Span("The journal is empty.", className="note")
    text = f"Chain verified up to entry {state.entries:,} at {formatting.second(state.at)}{more}"
    return html.Span(text, className="note")
