"""An alarm as the text of IHE PCD-04, read back by an HL7 library."""

from __future__ import annotations

from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message, parse_segment
from hl7apy.validation import Validator
from hypothesis import given
from hypothesis import strategies as st

from broker.interop import hl7, pcd04
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from tests.broker.interop import rows

SEQUENCES = {"\\F\\": "|", "\\S\\": "^", "\\R\\": "~", "\\T\\": "&", "\\E\\": "\\"}


def unescaped(text: str) -> str:
    """Return text with escape sequences replaced, as a receiver does it: from left to right."""
    found, at = "", 0
    while at < len(text):
        step = 3 if text[at : at + 3] in SEQUENCES else 1
        found += SEQUENCES.get(text[at : at + 3], text[at])
        at += step
    return found


def parsed(reference: str | None = "MDC_EVT_FLUID_LINE_OCCL", **given: Any) -> Message:
    text = pcd04.message(rows.alarm(**given), reference, at=rows.NOON + 6_000, number="n-1")
    return parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)


def facets(message: Message) -> dict[str, str]:
    return {obx.obx_3.to_er7().split("^")[1]: obx.obx_5.to_er7() for obx in message.children if obx.name == "OBX"}


def test_an_occlusion_that_nobody_acknowledged():
    message = parsed()
    assert message.msh.msh_9.to_er7() == "ORU^R40^ORU_R40"
    assert message.msh.msh_11.to_er7() == "T"
    assert message.msh.msh_12.to_er7() == "2.6"
    assert message.msh.msh_7.to_er7() == "20260101120006.000+0000"
    assert message.msh.msh_21.to_er7() == "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"
    assert message.obr.obr_4.to_er7() == "196616^MDC_EVT_ALARM^MDC"
    assert facets(message) == {
        "MDC_EVT_ALARM": (
            "196940^MDC_EVT_FLUID_LINE_OCCL^MDC^catheter_occlusion^Catheter occluded^99PUMPWATCH^^^Catheter occluded"
        ),
        "MDC_ATTR_ALERT_SOURCE": "69986^MDC_DEV_PUMP_INFUS_VMD^MDC",
        "MDC_ATTR_EVENT_PHASE": "start",
        "MDC_ATTR_ALARM_STATE": "active",
        "MDC_ATTR_ALARM_INACTIVATION_STATE": "enabled",
        "MDC_ATTR_ALARM_PRIORITY": "PH",
        "MDC_ATTR_ALERT_TYPE": "ST",
    }


def test_there_is_no_patient_in_the_message():
    assert [segment.name for segment in parsed().children] == ["MSH", "OBR", *["OBX"] * 7]


def test_an_alarm_without_a_term_of_its_own_is_an_alarm_with_our_name():
    [event, *_] = facets(parsed(None, rule="refill_missed", title="Suspected pocket fill")).values()
    assert event.startswith("196616^MDC_EVT_ALARM^MDC^refill_missed^Suspected pocket fill^99PUMPWATCH")


@pytest.mark.parametrize(
    ("state", "returned", "facet", "value"),
    [
        ("acknowledged", None, "MDC_ATTR_ALARM_INACTIVATION_STATE", "alert-acknowledged"),
        ("shelved", None, "MDC_ATTR_ALARM_INACTIVATION_STATE", "alarm-paused"),
        ("out_of_service", None, "MDC_ATTR_ALARM_INACTIVATION_STATE", "alarm-off"),
        ("latched", rows.NOON, "MDC_ATTR_ALARM_STATE", "latched"),
        ("returned", rows.NOON, "MDC_ATTR_ALARM_STATE", "inactive"),
        ("returned", rows.NOON, "MDC_ATTR_EVENT_PHASE", "end"),
        ("acknowledged", None, "MDC_ATTR_EVENT_PHASE", "continue"),
    ],
)
def test_the_state_of_an_alarm_is_phase_state_and_inactivation(state, returned, facet, value):
    assert facets(parsed(state=state, returned=returned))[facet] == value


@pytest.mark.parametrize("state", ["unacknowledged", "acknowledged", "shelved", "out_of_service", "latched"])
def test_every_segment_is_valid_by_hl7_2_6(state: str):
    for text in pcd04.message(rows.alarm(state=state), None, at=rows.NOON, number="n-1").split("\r")[:-1]:
        segment = parse_segment(text, version="2.6", validation_level=VALIDATION_LEVEL.STRICT)
        assert Validator.validate(segment)


def test_what_follows_the_start_names_the_message_of_the_start():
    assert not parsed().obr.to_er7().split("|")[29:]
    parent = parsed(state="acknowledged").obr.to_er7().split("|")[29]
    assert parent == "^ITB-000003/catheter_occlusion/1767268800000/start&PUMPWATCH"


@pytest.mark.parametrize("rule", [*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES], ids=lambda rule: rule.name)
def test_every_rule_makes_a_message_that_is_read_back(rule):
    [event, *_] = facets(parsed(rule.mdc, rule=rule.name, title=rule.title)).values()
    assert unescaped(event.split("^")[4]) == rule.title


@given(st.text())
def test_no_text_can_break_out_of_its_field(text: str):
    escaped = hl7.escaped(text)
    assert not set(escaped) & set("|^~&\r\n")
    kept = "".join(" " if one in "\r\n\t" else one for one in text if one in "\r\n\t" or one.isprintable())
    assert unescaped(escaped) == kept


@given(st.text(st.sampled_from("|^~&\\\r\nFSRTE\x0b\x1cé"), min_size=1))
def test_a_title_made_of_delimiters_stays_one_component(title: str):
    message = pcd04.message(rows.alarm(title=title, rule="r"), None, at=0, number=title)
    segments = message.split("\r")
    assert [segment[:3] for segment in segments] == ["MSH", "OBR", *["OBX"] * 7, ""]
    kept = "".join(" " if one in "\r\n" else one for one in title if one in "\r\n" or one.isprintable())
    event = segments[2].split("|")[5].split("^")
    assert unescaped(event[4]) == kept
