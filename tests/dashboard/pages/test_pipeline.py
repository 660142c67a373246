"""Pipeline: counts of trouble are highlighted while they grow, and say since when they have not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from broker.store.cluster_health import NodeHealth, RangeHealth
from dashboard.components import cluster_tables
from dashboard.data import queries
from dashboard.pages import pipeline

HOUR_MS = 3_600_000
WALL_MS = 1_790_000_000_000
"""21 September 2026, 14:13:20 UTC."""


@pytest.mark.parametrize(
    ("ago_ms", "note", "tone"),
    [
        (60_000, "latest 14:12:20 UTC", "fact warn"),
        (2 * HOUR_MS, "none since 21 Sep 2026, 12:13 UTC", "fact"),
        (None, "none since the start, 13:13:20 UTC", "fact"),
    ],
)
def test_lost_samples_are_highlighted_within_the_hour(fleet: Any, ago_ms: int | None, note: str, tone: str) -> None:
    grown = {} if ago_ms is None else {"lost": WALL_MS - ago_ms}
    snapshot = fleet(3)
    health = msgspec.structs.replace(snapshot.health, lost=7, grown=grown, started=WALL_MS - HOUR_MS)
    lost = next(
        fact
        for fact in pipeline.render(type(snapshot)(snapshot.table, snapshot.alarms, snapshot.gateways, health))[0]
        if "Samples lost" in str(fact)
    )
    assert lost.className == tone
    assert note in json.dumps(lost.to_plotly_json(), default=lambda one: one.to_plotly_json())
    assert queries.grows(health, "lost") is (tone == "fact warn")


def text_of(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def test_a_single_processor_has_no_tables_of_a_cluster(fleet: Any) -> None:
    assert cluster_tables.tables(fleet(3).health) == []


def test_of_a_cluster_one_sees_which_node_has_which_range_and_what_was_taken_over_or_lost(fleet: Any) -> None:
    ranges = [
        RangeHealth(number=0, node="east-1", epoch=3, since=WALL_MS, pumps=12, latency_ms=80.0, connected=True),
        RangeHealth(number=1, node="west-2", epoch=4, since=WALL_MS, former="dead-9", gap_s=7.4, connected=True),
        RangeHealth(number=2, shown_s=75.0, judged=False),
    ]
    nodes = [
        NodeHealth(node="east-1", started=WALL_MS, ranges=[0], merger=True, lost=2, taken_over=5, restarts=3),
        NodeHealth(node="dead-9", silent_s=130.0),
    ]
    health = msgspec.structs.replace(fleet(3).health, ranges=ranges, nodes=nodes)
    of_ranges, of_nodes = map(text_of, cluster_tables.tables(health))
    assert "Ranges (1 not judged)" in of_ranges
    assert of_ranges.index(" not judged") < of_ranges.index("east-1")
    assert "from dead-9, which was silent; 7 s without new results" in of_ranges
    assert "14:13:20 UTC" in of_ranges
    assert "80 ms" in of_ranges
    assert of_nodes.index("dead-9") < of_nodes.index("east-1")
    assert "silent for 2 min" in of_nodes
    assert "merger" in of_nodes
