"""Small components of every page: priority marks, cards, facts, tables, buttons, links to pumps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from dash import html

from broker.contract.subjects import WITH_PUMPS
from broker.store.snapshot import WAITING
from dashboard import formatting
from dashboard.access.proxies import path_of
from dashboard.components import client_script
from dashboard.languages import tr

Component = Any
SHAPE: Final = {1: "high", 2: "medium", 3: "low"}


def mark(priority: int | None, state: str = "", *, silent: bool = False) -> Component:
    """Return the shape of a priority: filled while unacknowledged, an outline once acknowledged or shelved."""
    name = SHAPE.get(priority or 0, "unknown" if silent else "normal")
    shade = " waiting" if state == "unacknowledged" else " outline" if state and state not in WAITING else ""
    return html.Span(
        className=f"mark {name}{shade}",
        role="img",
        **client_script.label(tr(formatting.PRIORITY_WORD.get(priority or 0, ""))),
    )


def priority(level: int | None, state: str = "") -> Component:
    """Return the shape of a priority with its word."""
    word = tr(formatting.PRIORITY_WORD.get(level or 0, formatting.UNKNOWN))
    return html.Span([mark(level, state), word], className=f"priority {SHAPE.get(level or 0, 'normal')}")


def pump_path(serial: str) -> str:
    """Return the address of a pump's page."""
    return path_of(f"/pump/{quote(serial, safe='')}")


def pump_link(serial: str) -> Component:
    """Return a link to a pump's page that does not reload the frame."""
    return html.A(serial, href=pump_path(serial), className="pump-link", **client_script.GO)


def subject(row: dict[str, Any]) -> Component:
    """Return the source of an alarm: a link to its pump, or to the pumps of its gateway or cohort, or a name."""
    if row["pump"]:
        return pump_link(row["pump"])
    if of_many(row):
        return pumps_link(row["subject"])
    return html.B(row["subject"])


def pumps_link(name: str) -> Component:
    """Return a link to the list of pumps of a gateway, a model or a lot."""
    return html.A(
        name, href=path_of(f"/pumps?search={quote(name, safe='')}"), className="pump-link", **client_script.GO
    )


def of_many(row: dict[str, Any]) -> bool:
    """Return whether the source of an alarm is a gateway, a model or a lot, whose pumps the pump list can show."""
    return row["subject_kind"] in WITH_PUMPS


def programmer_link(serial: str) -> Component:
    """Return a link to the programmer with this pump selected."""
    return html.A(
        tr("Program…"),
        href=path_of(f"/programmer?pumps={quote(serial, safe='')}"),
        className="button",
        **client_script.GO,
    )


def action(label: str, kind: str, alarms: list[str], names: Sequence[str] = (), worst: int = 1) -> Component:
    """Return a button for an alarm action; the frame handles its clicks and opens the dialog if needed.

    The dialog shows `names`, the subjects of the alarms; `worst`, their highest priority, limits how long they may be
    shelved.
    """
    counts = [len(alarms) if priority == worst else 0 for priority in SHAPE]
    request = {"kind": kind, "alarms": alarms, "names": list(names), "counts": counts}
    attributes: dict[str, Any] = {"data-action": json.dumps(request)}
    return html.Button(label, className="button", **attributes)


def service(label: str, request: dict[str, Any]) -> Component:
    """Return a button that takes a subject out of service or returns it to service; the frame handles its clicks."""
    attributes: dict[str, Any] = {"data-service": json.dumps(request)}
    return html.Button(label, className="button", **attributes)


def acknowledge(label: str, selection: dict[str, Any], *, strong: bool = False, title: str = "") -> Component:
    """Return a button that acknowledges the alarms of `selection`; the frame handles its clicks."""
    return html.Button(
        label,
        className="button strong" if strong else "button",
        title=title,
        **{"data-ack": json.dumps(selection), **client_script.label(title or label)},
    )


def notice(message: str, *, good: bool) -> dict[str, Any]:
    """Return a notification that closes by itself."""
    return {
        "action": "show",
        "message": message,
        "color": "navy" if good else "red",
        "autoClose": 6000 if good else 15000,
        "closeButtonProps": {"aria-label": tr("Close")},
    }


def card(title: str | None, *children: Component, side: Component = None, name: str = "") -> Component:
    """Return a card with a heading and, to the right of it, tools or a note."""
    head = [html.Div([html.H2(title), html.Div(side, className="card-side")], className="card-head")] if title else []
    return html.Section([*head, *children], className=f"card {name}".rstrip())


def fact(label: str, value: Component, *, note: Component = None, tone: str = "", hint: str = "") -> Component:
    """Return a value under its label."""
    return html.Div(
        [
            html.Div(label, className="fact-label"),
            html.Div(value, className="fact-value"),
            html.Div(note, className="fact-note"),
        ],
        className=f"fact {tone}".rstrip(),
        title=hint,
    )


def quantity(text: str) -> Component:
    """Return a formatted number with its unit in smaller type: "8.20 µL/h"."""
    value, _, unit = text.partition(" ")
    if text == tr(formatting.UNKNOWN):
        return html.Span(text, className="unknown-word")
    return html.Span([value, html.Span(f" {unit}", className="unit") if unit else None], className="quantity")


def nothing(text: str) -> Component:
    """Return the text of an empty state."""
    return html.P(text, className="nothing")


def table(heads: list[tuple[str, str]], rows: list[list[Component]], *, name: str = "") -> Component:
    """Return a table; `heads` holds (title, class) per column; the class "number" aligns right.

    With the name "cards" its rows are cards on a narrow screen.
    """
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([_head(title, css) for title, css in heads])),
                html.Tbody(
                    [html.Tr([_cell(cell, *head) for cell, head in zip(row, heads, strict=True)]) for row in rows]
                ),
            ]
        ),
        className=f"table {name}".rstrip(),
    )


def _cell(cell: Component, title: str, css: str) -> Component:
    """Return a cell, which knows the title of its column: a card shows it."""
    attributes: dict[str, Any] = {"data-label": title} if title else {}
    return html.Td(cell, className=css, **attributes)


def _head(title: str, css: str) -> Component:
    """Return the head of a column; a column of buttons has none to read."""
    return html.Th(title, className=css, scope="col") if title else html.Td(className=css)
