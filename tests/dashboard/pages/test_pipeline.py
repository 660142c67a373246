"""Pipeline: counts of trouble are highlighted while they grow, and say since when they have not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

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
