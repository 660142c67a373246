"""Trends of one pump: charts of all signals, their range and zoom, what they are compared with, and export."""

from __future__ import annotations

import asyncio
import html as html_text
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from broker.store import rollup
from dashboard.access.accounts import VISITOR
from dashboard.components import address, client_script, elements, figures, trend_picture
from dashboard.components.elements import Component
from dashboard.data import queries, trend_compare, trend_export, trend_view
from dashboard.data.services import DataService
from dashboard.data.trend_compare import Comparisons
from dashboard.data.trend_view import View
from dashboard.languages import LANGUAGE, tr, tr_later, tr_sentence
from dashboard.zones import ZONE, chart_zone

EXPORT_HOURLY_FROM: Final = 92 * trend_view.DAY_MS
CONTROLS: Final = {
    "range": address.choice("pump-range", trend_view.RANGES, default=trend_view.DEFAULT, step=True),
    "zoom": address.text("trend-zoom", prop="data", step=True),
    "end": address.choice(
        "trend-end", (trend_view.NOW, trend_view.LATEST), prop="data", default=trend_view.NOW, step=True
    ),
    "compare": address.text("trend-compare", step=True),
}
"""What of the charts lives in the address."""
WHAT: Final = tr_later("Export what is seen")
PICTURE: Final = tr_later("a picture of the charts")
LABELS: Final = {
    "earlier": ("◀", tr_later("Earlier")),
    "out": ("−", tr_later("Zoom out")),
    "in": ("+", tr_later("Zoom in")),
    "later": ("▶", tr_later("Later")),
}


def layout() -> Component:
    """Return the card."""
    ranges = dmc.SegmentedControl(id="pump-range", value=trend_view.DEFAULT, data=list(trend_view.RANGES), size="xs")
    moves = [
        html.Button(sign, id=f"trend-{move}", className="button", title=tr(title), **client_script.label(tr(title)))
        for move, (sign, title) in LABELS.items()
    ]
    other = dmc.Autocomplete(
        id="trend-compare",
        data=[trend_compare.COHORT],
        value="",
        placeholder=tr("Compare: cohort, or a serial"),
        size="xs",
        w=190,
        debounce=400,
        clearable=True,
        **client_script.label(tr("Compare with the cohort of the same model, or with another pump")),
    )
    return elements.card(
        tr("Trends (therapy time)"),
        html.Div(
            [ranges, html.Div(moves, className="trend-moves"), _reset(), other, _menu()],
            className="trend-tools",
        ),
        _note(),
        dcc.Graph(id="pump-trends", config=figures.CONFIG, className="trends", figure=figures.EMPTY),
        *(dcc.Store(id=name, data=value) for name, value in STORES.items()),
        dcc.Download(id="trend-file"),
        side=html.Span(id="trend-zone"),
        name="trend-card",
    )


STORES: Final = {
    "pump-drawn": None,
    "trend-end": trend_view.NOW,
    "trend-zoom": "",
    "trend-screen": "",
    "trend-picture": None,
    "trend-pictured": None,
}


def _reset() -> Component:
    return html.Button(tr("Reset zoom"), id="trend-reset", className="button", hidden=True)


def _menu() -> Component:
    names = {trend_export.IMAGE: tr("Picture (PNG)"), "csv": tr("Samples (CSV)"), "parquet": tr("Samples (Parquet)")}
    items = [dmc.MenuItem(label, id=f"trend-export-{kind}") for kind, label in names.items()]
    return dmc.Menu(
        [
            dmc.MenuTarget(html.Button(tr("Export"), className="button", title=tr(WHAT))),
            dmc.MenuDropdown(items),
        ],
        transitionProps={"duration": 0},
    )


def _note() -> Component:
    """Return the line above the chart: why it is empty or does not end now, and the way to and back."""
    latest = html.Button(tr("Go to latest data"), id="trend-latest", className="button", hidden=True)
    again = html.Button(tr("Back to now"), id="trend-now", className="button", hidden=True)
    return html.Div([html.Span(id="trend-note", role="status"), latest, again], className="trend-note")


