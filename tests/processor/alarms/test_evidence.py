"""Evidence of an alarm: known and finite numbers, the score, doubts, and causes that are ruled out."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.codec import encode_arrow
from broker.contract.evidence import MAX_BYTES, Evidence, decode
from broker.mqtt.link import Message
from processor.alarms import evidence, lifecycle
from processor.engine import engine
from processor.rules import RULE_BY_NAME, RULES, Rule
from processor.watch.gateways import FLEET_SILENT, GATEWAY_RULES, GATEWAY_SILENT
from simulator.faults import FAULTS

LISTED = (*RULES, *GATEWAY_RULES)
HEALTHY_MINUTES = 60
FAULTY_MINUTES = 120
JUDGED = [rule for rule in RULES if rule.detector.judges == "sample"]


def evidence_of(rows: pl.DataFrame, rule: Rule) -> list[Evidence]:
    return [decode(text) for text in evidence.text(rows, rule)]  # type: ignore[misc]


def state_of(**values: object) -> pl.DataFrame:
    """Return the state of one pump, healthy except for these columns."""
    state = engine.new_state(1).with_columns(pl.lit(1_000_000).alias("time"), pl.lit(0, pl.UInt32).alias("pump"))
    dtypes = state.schema
    named = {name.replace("__", "."): value for name, value in values.items()}
    return state.with_columns(pl.lit(value, dtypes[name]).alias(name) for name, value in named.items())


@pytest.fixture(scope="module")
def faulty_ward(make_ward):
    """Ward on which every fault was injected into one pump two hours ago."""
    ward = make_ward(len(FAULTS))
    ward.run(HEALTHY_MINUTES)
    for pump, fault in enumerate(FAULTS):
        ward.inject(fault, pump)
    ward.run(FAULTY_MINUTES)
    return ward


def test_every_rule_has_evidence_with_descriptive_labels_and_known_causes():
    assert [rule.name for rule in LISTED if not rule.evidence] == []
    titles = {rule.title for rule in LISTED}
    for rule in LISTED:
        assert [one.label for one in rule.evidence if len(one.label) < 5 or one.label.endswith(".")] == []
        assert [one.cause for one in rule.rules_out if one.cause == rule.title] == []
    ruled_out = {one.cause for rule in LISTED for one in rule.rules_out}
    broader = {
        "Motor stall or motor not driven",
        "Over-infusion or under-delivery",
        "Individual pumps silent",
        "Individual gateways silent",
    }
    assert ruled_out - broader <= titles


def test_every_alarm_raised_by_any_fault_has_all_facts_of_its_rule(faulty_ward):
    opened = faulty_ward.watch.pipeline.alarms
    assert opened["rule"].n_unique() >= 8
    for row in opened.iter_rows(named=True):
        found = decode(row["evidence"])
        assert found is not None, row["alarm"]
        assert len(found.facts) == len(RULE_BY_NAME[row["rule"]].evidence), (row["alarm"], found.facts)
        assert found.summary.startswith(found.facts[0].label)
        assert found.score >= 1.0
        assert found.score <= row["score"] + 0.01 * row["score"]
        assert len(row["evidence"].encode()) <= MAX_BYTES


@pytest.mark.parametrize("rule", JUDGED, ids=lambda rule: rule.name)
def test_the_evidence_of_every_rule_can_be_computed_for_every_fault(faulty_ward, rule):
    state = faulty_ward.watch.pipeline.state.filter(pl.col("stream.memory.interval_s").is_not_null())
    for found in evidence_of(state, rule):
        assert found.facts, rule.name
        assert found.confidence in {"high", "medium", "low"}


def test_a_single_pump_has_the_same_evidence_as_among_all(faulty_ward):
    state = faulty_ward.watch.pipeline.state
    for rule in JUDGED:
        among = evidence.text(state, rule).to_list()
        alone = [evidence.text(state[number], rule)[0] for number in (0, state.height - 1)]
        assert alone == [among[0], among[-1]], rule.name


def test_a_number_at_the_edge_of_rounding_is_the_same_alone_as_among_others():
    edge = state_of(pump_reset=2.0, pump_reset__in_state_s=60.029998779296875)
    among = pl.concat([edge, state_of(pump_reset=2.0, pump_reset__in_state_s=120.0)])
    rule = RULE_BY_NAME["pump_reset"]
    assert evidence.text(edge, rule)[0] == evidence.text(among, rule)[0]


def test_redelivered_samples_leave_the_evidence_unchanged(make_ward):
    ward = make_ward(1)
    ward.run(20)
    ward.inject("motor_stall", 0)
    sent = []
    for _ in range(60):
        ward.watch.wait_s(1)
        sent.append(ward.simulation.tick().drop("index"))
        ward.watch.samples(sent[-1])
    before = ward.watch.pipeline.alarms
    assert "motor_stall" in before["rule"]
    redelivered = [Message("itb/00/ward/telemetry", encode_arrow(one), 1, 1, retained=False) for one in sent]
    ward.watch.take(redelivered)
    assert ward.watch.pipeline.alarms["evidence"].to_list() == before["evidence"].to_list()


def test_evidence_of_under_delivery_shows_the_expected_flow_and_the_causes_ruled_out():
    state = state_of(
        under_delivery=1.5,
        under_delivery__in_state_s=900,
        under_delivery__memory__expected=10.0,
        under_delivery__memory__difference=-8.0,
        motor_ul_h=10.0,
        commanded_ul_h=10.0,
        reservoir_ml=12.0,
        motor__memory__short=0.01,
        catheter__memory__pulse_quick=1.2,
        catheter__memory__pulse_usual=3.0,
        flow_sensor_stuck__memory__repeats=0.02,
    )
    found = evidence_of(state, RULE_BY_NAME["under_delivery"])[0]
    assert found.summary == "20-min mean flow 2 µL/h, expected 10 µL/h"
    delivered = found.facts[0]
    assert (delivered.value, delivered.expected, delivered.limit, delivered.unit) == (2.0, 10.0, 7.5, "µL/h")
    assert (found.time, found.score, found.above_s, found.window_s) == (1_000_000, 1.5, 900.0, 1200.0)
    ruled_out = {other.cause: other.value for other in found.ruled_out}
    assert ruled_out == {"Motor stall or motor not driven": 1.0, "Empty reservoir": 12.0, "Flow sensor frozen": 2.0}


@pytest.mark.parametrize(
    ("strain_ma", "stalled", "rule", "ruled_out"),
    [
        (0.1, 0.0, "motor_not_driven", ("Motor stall", 0.1, 0.8)),
        (4.0, 0.0, "motor_stall", ("Motor not driven", 4.0, 0.8)),
        (-1.1, 0.9, "motor_stall", ("Motor not driven", 90.0, 50.0)),
    ],
)
def test_the_motor_current_distinguishes_a_stall_from_a_motor_that_is_not_driven(strain_ma, stalled, rule, ruled_out):
    state = state_of(motor__memory__strain_ma=strain_ma, motor__memory__stalled=stalled, motor__memory__short=1.0)
    causes = [(cause.cause, cause.value, cause.limit) for cause in evidence_of(state, RULE_BY_NAME[rule])[0].ruled_out]
    assert next(cause for cause in causes if cause[0].startswith("Motor ")) == ruled_out


def test_a_cause_is_not_ruled_out_without_its_measurement():
    found = evidence_of(state_of(motor__memory__strain_ma=None), RULE_BY_NAME["motor_not_driven"])[0]
    causes = [other.cause for other in found.ruled_out]
    assert "Motor stall" not in causes
    assert "Catheter occluded" not in causes


@pytest.mark.parametrize(
    ("score", "lost", "samples", "confidence", "doubts"),
    [
        (2.0, 0.0, 3000, "high", []),
        (1.1, 0.0, 3000, "medium", ["only just above the limit"]),
        (2.0, 0.3, 3000, "medium", ["30 % of the samples were lost"]),
        (1.1, 0.3, 120, "low",
         ["only just above the limit", "30 % of the samples were lost", "this pump has been known for only 2 h"]),
    ],
)  # fmt: skip
def test_each_doubt_lowers_the_confidence(score, lost, samples, confidence, doubts):
    state = state_of(
        catheter_occlusion=score, samples=samples, stream__memory__lost=lost, stream__memory__interval_s=60.0
    )
    found = evidence_of(state, RULE_BY_NAME["catheter_occlusion"])[0]
    assert (found.confidence, found.doubts) == (confidence, doubts)


def test_evidence_of_a_silent_pump_shows_its_last_sample_and_usual_interval(faulty_ward):
    opened = faulty_ward.watch.pipeline.alarms.filter(pl.col("rule") == "pump_silent")
    found = decode(opened["evidence"][0])
    assert found is not None
    last_sample, interval = found.facts
    assert (last_sample.label, last_sample.unit, last_sample.expected, last_sample.limit) == (
        "Last sample",
        "min ago",
        1.0,
        8.0,
    )
    assert last_sample.value >= 8.0
    assert (interval.value, interval.unit) == (60.0, "s")


def test_evidence_of_a_silent_gateway_shows_how_many_of_its_pumps_are_silent(make_ward):
    ward = make_ward(6)
    ward.run(10)
    ward.watch.wait_s(20)
    ward.watch.take([])
    opened = ward.watch.pipeline.alarms.filter(pl.col("rule") == GATEWAY_SILENT.name)
    found = decode(opened["evidence"][0])
    assert found is not None
    assert [(fact.label, fact.value, fact.limit) for fact in found.facts] == [
        ("Silent pumps", 6.0, 3.0),
        ("Pumps expected to report", 6.0, None),
    ]


def test_evidence_of_a_silent_fleet_names_the_unreachable_broker(make_ward):
    ward = make_ward(6)
    ward.run(10)
    for _ in range(2):
        ward.watch.wait_s(40)
        ward.watch.pipeline.take([], ward.watch.now, listening=False)
    opened = ward.watch.pipeline.alarms.filter(pl.col("rule") == FLEET_SILENT.name)
    found = decode(opened["evidence"][0])
    assert found is not None
    assert found.summary == "Silent pumps 6, expected 0"
    assert [other.because for other in found.ruled_out] == ["the broker itself is unreachable"]


def test_evidence_is_in_the_journal_the_snapshot_and_the_events_for_other_systems(faulty_ward):
    entry = faulty_ward.watch.journal().filter((pl.col("kind") == "raised") & (pl.col("rule") == "motor_stall")).row(
        0, named=True
    )  # fmt: skip
    assert entry["text"].startswith("Rotor turns vs. commanded ")
    shown = faulty_ward.watch.snapshot().alarms.filter(pl.col("evidence").is_not_null() & pl.col("pump").is_not_null())
    assert shown["score_now"].null_count() == 0
    announced = [
        event for event in faulty_ward.watch.announcements if event.kind == "raised" and event.evidence is not None
    ]
    assert {event.rule for event in announced} >= {"catheter_disconnection"}


def test_an_alarm_saved_by_an_older_version_has_no_evidence():
    old = lifecycle.no_alarms().drop("evidence")
    old = pl.concat([old, pl.DataFrame({"alarm": "x", "rule": "motor_stall"}).cast({})], how="diagonal")
    assert lifecycle.restored(old, RULES)["evidence"].to_list() == [None]
    assert decode(None) is None
    assert decode("no evidence at all") is None
