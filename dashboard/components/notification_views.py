"""Parts of the page Notifications: status, services, routes, dead letters, who was notified when."""

from __future__ import annotations

import json
from typing import Any, Final

from dash import html

from broker.store.notification_files import CONFIG, Status
from broker.store.notification_record import Delivery
from dashboard import formatting
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.data.notifications import KIND_WORD, Overview

STORE: Final = "notification-ask"
EDIT: Final = (
    f"Routes, services and rotas are in the file {CONFIG} of the data directory. Change them below, or in the file; "
    "the notifier reads it by itself, and an invalid one changes nothing."
)
UNREADABLE: Final = "No configuration can be used; the reason is above."
STATE_WORD: Final = {
    "": "All",
    "waiting": "Waiting",
    "sending": "Sending",
    "sent": "Sent",
    "dead": "Dead letters",
    "cancelled": "Cancelled",
}
"""States of deliveries, and what they are called."""


def status(found: Overview, now: int) -> Component:
    """Return how the notifier is, or why nobody is notified."""
    one = found.status
    trouble = html.P(f"{found.trouble[:1].upper()}{found.trouble[1:]}".rstrip(".") + ".", className="warn-word")
    if one is None:
        return trouble if found.trouble else elements.nothing("The notifier has not run yet.")
    heartbeat = "none" if one.heartbeat is None else formatting.second(one.heartbeat)
    oldest = f"oldest {formatting.span((now - one.oldest) / 1000)}" if one.oldest is not None else ""
    facts = [
        elements.fact("Waiting", f"{one.waiting:,}", note=oldest),
        elements.fact("Sent", f"{one.sent:,}", note="of all time"),
        elements.fact("Dead letters", f"{found.counts.get('dead', 0):,}", note=f"{one.dead:,} of all time"),
        elements.fact("Cancelled", f"{one.cancelled:,}", note="acknowledged, over or silenced first"),
        elements.fact("Rate-limited", f"{one.limited:,}", note="joined to later messages"),
        elements.fact("Heartbeat accepted", heartbeat, note=one.heartbeat_problem),
        elements.fact(
            "Status written", formatting.second(one.at), note=f"{formatting.span((now - one.at) / 1000)} ago"
        ),
    ]
    return html.Div([trouble if found.trouble else None, html.Div(facts, className="strip")])


def services(found: Overview) -> Component:
    """Return the services, each with a button that sends a test message."""
    known = found.config.get("services", [])
    if not known:
        return elements.nothing(UNREADABLE if not found.config else "No services are configured.")
    rows = [
        [html.B(one["name"]), str(one["kind"]), _failing(found.status, one["name"]),
         _button("Send test", "test", one["name"], one["name"])]
        for one in known
    ]  # fmt: skip
    return elements.table([("Service", ""), ("Kind", ""), ("State", "wrap"), ("", "")], rows, name="notify-table")


def routes(found: Overview) -> Component:
    """Return routes and rotas as the file has them."""
    known = found.config.get("routes", [])
    rows = [
        [
            html.B(one["name"]),
            one["match"],
            ", ".join(one["to"]) or "nobody at once",
            ", ".join(one["when"]),
            ", ".join(one["group_by"]) or "everything together",
            html.Div([html.Div(step) for step in one["escalation"]]) if one["escalation"] else "none",
        ]
        for one in known
    ]
    heads = [
        ("Route", ""), ("Alarms", "wrap"), ("To", "wrap"), ("When", "wrap"), ("Grouped by", "wrap"),
        ("Escalation", "wrap"),
    ]  # fmt: skip
    listed = (
        elements.table(heads, rows, name="notify-table")
        if rows
        else elements.nothing(UNREADABLE if not found.config else "No routes are configured.")
    )
    rotas = [
        html.Li([html.B(one["name"]), f": {'; '.join(one['shifts'])}; otherwise {', '.join(one['otherwise'])}"])
        for one in found.config.get("rotas", [])
    ]
    return html.Div(
        [listed, html.Ul(rotas, className="notify-rotas") if rotas else None, html.P(EDIT, className="note")]
    )


def dead(found: Overview) -> Component:
    """Return the dead letters with their reasons; each can be tried again or discarded."""
    if not found.dead:
        return elements.nothing("No dead letters: every message was delivered, or was no longer wanted.")
    rows = [
        [
            formatting.moment(one.finished),
            html.B(one.service),
            _what(one),
            one.reason,
            html.Div(
                [
                    _button("Try again", "retry", one.key, _named(one)),
                    _button("Discard", "discard", one.key, _named(one)),
                ],
                className="buttons",
            ),
        ]
        for one in found.dead
    ]
    heads = [("Given up", ""), ("To", ""), ("Message", "wrap"), ("Reason", "wrap"), ("", "")]
    return elements.table(heads, rows, name="notify-table")


def listed(found: Overview) -> Component:
    """Return the newest deliveries: who was notified of what when, what waits and what failed."""
    if not found.listed:
        return elements.nothing("No messages yet.")
    rows = [
        [
            formatting.moment(one.decided),
            html.B(one.service),
            _what(one),
            STATE_WORD[one.state].lower().removesuffix("s"),
            _end(one),
        ]
        for one in found.listed
    ]
    heads = [("Decided", ""), ("To", ""), ("Message", "wrap"), ("State", ""), ("Notified, or why not", "wrap")]
    return elements.table(heads, rows, name="notify-table")


def _what(one: Delivery) -> str:
    kind = f"escalation step {one.step}" if one.kind == "escalated" else KIND_WORD.get(one.kind, one.kind)
    return f"{one.title or 'not composed yet'} ({kind}, route {one.route})"


def _end(one: Delivery) -> str:
    if one.state == "sent":
        return formatting.second(one.finished)
    tried = f"tried {formatting.count(one.attempts, 'time')}" if one.attempts else ""
    return "; ".join(filter(None, (one.reason, tried)))


def _failing(found: Status | None, name: str) -> str:
    failing = next((one for one in found.failing if one.service == name), None) if found else None
    if failing is None:
        return "no failure known" if found else "unknown"
    return f"failing since {formatting.moment(failing.since)}: {failing.reason}"


def _named(one: Delivery) -> str:
    return f"{one.service}: {one.title or one.route}"


def _button(label: str, kind: str, about: str, name: str) -> Component:
    asked = json.dumps({"kind": kind, "about": about, "name": name[:200]})
    wired: dict[str, Any] = {**client_script.chooses(STORE, asked), **client_script.label(f"{label}: {name}")}
    return html.Button(label, className="button", **wired)
