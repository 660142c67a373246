"""Responses of the gateways to commands."""

from __future__ import annotations

from dash import html

from broker.contract.commands import Reply
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements
from dashboard.components.elements import Component


def summary(replies: list[Reply], clock: TherapyClock = WALL) -> Component:
    """Return the responses in one line, with the table behind it; the table is open if anything failed."""
    done = [reply for reply in replies if reply.ok]
    pumps, failed = sum(reply.pumps for reply in done), len(replies) - len(done)
    text = f"Done on {formatting.count(pumps, 'pump')}" if done else "Nothing done"
    text += f"; {failed:,} of {formatting.count(len(replies), 'command')} failed." if failed else "."
    return html.Details([html.Summary(text), responses(replies, clock)], open=failed > 0, className="responses")


def responses(replies: list[Reply], clock: TherapyClock = WALL) -> Component:
    """Return the responses of the gateways as a table."""
    rows = [
        [
            html.Span("done" if reply.ok else "failed", className="tag" if reply.ok else "tag bad"),
            reply.gateway or "dashboard",
            reply.text,
            f"{reply.pumps:,}" if reply.ok else "",
            clocks.therapy_moment(reply.time, clock) if reply.time else "",
        ]
        for reply in replies[:50]
    ]
    return elements.table(
        [("", ""), ("Gateway", ""), ("Response", "wide"), ("Pumps", "number"), ("Effective from", "")], rows
    )
