"""Evidence reads as plain sentences, and an alarm without it is shown all the same."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from broker.contract.evidence import Evidence, Fact, RuledOut
from dashboard.components import evidence_panel, pump_summary
from dashboard.data import queries
from dashboard.pages import alarms

FOUND = Evidence(
    summary="Delivered 1.3 µL/h, expected 10.2 µL/h",
    time=1_768_221_120_000,
    window_s=1200,
    score=2.1,
    above_s=1500,
    confidence="medium",
    doubts=["this pump is known for only 5 h"],
    facts=[Fact(label="Delivered", value=1.3, unit="µL/h", expected=10.2, limit=7.65)],
    ruled_out=[
        RuledOut(
            cause="Catheter occluded", because="pulsatility is normal", value=98.4, unit="% of baseline", limit=50.0
        ),
        RuledOut(cause="Gateways silent", because="the broker itself cannot be reached", unit=""),
    ],
)


def text_of(component: object) -> str:
    """Return all text of a component."""
    if component is None or isinstance(component, str | int | float):
        return str(component or "")
    if isinstance(component, list | tuple):
        return " ".join(filter(None, map(text_of, component)))
    return text_of(getattr(component, "children", None))


def bearing(snapshot, **changes):
    text = msgspec.json.encode(FOUND).decode()
    columns = {"evidence": text, "score": 3.04, "score_now": 2.4, **changes}
    return snapshot.alarms.with_columns(pl.lit(value).alias(name) for name, value in columns.items())


def test_values_score_confidence_and_ruled_out_causes_are_shown(fleet):
    text = text_of(evidence_panel.shown(bearing(fleet(20)).row(0, named=True)))
    assert "Delivered 1.30 µL/h 10.2 13 % 7.65" in " ".join(text.split())
    assert "Values: averaged over about 20 min up to 12 Jan 2026, 12:32 UTC" in text
    assert "Score (alarm at 1.0): 2.10 when raised after 25 min above 1.0, 2.40 now, 3.04 peak" in text
    assert "Confidence: medium (this pump is known for only 5 h)" in text
    assert "Ruled out “Catheter occluded”: pulsatility is normal (98.4 % of baseline, limit 50)" in text
    assert "Ruled out “Gateways silent”: the broker itself cannot be reached" in text


@pytest.mark.parametrize(
    ("value", "expected", "share"),
    [
        (1.3, 10.2, "13 %"),
        (-0.1, 8.5, "0 %"),
        (3.0, 0.0, ""),
        (3.0, None, ""),
        (12.0, 10.0, "120 %"),
        (165.0, 11.1, ""),
    ],
)
def test_a_share_is_shown_if_it_says_more_than_the_value(fleet, value, expected, share):
    fact = Fact(label="Delivered", value=value, unit="µL/h", expected=expected)
    text = msgspec.json.encode(msgspec.structs.replace(FOUND, facts=[fact])).decode()
    panel = evidence_panel.shown(bearing(fleet(20), evidence=text).row(0, named=True))
    cells = [cell.children for cell in panel.children[0].children.children[1].children[0].children]
    assert cells[3] == share


def test_a_pump_shows_all_evidence_of_its_first_alarm_and_one_line_of_the_others(fleet):
    rows = queries.ordered(bearing(fleet(20))).head(2)
    first, second = pump_summary.alarms(rows)
    assert "Confidence: medium" in text_of(pump_summary.evidence(rows))
    assert "Confidence" not in text_of(first)
    assert FOUND.summary in text_of(second)
    assert "Confidence" not in text_of(second)


@pytest.mark.parametrize("text", [None, "", "no evidence at all"])
def test_an_alarm_without_evidence_is_shown_all_the_same(fleet, text):
    rows = bearing(fleet(20), evidence=text).head(1)
    assert "Evidence" not in text_of(pump_summary.alarms(rows))
    assert pump_summary.evidence(rows) is None
    assert "without evidence" in text_of(alarms.evidence(rows.row(0, named=True)))


def test_the_drawer_says_what_to_do_first_and_who_did_what(fleet):
    row = bearing(fleet(20), acknowledged_by="anna", acknowledged_wall=1_768_221_120_000).row(0, named=True)
    shown = text_of(alarms.evidence(row))
    assert "Recommended action Interrogate the pump" in shown
    assert "acknowledged by anna at 12:32:00 UTC" in shown
    assert shown.count("Confidence") == 1
