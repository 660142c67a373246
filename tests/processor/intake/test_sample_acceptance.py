"""Samples of a message that are accepted: valid ones beside invalid ones, and only of pumps of the gateway."""

from __future__ import annotations

import pytest

from broker.contract.gateway_messages import Status
from broker.contract.messages import encode
from tests.processor.intake.payloads import SAMPLE, START_MS, arrow


def test_valid_lines_of_a_payload_are_accepted_and_invalid_ones_rejected(watch):
    lines = [b'{"pump":"%c","time":1767225600000,"flow_ul_h":%d}' % (65 + at, at) for at in range(5)]
    lines[3] = b'{"pump":"D","time":17672256000'
    lines[1] = lines[1].replace(b'"flow_ul_h":1', b'"flow_ul_h":1e6')
    assert watch.deliver(b"\n".join(lines))["pump"].to_list() == ["A", "C", "E"]
    assert [reason[:7] for reason in watch.reasons] == ["line 2:", "line 4:"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_only_the_line_that_is_not_json_is_rejected(watch, at):
    lines = [SAMPLE.replace(b'"A"', name) for name in (b'"A"', b'"B"', b'"C"')]
    lines[at] = b"\xff\xfe garbage" if at else b"garbage"
    assert watch.deliver(b"\n".join(lines)).height == 2
    assert [reason.startswith(f"line {at + 1}: ") for reason in watch.reasons] == [True]


def test_valid_samples_of_an_array_or_frame_are_accepted_and_invalid_ones_rejected(watch):
    assert watch.deliver(b"[" + SAMPLE + b',{"pump":"B"},7,' + SAMPLE.replace(b'"A"', b'"C"') + b"]")[
        "pump"
    ].to_list() == [
        "A",
        "C",
    ]
    assert [reason[:9] for reason in watch.reasons] == ["sample 2:", "sample 3:"]
    assert watch.deliver(arrow(pump=["A", "B", "C"], flow_ul_h=[1, 9e9, 2]))["pump"].to_list() == ["A", "C"]
    assert watch.reasons[2] == "pump 'B': flow_ul_h is 9e9; allowed is -100 to 5000 µL/h".replace("9e9", "8999999488.0")


def test_a_pretty_printed_sample_is_one_sample(watch):
    assert watch.deliver(b'{\n  "pump": "A",\n  "time": 1767225600000\n}\n').height == 1
    watch.deliver(b'{\n  "pump": "A",\n  "time": 17\n')
    assert len(watch.reasons) == 1


def test_of_a_thousand_invalid_samples_twenty_are_listed_and_the_rest_counted(watch):
    watch.deliver(b"\n".join([b'{"pump":"A","time":1}'] * 1000))
    assert len(watch.reasons) == 21
    assert watch.reasons[-1] == "and 980 more samples"
    watch.deliver(arrow(pump=[f"P{at}" for at in range(1000)], flow_ul_h=[9e9] * 1000))
    assert watch.reasons[-1] == "and 980 more samples"


UNKNOWN = {
    "JSON": lambda *pumps: b"\n".join(SAMPLE.replace(b'"A"', b'"%s"' % pump.encode()) for pump in pumps),
    "Arrow": lambda *pumps: arrow(pump=list(pumps)),
}
FORMS = pytest.mark.parametrize("form", UNKNOWN.values(), ids=UNKNOWN.keys())


@FORMS
def test_samples_of_a_pump_missing_from_the_birth_of_its_gateway_are_rejected(watch, form):
    watch.birth("A", "B")
    assert watch.deliver(form("A", "X", "B"))["pump"].to_list() == ["A", "B"]
    assert watch.reasons == ["unknown pump 'X': it is not in the birth of ward"]
    assert watch.snapshot().pumps["pump"].to_list() == ["A", "B"]


@FORMS
def test_samples_of_a_pump_of_another_gateway_are_rejected(watch, form):
    watch.birth("A")
    assert watch.deliver(form("A", "M"), gateway="mine")["pump"].to_list() == ["M"]
    assert watch.reasons == [
        (
            "pump 'A' belongs to ward, which delivers it; mine takes it over once ward is offline or has delivered "
            "nothing of it for 5 min, or an engineer transfers it"
        )
    ]
    assert watch.deliver(form("A")).height == 1


@FORMS
def test_a_birth_takes_over_the_pumps_of_a_gateway_that_is_offline(watch, form):
    watch.birth("A", "B")
    assert watch.deliver(form("A", "B")).height == 2
    watch.deliver(encode(Status(gateway="ward", state="offline", sent=watch.now)), "status")
    watch.birth("B", gateway="new")
    later = form("A", "B").replace(b"1767225600000", b"1767225660000")
    assert watch.deliver(later)["pump"].to_list() == ["A"]
    assert watch.reasons == [
        (
            "pump 'B' belongs to new, which delivers it; ward takes it over once new is offline or has delivered "
            "nothing of it for 5 min, or an engineer transfers it"
        )
    ]
    assert watch.deliver(form("B"), gateway="new")["pump"].to_list() == ["B"]


@FORMS
def test_of_many_unknown_pumps_twenty_are_listed_and_the_rest_counted(watch, form):
    watch.birth("A")
    watch.deliver(form("A", *(f"X{at}" for at in range(50))))
    assert len(watch.reasons) == 21
    assert watch.reasons[-1] == "and 30 more pumps"


def test_samples_in_mixed_formats_keep_their_order_of_arrival(watch):
    later = [arrow(time=[START_MS + 60_000], flow_ul_h=[2]), SAMPLE.replace(b"1767225600000", b"1767225720000")]
    samples = watch.take([watch.message(SAMPLE), *(watch.message(payload) for payload in later)])
    assert samples["time"].to_list() == [START_MS, START_MS + 60_000, START_MS + 120_000]
    assert watch.snapshot().pumps.select("samples", "repeated").row(0) == (3, 0)
