"""FHIR resources are valid by HL7's schema, say that they are simulated, and carry the codes of IEEE 11073."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.signals import SIGNALS
from broker.contract.topics import NAME
from broker.interop import audit_events, bundles, coding, device_alerts, devices, observations
from broker.store import audit, journal
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from tests.broker.interop import rows
from tests.broker.interop.validation import ballot_problems, problems

ALL_RULES = (*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)
STATES = ("unacknowledged", "acknowledged", "returned", "latched", "shelved", "out_of_service")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    str.strip
)
SERIALS = st.from_regex(NAME, fullmatch=True)


def assert_valid(resource: dict[str, Any]) -> None:
    assert problems(resource) == []
    assert ID.fullmatch(resource["id"])
    assert resource["meta"]["security"][0]["code"] == "HTEST"
    assert resource["meta"]["tag"][0]["code"] == "simulated"


def test_a_pump_is_a_device_with_serial_model_lot_and_gateway():
    device = devices.pump(rows.pump())
    assert_valid(device)
    assert (device["serialNumber"], device["modelNumber"], device["lotNumber"]) == ("ITB-000003", "P20", "B07")
    assert device["parent"] == {"reference": "Device/gateway-gate-1"}
    assert device["type"]["coding"][0] == {
        "system": "urn:iso:std:iso:11073:10101",
        "code": "69984",
        "display": "MDC_DEV_PUMP_INFUS",
    }
    assert device["note"] == [{"text": "Simulated; not a medical device, and no patient's data."}]
    assert "patient" not in device


def test_a_silent_pump_is_inactive_and_one_that_was_never_heard_is_unknown():
    assert devices.pump(rows.pump(silent=True))["status"] == "inactive"
    assert devices.pump(rows.pump(silent=None))["status"] == "unknown"


def test_gateways_and_pumpwatch_are_devices_too():
    for device in (
        devices.gateway(rows.gateway()),
        devices.gateway(rows.gateway(state="lost")),
        devices.pumpwatch("1"),
    ):
        assert_valid(device)


@settings(max_examples=40, deadline=None)
@given(serial=SERIALS)
def test_every_serial_makes_ids_that_fhir_allows_and_that_tell_pumps_from_gateways(serial: str):
    pump, gateway = devices.pump(rows.pump(pump=serial)), devices.gateway(rows.gateway(gateway=serial))
    assert pump["id"] != gateway["id"]
    longest = next(iter(observations.sample(rows.sample(pump=serial, commanded_ul_h=1.0, flow_ul_h=None))))
    assert all(ID.fullmatch(one["id"]) for one in (pump, gateway, longest))


@given(SERIALS, SERIALS)
def test_two_pumps_never_share_an_id(one: str, other: str):
    assert (coding.device_id("pump", one) == coding.device_id("pump", other)) is (one == other)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_every_signal_is_a_valid_metric_and_observation(signal):
    metric = devices.metric("ITB-000003", signal)
    [observation] = observations.sample(rows.sample(**{"flow_ul_h": None, signal.name: 8.123456}))
    assert_valid(metric)
    assert_valid(observation)
    assert observation["device"] == {"reference": f"DeviceMetric/{metric['id']}"}
    assert observation["valueQuantity"] == {
        "value": 8.1235,
        "unit": signal.unit,
        "system": "http://unitsofmeasure.org",
        "code": signal.ucum,
    }
    assert observation["subject"]["reference"] == "Device/pump-ITB-000003"


def test_the_measured_flow_carries_its_code():
    [observation] = observations.sample(rows.sample())
    assert observation["code"]["coding"][0]["code"] == "157784"
    assert observation["effectiveDateTime"] == "2026-01-01T12:00:00.000Z"


@pytest.mark.parametrize("unknown", [None, float("nan"), float("inf")])
def test_an_unknown_value_is_no_observation_and_never_zero(unknown: float | None):
    assert list(observations.sample(rows.sample(flow_ul_h=unknown))) == []


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_every_alarm_is_a_valid_observation_and_device_alert(rule):
    texts = {"rule": rule.name, "title": rule.title, "meaning": rule.meaning, "action": rule.action}
    row = rows.alarm(**texts, priority={"high": 1, "medium": 2, "low": 3}[rule.priority])
    observation, alert = observations.alarm(row, rule.mdc), device_alerts.device_alert(row, rule.mdc)
    assert_valid(observation)
    assert ballot_problems(alert) == []
    for one in (observation, alert):
        assert [coding["code"] for coding in one["code"]["coding"]][-1] == rule.name
        assert one["code"]["text"] == rule.title
        assert len(one["code"]["coding"]) == (2 if rule.mdc else 1)


@settings(max_examples=30, deadline=None)
@given(
    state=st.sampled_from(STATES),
    kind=st.sampled_from(["pump", "gateway", "cohort", "fleet", "system"]),
    subject=SERIALS | st.text(min_size=1, max_size=20),
    texts=st.lists(TEXTS | st.none(), min_size=3, max_size=3),
    times=st.lists(st.none() | st.integers(-(2**60), 2**60), min_size=4, max_size=4),
)
def test_whatever_an_alarm_holds_its_resources_are_valid(state, kind, subject, texts, times):
    note, by, deadline = texts
    row = rows.alarm(state=state, subject_kind=kind, subject=subject, note=note, acknowledged_by=by, deadline=deadline)
    row |= dict(zip(("onset", "returned", "raised_wall", "acknowledged_wall"), times, strict=True))
    assert_valid(observations.alarm(row, None))
    assert ballot_problems(device_alerts.device_alert(row, None)) == []


def test_an_occlusion_carries_the_code_of_the_nomenclature():
    observation = observations.alarm(rows.alarm(), "MDC_EVT_FLUID_LINE_OCCL")
    assert observation["code"]["coding"][0]["code"] == "196940"
    assert observation["component"][0]["valueCodeableConcept"]["coding"][0]["code"] == "PH"
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == "unacknowledged"
    assert observation["status"] == "preliminary"


def test_an_alarm_that_returned_has_an_end_and_is_final():
    observation = observations.alarm(rows.alarm(state="returned", returned=rows.NOON + 60_000), None)
    assert observation["status"] == "final"
    assert observation["effectivePeriod"]["end"] == "2026-01-01T12:01:00.000Z"


def test_a_device_alert_says_whether_the_condition_stands_and_whether_it_is_annunciated():
    standing = device_alerts.device_alert(rows.alarm(state="acknowledged", acknowledged_wall=rows.NOON), None)
    latched = device_alerts.device_alert(rows.alarm(state="latched", returned=rows.NOON), None)
    assert (standing["presence"], standing["acknowledged"]) == (True, True)
    assert standing["signal"][0]["presence"]["coding"][0]["code"] == "ack"
    assert latched["presence"] is False
    assert latched["signal"][0]["presence"]["coding"][0]["code"] == "latched"


def test_the_ballots_rules_find_what_breaks_them():
    alert = device_alerts.device_alert(rows.alarm(), None)
    assert ballot_problems({**alert, "condition": {}}) == ["DeviceAlert.condition is not an element"]
    assert ballot_problems({**alert, "presence": "yes"}) != []
    assert ballot_problems({name: value for name, value in alert.items() if name != "code"}) == [
        "DeviceAlert.code is missing"
    ]
    assert ballot_problems({**alert, "signal": [{}]}) == ["DeviceAlert.signal.activationState is missing"]


@pytest.mark.parametrize("kind", [*journal.KINDS, *audit.KINDS, "ordered", "refused"])
def test_every_kind_of_entry_is_a_valid_audit_event(kind: str):
    assert_valid(audit_events.audit_event(rows.entry(kind=kind, text="a text")))


def test_an_audit_event_says_who_did_what_to_which_pump_from_where():
    event = audit_events.audit_event(rows.entry())
    assert event["agent"] == [{"who": {"display": "anna"}, "requestor": True, "network": {"address": "10.0.0.9"}}]
    assert event["entity"][0]["what"]["reference"] == "Device/pump-ITB-000003"
    assert event["subtype"][0]["code"] == "acknowledged"
    assert event["outcome"] == "0"
    assert audit_events.audit_event(rows.entry(kind="sign_in_failed"))["outcome"] == "4"


def test_a_page_of_results_is_a_valid_bundle():
    device = devices.pump(rows.pump())
    links = {"self": "http://x.example/Device", "next": "http://x.example/Device?page=2"}
    bundle = bundles.searchset([device], base="http://x.example", links=links, total=2, at=rows.NOON)
    assert problems(bundle) == []
    assert bundle["entry"][0]["fullUrl"] == "http://x.example/Device/pump-ITB-000003"
    assert problems(bundles.searchset([], base="http://x.example", links={}, total=0, at=rows.NOON)) == []


@settings(max_examples=30, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_whatever_an_entry_holds_its_audit_event_is_valid(who: str, origin: str, text: str):
    assert_valid(audit_events.audit_event(rows.entry(who=who, origin=origin, text=text)))


def test_no_resource_names_a_patient():
    resources = [devices.pump(rows.pump()), *observations.sample(rows.sample()), observations.alarm(rows.alarm(), None)]
    assert not any("Patient/" in str(one) for one in resources)
