"""A payload that cannot be parsed is rejected with a reason, counted once, and never stops the ones after it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.codec import encode_arrow
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA
from broker.mqtt.link import Message
from processor.intake.inbox import Inbox
from processor.intake.quarantine import Quarantine
from processor.intake.registry import Registry

START_MS = 1_767_225_600_000
GOOD = b'{"pump":"A","time":1767225600000,"seq":1,"flow_ul_h":8.1}'


def frame(**columns: object) -> pl.DataFrame:
    rows = max((len(values) for values in columns.values() if isinstance(values, list)), default=1)
    given = {"pump": ["A"] * rows, "time": [START_MS] * rows, **columns}
    return pl.DataFrame({name: given.get(name, [None] * rows) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


def arrow(**columns: object) -> bytes:
    return encode_arrow(frame(**columns))


def birth(gateway: str, *serials: str, **changes: object) -> bytes:
    return encode(
        Birth(**{"gateway": gateway, "pumps": Pumps(serial=list(serials)), "sent": 0, "time": START_MS, **changes})
    )


NESTED = b"[" * 200_000
BAD = {
    "an empty payload": (b"", "not a JSON sample"),
    "a truncated sample": (GOOD[:-9], "truncated"),
    "text that is no JSON": (b"flow is 8.1", "not a JSON sample"),
    "a number where an object belongs": (b"8.1", "Expected `object`, got `float`"),
    "a string as a flow": (GOOD.replace(b"8.1", b'"8.1"'), "Expected `float | null`, got `str` - at `$.flow_ul_h`"),
    "a number as a pump": (GOOD.replace(b'"A"', b"7"), "Expected `str`, got `int` - at `$.pump`"),
    "no pump": (b'{"time":1767225600000}', "missing required field `pump`"),
    "no time": (b'{"pump":"A"}', "missing required field `time`"),
    "the literal NaN": (GOOD.replace(b"8.1", b"NaN"), "not a JSON sample"),
    "an endless number": (GOOD.replace(b"8.1", b"1e999"), "not a JSON sample"),
    "a flow that cannot be": (GOOD.replace(b"8.1", b"1e7"), "flow_ul_h is 1e+07; allowed is -100 to 5000 µL/h"),
    "the year 1900": (GOOD.replace(b"1767225600000", b'"1900-01-01T00:00:00Z"'), "time is -2208988800000; allowed is"),
    "a time in the far future": (GOOD.replace(b"1767225600000", b"9999999999999"), "time is 9999999999999; allowed is"),
    "a time that is none": (GOOD.replace(b"1767225600000", b'"yesterday"'), "time 'yesterday' is neither"),
    "a time without a zone": (GOOD.replace(b"1767225600000", b'"2026-01-01T00:00:00"'), "has no time zone"),
    "a negative count": (GOOD.replace(b'"seq":1', b'"seq":-1'), "seq is -1; allowed is 0 to"),
    "a name that is none": (GOOD.replace(b'"A"', b'"../etc"'), "pump is '../etc'; allowed is 1 to 64"),
    "invalid UTF-8": (GOOD.replace(b"A", b"\xc3\x28"), "not a JSON sample"),
    "bytes of nothing": (b"\x00\x01\x02\xfe", "not a JSON sample"),
    "deeply nested arrays": (NESTED, "not a JSON sample"),
    "a deeply nested extra": (GOOD[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "not a JSON sample"),
    "10 MB of JSON": (b" " * 10_000_000 + GOOD, "10,000,057 bytes in one payload; the limit is 4,194,304"),
    "10 MB of Arrow": (b"\xff" * 10_000_000, "10,000,000 bytes in one payload; the limit is 4,194,304"),
    "an array of nothing": (b"[ ]", "an empty array"),
    "an Arrow frame of nothing": (encode_arrow(frame().clear()), "an empty Arrow frame"),
    "an Arrow frame cut off": (arrow(flow_ul_h=[8.1])[:400], "not an Arrow frame of samples"),
    "only the mark of an Arrow frame": (b"\xff\xff\xff\xff", "not an Arrow frame of samples"),
    "an Arrow frame without columns": (encode_arrow(frame().drop("battery_v", "seq")), "has no column seq, bat"),
    "an Arrow frame of other types": (
        encode_arrow(frame().with_columns(pl.lit("much").alias("flow_ul_h"))),
        "not an Arrow frame of samples: conversion",
    ),
    "NaN inside an Arrow frame": (arrow(flow_ul_h=[float("nan")]), "flow_ul_h is nan; allowed is -100 to 5000 µL/h"),
    "infinity inside an Arrow frame": (arrow(battery_v=[float("inf")]), "battery_v is inf; allowed is 0 to 6 V"),
    "the year 1900 inside an Arrow frame": (arrow(time=[-2_208_988_800_000]), "time is -2208988800000; allowed is"),
    "no name inside an Arrow frame": (arrow(pump=[None]), "pump is None; allowed is 1 to 64"),
}  # fmt: skip


@pytest.mark.parametrize(("payload", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_payload_is_rejected_and_the_next_good_one_is_taken(watch, payload, reason):
    assert watch.deliver(payload).height == 0
    assert len(watch.reasons) == watch.pipeline.quarantine.count == 1
    assert reason in watch.reasons[0]
    rejection = watch.results[-1].rejected[0]
    assert (rejection.topic, rejection.at) == ("itb/00/ward/telemetry", watch.now)
    assert len(rejection.excerpt) < 700
    assert watch.deliver(GOOD)["flow_ul_h"].to_list() == [pytest.approx(8.1)]
    assert watch.snapshot().pumps["pump"].to_list() == ["A"]
    assert watch.pipeline.quarantine.count == 1


TOPICS = {
    "itb/00/ward": "does not have the form itb/SHARD/GATEWAY/LEAF",
    "itb/64/ward/telemetry": "shard '64' is not one of 00 to 63",
    "itb/7/ward/telemetry": "shard '7' is not one of 00 to 63",
    "itb/00/the ward/telemetry": "'the ward' is not a valid gateway name",
    "itb/00/ward/telemetri": "no topic ends in 'telemetri'",
    "itb/00//telemetry": "'' is not a valid gateway name",
}


@pytest.mark.parametrize(("topic", "reason"), TOPICS.items())
def test_a_topic_outside_the_tree_is_rejected(watch, topic, reason):
    watch.take([Message(topic, GOOD, 1, 1, retained=False), watch.message(GOOD)])
    assert [reason in found for found in watch.reasons] == [True]
    assert watch.snapshot().pumps.height == 1


INVALID = {
    "birth": [
        (b"{", "not a birth: Input data was truncated"),
        (birth("other", "A"), "the birth of 'other' was published on the topic of 'ward'"),
        (birth("ward", "A", "A"), "the birth names a pump twice"),
        (birth("ward", "A", "B/C"), "'B/C' cannot be a name"),
        (birth("ward", "A", pumps=Pumps(serial=["A"], model=["x", "y"])), "names 1 pumps but has 2 of model"),
        (birth("ward", "A", speed=0), "speed is 0; allowed is above 0"),
        (birth("ward", "A", interval_s=-1), "interval_s is -1; allowed is above 0"),
    ],
    "status": [
        (b'{"gateway":"ward","state":"asleep","sent":1}', "Invalid enum value 'asleep'"),
        (
            b'{"gateway":"other","state":"offline","sent":1}',
            "the status of 'other' was published on the topic of 'ward'",
        ),
    ],
}


@pytest.mark.parametrize(
    ("leaf", "payload", "reason"), [(leaf, *case) for leaf, cases in INVALID.items() for case in cases]
)
def test_an_invalid_birth_or_status_is_rejected(watch, leaf, payload, reason):
    watch.deliver(payload, leaf)
    assert [reason in found for found in watch.reasons] == [True]
    assert watch.deliver(GOOD).height == 1


@pytest.mark.parametrize("payload", [b"", b"acknowledge all", b'{"kind":"shelve"}', b'{"kind":"acknowledge","id":1}'])
def test_an_invalid_action_is_rejected(watch, payload):
    watch.take([Message("pumpwatch/command", payload, 1, 1, retained=False)])
    assert [reason.startswith("not an action: ") for reason in watch.reasons] == [True]


def test_an_invalid_command_or_reply_is_rejected_with_a_reason(watch):
    watch.deliver(b"anything", "command")
    watch.deliver(b"anything", "reply")
    watch.deliver(b'{"id":"1","gateway":"other","ok":true,"text":""}', "reply")
    assert [reason.partition(":")[0] for reason in watch.reasons] == [
        "not a command",
        "not a reply",
        "the reply of 'other' was published on the topic of 'ward'",
    ]


def test_the_good_lines_of_a_payload_with_bad_ones_are_kept(watch):
    lines = [b'{"pump":"%c","time":1767225600000,"flow_ul_h":%d}' % (65 + at, at) for at in range(5)]
    lines[3] = b'{"pump":"D","time":17672256000'
    lines[1] = lines[1].replace(b'"flow_ul_h":1', b'"flow_ul_h":1e6')
    assert watch.deliver(b"\n".join(lines))["pump"].to_list() == ["A", "C", "E"]
    assert [reason[:7] for reason in watch.reasons] == ["line 2:", "line 4:"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_line_that_is_no_json_at_all_is_rejected_alone(watch, at):
    lines = [GOOD.replace(b'"A"', name) for name in (b'"A"', b'"B"', b'"C"')]
    lines[at] = b"\xff\xfe garbage" if at else b"garbage"
    assert watch.deliver(b"\n".join(lines)).height == 2
    assert [reason.startswith(f"line {at + 1}: ") for reason in watch.reasons] == [True]


def test_the_good_samples_of_an_array_and_of_a_frame_with_bad_ones_are_kept(watch):
    assert watch.deliver(b"[" + GOOD + b',{"pump":"B"},7,' + GOOD.replace(b'"A"', b'"C"') + b"]")["pump"].to_list() == [
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


def test_of_a_thousand_bad_samples_twenty_are_listed_and_the_rest_counted(watch):
    watch.deliver(b"\n".join([b'{"pump":"A","time":1}'] * 1000))
    assert len(watch.reasons) == 21
    assert watch.reasons[-1] == "and 980 more samples"
    watch.deliver(arrow(pump=[f"P{at}" for at in range(1000)], flow_ul_h=[9e9] * 1000))
    assert watch.reasons[-1] == "and 980 more samples"


UNKNOWN = {
    "JSON": lambda *pumps: b"\n".join(GOOD.replace(b'"A"', b'"%s"' % pump.encode()) for pump in pumps),
    "Arrow": lambda *pumps: arrow(pump=list(pumps)),
}
FORMS = pytest.mark.parametrize("form", UNKNOWN.values(), ids=UNKNOWN.keys())


@FORMS
def test_a_pump_that_is_not_in_the_birth_of_its_gateway_is_rejected(watch, form):
    watch.birth("A", "B")
    assert watch.deliver(form("A", "X", "B"))["pump"].to_list() == ["A", "B"]
    assert watch.reasons == ["unknown pump 'X': it is not in the birth of ward"]
    assert watch.snapshot().pumps["pump"].to_list() == ["A", "B"]


@FORMS
def test_samples_of_the_pump_of_another_gateway_are_rejected(watch, form):
    watch.birth("A")
    assert watch.deliver(form("A", "M"), gateway="mine")["pump"].to_list() == ["M"]
    assert watch.reasons == ["pump 'A' belongs to ward; mine must name it in a birth to take it over"]
    assert watch.deliver(form("A")).height == 1


@FORMS
def test_a_gateway_that_names_a_pump_in_its_birth_takes_it_over(watch, form):
    watch.birth("A", "B")
    assert watch.deliver(form("A", "B")).height == 2
    watch.birth("B", gateway="new")
    later = form("A", "B").replace(b"1767225600000", b"1767225660000")
    assert watch.deliver(later)["pump"].to_list() == ["A"]
    assert watch.reasons == ["pump 'B' belongs to new; ward must name it in a birth to take it over"]
    assert watch.deliver(form("B"), gateway="new")["pump"].to_list() == ["B"]


@FORMS
def test_of_many_unknown_pumps_twenty_are_listed_and_the_rest_counted(watch, form):
    watch.birth("A")
    watch.deliver(form("A", *(f"X{at}" for at in range(50))))
    assert len(watch.reasons) == 21
    assert watch.reasons[-1] == "and 30 more pumps"


def test_a_birth_taken_back_is_valid(watch):
    watch.birth("A")
    watch.deliver(b"", "birth")
    assert watch.reasons == []
    watch.deliver(b"", "status")
    assert watch.reasons == []
    watch.birth("A")
    assert watch.deliver(GOOD).height == 1


def test_samples_keep_their_order_of_arrival_over_forms(watch):
    later = [arrow(time=[START_MS + 60_000], flow_ul_h=[2]), GOOD.replace(b"1767225600000", b"1767225720000")]
    samples = watch.take([watch.message(GOOD), *(watch.message(payload) for payload in later)])
    assert samples["time"].to_list() == [START_MS, START_MS + 60_000, START_MS + 120_000]
    assert watch.snapshot().pumps.select("samples", "repeated").row(0) == (3, 0)


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from([GOOD, b"[" + GOOD + b"," + GOOD + b"]", arrow(flow_ul_h=[8.1], pump=["A"])]),
    places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    keep=st.integers(0, 10_000),
)
def test_however_a_payload_is_mutated_it_is_taken_or_rejected(form, places, keep):
    payload = bytearray(form)
    for place, value in places:
        payload[place % len(payload)] = value
    payload = payload[: keep % (2 * len(payload)) or None]
    inbox = Inbox(Registry(), Quarantine())
    batch = inbox.read([Message("itb/00/ward/telemetry", bytes(payload), 1, 1, retained=False)], START_MS)
    assert batch.samples.height or batch.rejected
    batch = inbox.read([Message("itb/00/good/telemetry", GOOD.replace(b'"A"', b'"Good"'), 1, 1, False)], START_MS)
    assert batch.samples.height == 1
