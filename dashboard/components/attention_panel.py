"""Control in the header for alarm sounds, their pause and desktop notifications; `assets/attention.js` runs it."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from dashboard.components import client_script
from dashboard.components.elements import Component
from dashboard.languages import tr

PAUSES_MIN: Final = (1, 2, 5, 10)
"""Minutes for which sound can be paused; `attention.js` has the same maximum."""
_LIVE: Final[dict[str, dict[str, Any]]] = {
    "announce": {"role": "status", "aria-live": "polite"},
    "announce-urgent": {"role": "alert", "aria-live": "assertive"},
}


def regions() -> list[Component]:
    """Return the places in which screen readers hear of new alarms: high ones at once, others when they are free."""
    return [html.Div(id=name, className="hidden", **attributes) for name, attributes in _LIVE.items()]


def control() -> Component:
    """Return the button that says whether sound is on, and the panel that it opens."""
    opens: dict[str, Any] = {
        "data-attention": "open",
        "data-status": "off",
        "aria-expanded": "false",
        "aria-controls": "attention-panel",
    }
    return html.Div(
        [
            html.Button(tr("Sound off"), id="attention-open", className="quiet attention-open", **opens),
            html.Div(_panel(), id="attention-panel", className="attention-panel card", hidden=True),
        ],
        className="attention",
    )


def _panel() -> list[Component]:
    minutes = [html.Option(tr("{one} min", one=one), value=str(one)) for one in PAUSES_MIN]
    return [
        html.H2(tr("Attention")),
        html.P(
            tr("Sound is off in this browser: new alarms are silent."), id="attention-note", className="attention-note"
        ),
        html.Div(
            [
                _button(tr("Turn sound on"), "sound", name="attention-sound"),
                _button(tr("Pause sound"), "pause", name="attention-pause"),
                html.Label(
                    [
                        tr("for") + " ",
                        html.Select(minutes, id="attention-minutes", **client_script.label(tr("Length of a pause"))),
                    ]
                ),
            ],
            className="attention-row",
        ),
        html.Div(
            [html.Span(tr("Test tones")), *(_button(tr(name.title()), name) for name in ("high", "medium", "low"))],
            className="attention-row",
        ),
        html.Div(
            [
                _button(tr("Turn notifications on"), "notify", name="attention-notify"),
                html.Span(tr("Off."), id="attention-notify-note", className="note"),
            ],
            className="attention-row",
        ),
        html.P(tr("These settings hold for this browser. Of several tabs, one sounds."), className="note"),
    ]


def _button(label: str, does: str, *, name: str = "") -> Component:
    wired: dict[str, Any] = {"data-attention": does, **({"id": name} if name else {})}
    return html.Button(label, className="button", **wired)
