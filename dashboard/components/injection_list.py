"""List of all injections with what became of each, and the heading of the chosen one."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from dashboard import clocks, formatting
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.data import names
from dashboard.data.injections import Injection, outcome
from dashboard.data.live_scorecard import Score

EMPTY: Final = {
    "all": "No faults injected yet. Select pumps and a fault above, or run a scenario.",
    "running": "No injected fault is running.",
    "ended": "No injected fault has ended yet.",
}


def table(found: list[Injection], left_out: int, score: Score, *, shown: str, chosen: str | None) -> Component:
    """Return the list of injections, newest first; the chosen one is marked."""
    if not found:
        return elements.nothing(EMPTY.get(shown, EMPTY["all"]))
    rows = [_row(injection, score, chosen=injection.key == chosen) for injection in found]
    more = f"{formatting.count(left_out, 'older injection')} not shown." if left_out else ""
    return html.Div([html.Ul(rows, className="injections"), html.P(more, className="note") if more else None])


def _row(injection: Injection, score: Score, *, chosen: bool) -> Component:
    state = f"running on {injection.running:,}" if injection.running < len(injection.pumps) else "running"
    label = f"Show {names.fault_title(injection.fault)} injected {formatting.clock(injection.onset)}"
    attributes: dict[str, Any] = {
        **client_script.chooses("injection-chosen", injection.key),
        **client_script.label(label),
        "aria-pressed": str(chosen).lower(),
    }
    return html.Li(
        [
            html.Button("Show", className="button", **attributes),
            html.Div(
                [html.B(names.fault_title(injection.fault)), html.Span(f" severity {severity(injection)}")],
                className="injection-what",
            ),
            html.Div(_pumps(injection), className="injection-pumps"),
            html.Div(
                [
                    f"injected {clocks.therapy_moment(injection.onset, score.clock)}",
                    html.Span(f" by {injection.by}", className="muted"),
                ]
            ),
            html.Div(
                html.Span(state if injection.running else f"ended {formatting.clock(injection.ended)}", className="tag")
            ),
            html.Div(outcome(injection, score), className="injection-outcome"),
        ],
        className="injection chosen" if chosen else "injection",
    )


def severity(injection: Injection) -> str:
    """Return the severity of an injection, or the range of severities of its pumps."""
    low, high = injection.severity
    return f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"


def _pumps(injection: Injection) -> list[Component]:
    more = len(injection.pumps) - 1
    return [elements.pump_link(injection.pumps[0]), f" and {more:,} more" if more else ""]


def sentence(injection: Injection, score: Score, pump: str) -> list[Component]:
    """Return the line above the chart: "injected 14:02, detected 14:09 (7 min), correct cause"."""
    began = clocks.therapy_moment(injection.onset, score.clock)
    ended = f"; ended {formatting.clock(injection.ended)}" if injection.ended else ""
    return [
        html.B(f"{names.fault_title(injection.fault)} on "),
        elements.pump_link(pump),
        f": injected {began} by {injection.by}, {outcome(injection, score)}{ended}.",
    ]
