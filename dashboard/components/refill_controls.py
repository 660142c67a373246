"""Controls above the refills: view, kind and site, time ahead, files."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from dashboard.access.proxies import path_of
from dashboard.components import client_script, refill_routes, refill_views
from dashboard.components.elements import Component
from dashboard.data.refill_days import SPANS, VIEWS
from dashboard.data.refills import KINDS
from dashboard.languages import tr


def tools() -> list[Component]:
    """Return the choice of view, kind of task and site."""
    kinds = [
        {"value": "", "label": tr("All tasks")},
        *({"value": kind, "label": tr(word)} for kind, word in KINDS.items()),
    ]
    return [
        dmc.SegmentedControl(
            id="refill-view",
            value="list",
            data=[{"value": view, "label": tr(word)} for view, word in VIEWS.items()],
            size="xs",
            **client_script.label(tr("View")),
        ),
        dmc.Select(
            id="refill-kind",
            value="",
            data=kinds,
            allowDeselect=False,
            size="xs",
            w=160,
            **client_script.label(tr("Task")),
        ),
        dmc.Select(
            id="refill-site",
            value=None,
            placeholder=tr("All sites"),
            data=[],
            searchable=True,
            clearable=True,
            size="xs",
            w=180,
            **client_script.label(tr("Site")),
        ),
    ]


def spans() -> list[Component]:
    """Return a button for each time ahead, with the number of its tasks."""
    return [
        html.Button(
            [tr(word), " ", html.B(id=f"refill-count-{span}")],
            id=f"refill-span-{span}",
            className="button chip",
            **refill_views.click("span", span),
        )
        for span, word in SPANS.items()
    ]


def files() -> list[Component]:
    """Return the ways to paper, table and calendar."""
    return [
        html.Button(tr("Print"), id="refill-print", className="button"),
        html.A("CSV", id="refill-csv", className="button", href=path_of(refill_routes.CSV)),
        html.A(tr("Calendar file"), id="refill-ics", className="button", href=path_of(refill_routes.CALENDAR)),
    ]