def register(app: Dash, data: DataService) -> None:
    """Add the callbacks: the chart is drawn again when it would look different, finer data follows a zoom."""
    comparisons = Comparisons(data.settings.data, data.trend)
    shown = (Input("pump-range", "value"), Input("trend-end", "data"), Input("trend-zoom", "data"))

    @app.callback(
        Output("pump-trends", "figure"),
        Output("pump-drawn", "data"),
        Output("trend-zone", "children"),
        Output("trend-note", "children"),
        Output("trend-latest", "hidden"),
        Output("trend-now", "hidden"),
        Output("trend-reset", "hidden"),
        Input("live", "data"),
        Input("scheme", "data"),
        *shown,
        Input("trend-compare", "value"),
        Input("trend-screen", "data"),
        State("pump-serial", "data"),
        State("pump-drawn", "data"),
    )
    async def draw(_live: Any, scheme: Any, *given: Any) -> Any:
        *choice, other, screen, serial, drawn = given
        snapshot = data.snapshot()
        view = trend_view.view(snapshot, str(serial), *choice)
        look = f"{scheme} {ZONE.get()} {LANGUAGE.get().code} {other} {screen}"
        key = trend_view.key(view, queries.alarms_of(snapshot, view.serial), look)
        if isinstance(drawn, dict) and key == drawn.get("key"):
            return [no_update] * 7
        compared = str(other or "").strip()[: trend_compare.MAX_SERIAL]
        figure, note, detail = await asyncio.to_thread(
            trend_picture.draw, data, view, scheme, comparisons=comparisons, compared=compared, screen=str(screen or "")
        )
        zone = chart_zone(view.until)
        known = {"key": key, "offset": zone.offset_ms}
        latest = view.zoomed or view.end != trend_view.LATEST
        return (
            figure,
            known,
            " · ".join(filter(None, (detail, tr("times in {zone}", zone=zone.label)))),
            note.text,
            not note.offers_latest,
            latest,
            not view.zoomed,
        )

    buttons = [*(f"trend-{move}" for move in LABELS), "trend-reset", "trend-latest", "trend-now"]

    @app.callback(
        Output("trend-end", "data"),
        Output("trend-zoom", "data", allow_duplicate=True),
        *[Input(name, "n_clicks") for name in buttons],
        *[State(one.component_id, one.component_property) for one in shown],
        State("pump-serial", "data"),
        prevent_initial_call=True,
    )
    async def move(*given: Any) -> Any:
        *choice, serial = given[len(buttons) :]
        name = str(ctx.triggered_id).removeprefix("trend-")
        if name in LABELS:
            return no_update, trend_view.moved(trend_view.view(data.snapshot(), str(serial), *choice), name)
        return (trend_view.LATEST if name == "latest" else trend_view.NOW if name == "now" else no_update), ""

    @app.callback(
        Output("trend-file", "data"),
        Output("trend-picture", "data"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        *[Input(f"trend-export-{kind}", "n_clicks") for kind in (trend_export.IMAGE, *trend_export.FORMATS)],
        *[State(one.component_id, one.component_property) for one in shown],
        State("pump-serial", "data"),
        prevent_initial_call=True,
    )
    async def export(*given: Any) -> Any:
        *choice, serial = given[3:]
        kind = str(ctx.triggered_id).removeprefix("trend-export-")
        if not any(given[:3]) or kind not in {trend_export.IMAGE, *trend_export.FORMATS}:
            raise PreventUpdate
        return await exported(data, trend_view.view(data.snapshot(), str(serial), *choice), kind)

    client_script.runs(
        app,
        "zoom",
        Output("trend-zoom", "data"),
        Input("pump-trends", "relayoutData"),
        State("pump-drawn", "data"),
        State("pump-range", "value"),
    )
    client_script.runs(app, "screen", Output("trend-screen", "data"), Input("pump-serial", "data"))
    client_script.runs(app, "picture", Output("trend-pictured", "data"), Input("trend-picture", "data"))


async def exported(data: DataService, view: View, kind: str) -> tuple[Any, Any, list[dict[str, Any]]]:
    """Return file, name of the picture, and a notice; what cannot be recorded in the audit trail is not exported."""
    file: Any = no_update
    picture: Any = no_update
    if kind == trend_export.IMAGE:
        words = PICTURE
        # Plotly reads some tags in texts, and a serial may be any text.
        title = f"{html_text.escape(view.serial)}, therapy time, {chart_zone(view.until).label}"
        picture = {"name": trend_export.name(view.serial, view.since, kind), "title": title, "at": data.now()}
    else:
        made = await asyncio.to_thread(_made, data, view, kind)
        file, words = made.file, made.words
    if not await data.audit.record("exported", VISITOR.get(), f"trends of {view.serial}, {words}"):
        notice = tr("Not exported: the export cannot be recorded in the audit log; see the dashboard's log.")
        return no_update, no_update, [elements.notice(notice, good=False)]
    return (
        file,
        picture,
        [elements.notice(tr("Exported {words}.", words=tr_sentence(words, (PICTURE, *trend_export.WORDS))), good=True)],
    )


def _made(data: DataService, view: View, kind: str) -> trend_export.Export:
    if view.span > EXPORT_HOURLY_FROM:
        samples = rollup.rolled(data.settings.data, view.serial, view.since, view.until)
    else:
        samples = data.trend(view.serial, view.since, view.until)
    return trend_export.export(samples, view.serial, view.since, view.until, kind)
