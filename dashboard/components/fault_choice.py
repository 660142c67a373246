"""Choice of faults: a list to tick, and beside it what each ticked fault is, how it shows, and its curves."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard import formatting, theme
from dashboard.components import client_script, elements, figures
from dashboard.components.elements import Component
from dashboard.data import fault_catalogue
from dashboard.data.fault_catalogue import FaultEntry
from dashboard.data.live_scorecard import Score
from dashboard.data.names import fault_title
from dashboard.theme import Scheme

MAX_AT_ONCE: Final = 5
"""Faults that are injected together; each is a command of its own to every gateway."""
STILL: Final[Any] = {**figures.CONFIG, "staticPlot": True}
KEPT: Final[dict[str, Any]] = {"persistence": True, "persistence_type": "session"}
"""Properties of a field that keeps its value while the browser's tab is open."""


def choice(names: list[str]) -> Component:
    """Return the list of faults that gateways have announced, by where they act."""
    if not names:
        return html.Div([dmc.CheckboxGroup([], id="fault-names", value=[]), elements.nothing(NONE)])
    groups = [
        html.Div(
            [
                html.H3(title, className="fault-stage"),
                *(dmc.Checkbox(label=fault_title(name), value=name, size="sm") for name in found),
            ],
            role="group",
            **client_script.label(title),
        )
        for title, found in fault_catalogue.by_stage(names).items()
    ]
    return dmc.CheckboxGroup(
        html.Div(groups, className="fault-list", tabIndex=0, role="region", **client_script.label("Faults")),
        id="fault-names",
        label=f"Faults, up to {MAX_AT_ONCE} at once",
        value=[],
        **KEPT,
    )


NONE: Final = "No gateway has announced its faults yet. Start a simulator: pumpwatch run."


def explained(names: list[str], scheme: str | None, score: Score | None) -> list[Component]:
    """Return what each of these faults is and how it shows, with curves in the colors of a scheme."""
    if not names:
        return [elements.nothing("Tick a fault to see what it is and how it shows in the signals.")]
    colors = theme.scheme(scheme)
    return [_explained(name, colors, score) for name in names[:MAX_AT_ONCE]]


def _explained(name: str, colors: Scheme, score: Score | None) -> Component:
    title = fault_title(name)
    fault = fault_catalogue.catalogue().get(name)
    if fault is None:
        return html.Section([html.H3(title), html.P("Its gateway announced it without a description.")])
    words = [
        ("What", fault.summary),
        ("Signature", fault.signature),
        ("Severity", fault.severity),
        ("Alarm", f"none, because {fault.unseen}" if fault.unseen else _alarms(name, score)),
        *([("Begins", f"with the next {fault.waits_for}")] if fault.waits_for else []),
    ]
    graph = dcc.Graph(
        figure=picture(fault, colors),
        config=STILL,
        className="fault-picture",
        style={"height": 250},
    )
    hours, severity = fault.hours[1], fault.picture_severity
    caption = f"One simulated pump; shaded: {hours:g} h with the fault at severity {severity:g}; grey: without it."
    alternative = {"role": "img", **client_script.label(f"{title}: {fault.signature}")}
    return html.Section(
        [
            html.H3(title),
            html.Div(
                [
                    html.Div([html.Div(graph, **alternative), html.P(caption, className="note")]),
                    html.Dl([part for term, text in words for part in (html.Dt(term), html.Dd(_sentence(text)))]),
                ],
                className="fault-explained",
            ),
        ]
    )


def _alarms(name: str, score: Score | None) -> str:
    """Return which alarms are expected, by the titles of their rules."""
    if score is None:
        return "not known without a processor"
    identifying = [score.title(rule) for rule, target in score.targets.items() if name in target.identifies]
    detecting = [score.title(rule) for rule, target in score.targets.items() if name in target.detects]
    if identifying:
        return f"correct cause: {formatting.listed(identifying, 4, last='or')}"
    return f"detected as {formatting.listed(detecting, 4, last='or')}" if detecting else "none is expected"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def picture(fault: FaultEntry, colors: Scheme) -> figures.Figure:
    """Draw the curves of a fault over those of the same pump without it."""
    before, lasting, after = fault.hours
    count = len(fault.panels)
    layout: figures.Figure = {
        "template": theme.template(colors),
        "margin": {"l": 44, "r": 8, "t": 16, "b": 22},
        "showlegend": False,
        "xaxis": {"range": [0, before + lasting + after], "ticksuffix": " h", "anchor": f"y{count}", "nticks": 5},
        "shapes": [_shade(before, before + lasting, colors)],
        "annotations": [],
    }
    data: list[figures.Figure] = []
    for place, panel in enumerate(fault.panels):
        top = 1 - place / count
        axis = "" if place == 0 else str(place + 1)
        layout[f"yaxis{axis}"] = {"domain": [top - 1 / count + 0.09, top - 0.02], "nticks": 3, "fixedrange": True}
        layout["annotations"].append(_heading(panel.label, top, colors))
        for points, color, width in ((panel.healthy, colors.hatch, 1), (panel.faulty, colors.high, 1.6)):
            line = {"color": color, "width": width}
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": points[0],
                    "y": points[1],
                    "yaxis": f"y{axis}",
                    "line": line,
                    "hoverinfo": "skip",
                }
            )
    return {"data": data, "layout": layout}


def _shade(start: float, end: float, colors: Scheme) -> figures.Figure:
    fill = {"fillcolor": colors.high_fill, "opacity": 0.08, "line": {"width": 0}, "layer": "below"}
    return {"type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1, **fill}


def _heading(text: str, top: float, colors: Scheme) -> figures.Figure:
    where = {"x": 0, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "middle"}
    return {"text": text, "showarrow": False, "font": {"size": 11, "color": colors.muted}, **where}
