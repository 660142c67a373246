"""What pages show of strangers' text: readable, and without a character that acts instead of being seen."""

from __future__ import annotations

import json
import re
from typing import Any

import polars as pl
import pytest
from dash import html
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.commands import Reply
from broker.display.printable import CONTROL, printable
from broker.store.snapshot import Refusal, Snapshot
from dashboard.app import assemble
from dashboard.components import event_log, injection_report, keyed_list, pump_summary
from dashboard.components.safe_output import escaped
from dashboard.data import fleet_map
from dashboard.data.alarm_rows import AlarmRows
from dashboard.pages import alarms, overview, pipeline, pump, pumps
from tests.dashboard.conftest import make_fleet

ANY_TEXT = st.one_of(
    st.sampled_from(["C:\\[/temp]", "<b onclick=x>", "\x1b[2J", "\u202egnp.exe", "\x9b31m", "\x00"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
FREE_OF_ALARMS = ("site", "acknowledged_by", "shelved_by", "shelved_why", "out_by", "out_why", "note", "note_by")


def texts(shown: Any) -> list[str]:
    """Return every text that a browser would get, except what it sends back as it came."""
    if isinstance(shown, str):
        return [shown]
    if isinstance(shown, dict):
        return [one for name, value in shown.items() if name != "alarm" for one in texts(value)]
    if isinstance(shown, list | tuple):
        return [one for value in shown for one in texts(value)]
    return texts(shown.to_plotly_json()) if hasattr(shown, "to_plotly_json") else []


def written_by_strangers(text: str) -> Snapshot:
    fleet = make_fleet(4, alarms=4)
    said = pl.lit(text)
    return Snapshot.of(
        fleet.pumps.with_columns(said.alias(name) for name in ("site", "model", "lot", "group", "prescription")),
        fleet.alarms.with_columns(
            *(said.alias(name) for name in FREE_OF_ALARMS),
            pl.lit(1).alias("note_wall"),
            pl.lit(2**62).alias("out_wall"),
        ),
        fleet.gateways,
        fleet.health,
    )


def listed(snapshot: Snapshot) -> list[Any]:
    """Return what a browser gets of the list of alarms, but for their ids."""
    rows = AlarmRows(1)
    rows.follow(snapshot)
    return [row[2:] for row in keyed_list.shown(rows.answer(rows.alarms, 0, 0))["rows"]]


@given(text=ANY_TEXT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_page_shows_any_text_without_its_control_characters(text: str) -> None:
    snapshot = written_by_strangers(text)
    snapshot.health.refusals = [Refusal(text, 2**62, text, text)]
    reply = Reply(id="1", gateway="gate", ok=False, text=text, time=2**62)
    row = snapshot.pumps.row(0, named=True)
    shown = texts(
        [
            escaped(part)
            for part in (
                overview.render(snapshot), fleet_map.cells(snapshot), pump.render(snapshot, "ITB-000001"),
                alarms.evidence(snapshot.alarms.row(0, named=True)), listed(snapshot), pumps.answer(snapshot, {}, ""),
                pipeline.render(snapshot), pipeline.gateways(snapshot, 0), injection_report.responses([reply]),
                pump_summary.head(row, snapshot.alarms, snapshot.orders),
                event_log.table(pl.DataFrame({"at": [2**62], "time": [2**62], "kind": ["note"], "pump": [None],
                    "priority": [1], "title": ["Low reservoir"], "text": [text], "who": [text], "subject": [text],
                    "alarm": ["a"]}, schema_overrides={"pump": pl.String})),
            )
        ]
    )  # fmt: skip
    assert not [one for one in shown if re.search(f"[{CONTROL}]", re.sub("[\n\t]", "", one))]
    if text.strip():
        assert any(printable(text, keep="\n\t") in one for one in shown), "the text is still recognizable"
    assert any("beyond year 9999" in one for one in shown)


def test_the_ids_that_come_back_from_a_browser_stay_as_they_are() -> None:
    rows = escaped([{"alarm": "lot \x1b/drift/1", "subject": "lot \x1b"}])
    assert rows == [{"alarm": "lot \x1b/drift/1", "subject": "lot \\x1b"}]
    button = escaped(html.Button("x", **{"data-ack": json.dumps({"alarms": ["lot \x1b/drift/1"]})}))
    assert json.loads(button.to_plotly_json()["props"]["data-ack"]) == {"alarms": ["lot \x1b/drift/1"]}


async def test_the_answers_of_a_served_page_are_escaped(data_of: Any, browser_of: Any) -> None:
    data = data_of(written_by_strangers("C:\\[/temp]\x1b[2J\x9b"))
    outputs = [(f"pump-{part}", "children") for part in ("head", "now", "flags", "quality", "events")]
    outputs += [("pump-events-key", "data"), ("pump-body", "hidden")]
    inputs = [("live", None), ("pump-serial", "ITB-000001")]
    request = {
        "output": f"..{'...'.join('.'.join(output) for output in outputs)}..",
        "outputs": [{"id": name, "property": prop} for name, prop in outputs],
        "inputs": [{"id": name, "property": "data", "value": value} for name, value in inputs],
        "state": [{"id": "pump-events-key", "property": "data", "value": None}],
        "changedPropIds": ["live.data"],
    }
    async with browser_of(assemble(data).server) as client:
        answer = await client.post("/_dash-update-component", json=request)
    shown = " ".join(texts(answer.json()))
    assert "C:\\[/temp]\\x1b[2J\\x9b" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("kept", [[1, 2.5, None], {"a": 1}, "Zoë\n日本", ("a", "b")])
def test_other_data_passes_unchanged(kept: Any) -> None:
    assert escaped(kept) == kept
    assert type(escaped(kept)) is type(kept)
