"""This file is the small pieces that pages are made of: marks of priority, cards, facts, links to pumps."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from dash import html

from broker.contract.subjects import WITH_PUMPS
from broker.store.snapshot import WAITING
from dashboard import formatting
from dashboard.components import client_script

Piece = Any
SHAPE: Final = {1: "high", 2: "medium", 3: "low"}


def mark(priority: int | None, state: str = "", *, silent: bool = False) -> Piece:
    """Return the shape of a priority: filled while it waits for somebody, an outline once seen or shelved."""
    name = SHAPE.get(priority or 0, "unknown" if silent else "normal")
    seen = " waiting" if state == "unacknowledged" else " seen" if state and state not in WAITING else ""
    return html.Span(
        className=f"mark {name}{seen}",
        role="img",
        **client_script.label(formatting.PRIORITY_WORD.get(priority or 0, "")),
    )


def priority(level: int | None, state: str = "") -> Piece:
    """Return shape and word together."""
    word = formatting.PRIORITY_WORD.get(level or 0, formatting.UNKNOWN)
    return html.Span([mark(level, state), word], className=f"priority {SHAPE.get(level or 0, 'normal')}")


def pump_path(serial: str) -> str:
    """Return the address of a pump's page."""
    return f"/pump/{quote(serial, safe='')}"


def pump_link(serial: str) -> Piece:
    """Return a link to a pump's page that does not reload the frame."""
    return html.A(serial, href=pump_path(serial), className="pump-link", **client_script.GO)


def subject(row: dict[str, Any]) -> Piece:
    """Return whom an alarm is about: a link to its pump, or to the pumps of its gateway or cohort, or a name."""
    if row["pump"]:
        return pump_link(row["pump"])
    if of_many(row):
        return pumps_link(row["subject"])
    return html.B(row["subject"])


def pumps_link(name: str) -> Piece:
    """Return a link to the list of the pumps of a gateway, a model or a lot."""
    return html.A(name, href=f"/pumps?search={quote(name, safe='')}", className="pump-link", **client_script.GO)


def of_many(row: dict[str, Any]) -> bool:
    """Tell whether an alarm is about the pumps of a gateway, a model or a lot, which the list of pumps can show."""
    return row["subject_kind"] in WITH_PUMPS


def programmer_link(serial: str) -> Piece:
    """Return a link to the programmer with a pump filled in."""
    return html.A(
        "Program…", href=f"/programmer?pumps={quote(serial, safe='')}", className="button", **client_script.GO
    )


def deed(label: str, kind: str, alarms: list[str]) -> Piece:
    """Return a button that does something with alarms; the frame listens to all of them and asks what it must."""
    wanted: dict[str, Any] = {"data-deed": json.dumps({"kind": kind, "alarms": alarms})}
    return html.Button(label, className="button", **wanted)


def service(label: str, wanted: dict[str, Any]) -> Piece:
    """Return a button that takes something out of service or puts it back; the frame listens to all of them."""
    asked: dict[str, Any] = {"data-service": json.dumps(wanted)}
    return html.Button(label, className="button", **asked)


def acknowledge(label: str, chosen: dict[str, Any], *, strong: bool = False, title: str = "") -> Piece:
    """Return a button that acknowledges what `chosen` names; the frame listens to all of them."""
    return html.Button(
        label,
        className="button strong" if strong else "button",
        title=title,
        **{"data-ack": json.dumps(chosen), **client_script.label(title or label)},
    )


def notice(said: str, *, good: bool) -> dict[str, Any]:
    """Return a short-lived note at the edge of the screen."""
    return {"action": "show", "message": said, "color": "navy" if good else "red", "autoClose": 6000 if good else 15000}


def card(title: str | None, *children: Piece, side: Piece = None, name: str = "") -> Piece:
    """Return a white card with a small heading, and something on the heading's right."""
    head = [html.Div([html.H2(title), html.Div(side, className="card-side")], className="card-head")] if title else []
    return html.Section([*head, *children], className=f"card {name}".rstrip())


def fact(label: str, value: Piece, *, note: Piece = None, tone: str = "", hint: str = "") -> Piece:
    """Return one number or word under its label."""
    return html.Div(
        [
            html.Div(label, className="fact-label"),
            html.Div(value, className="fact-value"),
            html.Div(note, className="fact-note"),
        ],
        className=f"fact {tone}".rstrip(),
        title=hint,
    )


def quantity(text: str) -> Piece:
    """Return a said number with its unit smaller: "8.20 µL/h"."""
    value, _, unit = text.partition(" ")
    if text == formatting.UNKNOWN:
        return html.Span(text, className="unknown-word")
    return html.Span([value, html.Span(f" {unit}", className="unit") if unit else None], className="quantity")


def nothing(text: str) -> Piece:
    """Return the calm sentence that stands where there is nothing to show."""
    return html.P(text, className="nothing")


def table(heads: list[tuple[str, str]], rows: list[list[Piece]], *, name: str = "") -> Piece:
    """Return a table; `heads` are (title, class) a column, where the class "number" aligns right."""
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(title, className=css, scope="col") for title, css in heads])),
                html.Tbody(
                    [
                        html.Tr([html.Td(cell, className=css) for cell, (_, css) in zip(row, heads, strict=True)])
                        for row in rows
                    ]
                ),
            ]
        ),
        className=f"table {name}".rstrip(),
    )
