"""Tables of ranges and nodes of a cluster: who has what since when, how far it is behind, what was taken over."""

from __future__ import annotations

from typing import Final

from dash import html

from broker.store.cluster_health import NodeHealth, RangeHealth
from broker.store.snapshot import Health
from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Component

NOBODY: Final = "none"
_RANGES: Final = [
    ("Range", ""),
    ("Node", ""),
    ("Since", ""),
    ("Epoch", "number"),
    ("Pumps", "number"),
    ("Samples/s", "number"),
    ("p99 latency", "number"),
    ("Last new", "number"),
    ("Last take-over", "wide"),
]
_NODES: Final = [
    ("Node", ""),
    ("State", ""),
    ("Since", ""),
    ("Ranges", "number"),
    ("Leases lost", "number"),
    ("Taken over", "number"),
    ("Restarts", "number"),
]


def tables(health: Health) -> list[Component]:
    """Return the cards of ranges and nodes; none if a single processor has the fleet."""
    if not health.ranges:
        return []
    # What needs attention first.
    ranges = sorted(health.ranges, key=lambda one: (one.judged and one.connected, one.number))
    nodes = sorted(health.nodes, key=lambda one: (not one.silent_s, one.node))
    bad = sum(not one.judged for one in ranges)
    title = f"Ranges ({bad} not judged)" if bad else "Ranges"
    return [
        elements.card(
            title, elements.table(_RANGES, [_range(one) for one in ranges], name="cards"), name="cluster-card"
        ),
        elements.card(
            "Nodes",
            elements.table(_NODES, [_node(one) for one in nodes], name="cards")
            if nodes
            else elements.nothing("No node has reported yet."),
            name="cluster-card",
        ),
    ]


def _range(one: RangeHealth) -> list[Component]:
    state = "not judged" if not one.judged else "" if one.connected else "no broker"
    return [
        html.Span([f"{one.number:02d}", html.Span(f" {state}", className="bad-word") if state else None]),
        one.node or NOBODY,
        formatting.second(one.since) if one.since else "",
        f"{one.epoch:,}" if one.epoch else "",
        f"{one.pumps:,}",
        formatting.number(one.samples_per_s, 0),
        formatting.number(one.latency_ms, 0, "ms"),
        f"{formatting.span(one.shown_s)} ago",
        _taken(one),
    ]


def _taken(one: RangeHealth) -> str:
    """Return how the range came to its owner, and for how long nobody judged it meanwhile."""
    gap = "" if one.gap_s is None else f"{one.gap_s:.0f} s without new results"
    former = f"from {one.former}, which was silent" if one.former else ""
    return "; ".join(part for part in (former, gap) if part)


def _node(one: NodeHealth) -> list[Component]:
    state = f"silent for {formatting.span(one.silent_s)}" if one.silent_s else "merger" if one.merger else "up"
    return [
        one.node,
        html.Span(state, className="bad-word") if one.silent_s else state,
        formatting.second(one.started),
        str(len(one.ranges)),
        f"{one.lost:,}",
        f"{one.taken_over:,}",
        f"{one.restarts:,}",
    ]
