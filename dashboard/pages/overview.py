"""Overview: counts of pumps by state, alarms by urgency, fleet map, pipeline health."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.proxies import path_of
from dashboard.components import (
    alarm_action_dialog,
    client_script,
    elements,
    fleet_map_card,
    keyed_list,
    refill_strip,
    shell,
)
from dashboard.components.elements import Component
from dashboard.data import queries, silencing
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr, tr_later

PATH: Final = "/rows/worst"
TILES: Final = (
    ("high", tr_later("High")),
    ("medium", tr_later("Medium")),
    ("low", tr_later("Low")),
    ("silent", tr_later("Silent, no alarm")),
    ("normal", tr_later("Normal")),
)


def layout() -> Component:
    """Return the page; its parts follow with the first snapshot."""
    return html.Div(
        [
            html.H1(tr("Overview"), className="hidden"),
            html.Div(id="counts", className="counts"),
            elements.card(
                tr("Alarms, most urgent first"),
                html.Div(
                    [
                        keyed_list.box("worst", tr("Alarms, most urgent first"), PATH, spec=alarm_action_dialog.spec()),
                        html.P(id="worst-nothing", className="nothing", hidden=True),
                    ],
                    className="worst",
                ),
                side=html.Span(id="worst-note"),
                name="worst-card",
            ),
            fleet_map_card.card(),
            html.Div(id="strip", className="strip card"),
            *(dcc.Store(id=f"overview-{name}") for name in ("ask", "counts-key", "strip-key")),
            html.Div(id="worst-followed", hidden=True),
        ],
        className="overview",
        **client_script.BY_EVENT,
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page, redrawn with every snapshot."""
    shell.add_page(__name__, name="Overview", path="/", order=1, layout=layout)

    keyed_list.serve(app, PATH, lambda run, cursor: changes(data, run, cursor))
    client_script.runs(app, "worst", Output("worst-followed", "children"), Input("worst", "id"))

    @app.callback(
        Output("counts", "children"),
        Output("strip", "children"),
        Output("worst-nothing", "children"),
        Output("overview-counts-key", "data"),
        Output("overview-strip-key", "data"),
        Input("overview-ask", "data"),
        State("overview-counts-key", "data"),
        State("overview-strip-key", "data"),
    )
    async def show(_ask: Any, counts_key: Any, strip_key: Any) -> Any:
        counts, strip, nothing = await asyncio.to_thread(render, data.snapshot())
        # A browser works longest on what it redraws: only what differs is sent.
        fresh = [str(hash(str(part))) for part in (counts, strip)]
        if fresh == [counts_key, strip_key]:
            raise PreventUpdate
        same = no_update
        return (
            same if fresh[0] == counts_key else counts,
            same if fresh[1] == strip_key else strip,
            nothing,
            *fresh,
        )

    fleet_map_card.register(app, data, "/")


def render(snapshot: Snapshot) -> tuple[Component, Component, str]:
    """Return the counts and the health strip of a snapshot, and the text of an empty list."""
    summary = queries.summary(snapshot)
    nothing = tr("No open alarms.") if snapshot.table.height else tr(formatting.NO_PUMPS)
    return _counts(summary), _strip(queries.health_strip(snapshot), refill_strip.facts(snapshot)), nothing


def changes(data: DataService, run: int, cursor: int) -> dict[str, Any]:
    """Return what changed in the list of the most urgent alarms since a browser's cursor."""
    found, snapshot = data.alarm_rows, data.snapshot()
    found.follow(snapshot, lambda: silencing.marks(data.silences, snapshot, data.now()))
    return keyed_list.shown(found.answer(found.lines, run, cursor))


def _counts(summary: dict[str, Any]) -> list[Component]:
    """Return the tiles, which add up to all pumps: a silent pump with an alarm counts by its alarm, and they say so."""
    oldest, waiting = summary["oldest_s"], summary["waiting"]
    tiles = [
        html.A(
            [
                html.Span(className=f"mark {name if name != 'silent' else 'unknown'}"),
                html.B(decimal(summary[name]), **_live(name)),
                html.Span(tr(word)),
            ],
            href=path_of(f"/pumps?state={name}"),
            title=tr("List the pumps whose state is {name}", name=tr(name)),
            className=f"count {name}" + ("" if summary[name] else " none"),
            **client_script.GO,
        )
        for name, word in TILES
    ]
    where = tr(" here") if summary["speed"] != 1 else ""
    oldest_note = (
        tr("oldest raised {duration} ago{where}", duration=formatting.span(oldest), where=where)
        if waiting
        else tr("all acknowledged")
    )
    facts = [
        _to(
            "/alarms?filter=waiting", elements.fact(tr("Unacknowledged"), _number("waiting", summary), note=oldest_note)
        ),
        _to(
            "/alarms?filter=aside",
            elements.fact(tr("Shelved"), _number("shelved", summary), note=tr("incl. out of service")),
        ),
        elements.fact(tr("Other alarms"), _number("others", summary), note=tr("gateways, cohorts, system")),
        _to("/pumps", elements.fact(tr("Pumps"), _number("pumps", summary), note=tr("simulated"))),
    ]
    return [html.Div(tiles, className="count-tiles card"), html.Div(facts, className="count-facts card")]


def _live(name: str) -> dict[str, Any]:
    """Return the attribute of an element in which scripts write a count of the summary when it changes."""
    return {"data-count": name}


def _number(name: str, summary: dict[str, Any]) -> Component:
    return html.Span(decimal(summary[name]), **_live(name))


def _to(path: str, fact: Component) -> Component:
    """Return a figure that leads to the list of what it counts."""
    return html.A(fact, href=path_of(path), className="fact-link", **client_script.GO)


def _strip(strip: dict[str, Any], due: list[Component]) -> list[Component]:
    offline = strip["gateways"] - strip["online"]
    full = formatting.listed(formatting.title(name) for name in strip["full"])
    return [
        *due,
        elements.fact(tr("Samples"), elements.quantity(formatting.number(strip["samples_per_s"], 0, tr("per s")))),
        elements.fact(tr("End-to-end latency, p95"), elements.quantity(formatting.number(strip["p95"], 0, "ms"))),
        elements.fact(
            tr("Samples lost"),
            decimal(strip["lost"]),
            tone="warn" if "lost" in strip["growing"] else "",
            hint=tr(formatting.LOST),
        ),
        elements.fact(
            tr("Rejected messages"), decimal(strip["refused"]), tone="warn" if "refused" in strip["growing"] else ""
        ),
        elements.fact(
            tr("Gateways online"),
            tr("{online} of {gateways}", online=decimal(strip["online"]), gateways=decimal(strip["gateways"])),
            tone="warn" if offline else "",
        ),
        elements.fact(
            tr("Capacity"),
            full or (tr("all below limits") if strip["limited"] else tr(formatting.UNKNOWN)),
            tone="warn" if full else "",
        ),
        html.A(tr("Pipeline"), href=path_of("/pipeline"), className="more", **client_script.GO),
    ]
