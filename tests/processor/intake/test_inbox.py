"""A message that cannot be parsed is rejected with a reason, counted once, and never stops the next one."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.codec import encode_arrow
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.mqtt.link import Message
from processor.intake.inbox import Inbox
from processor.intake.quarantine import Quarantine
from processor.intake.registry import Registry
from tests.processor.intake.payloads import SAMPLE, START_MS, arrow, frame


def birth(gateway: str, *serials: str, **changes: object) -> bytes:
    return encode(
        Birth(
            **{"gateway": gateway, "pumps": Pumps(serial=list(serials)), "sent": START_MS, "time": START_MS, **changes}
        )
    )


NESTED = b"[" * 200_000
INVALID_PAYLOADS = {
    "an empty payload": (b"", "the payload is empty; send JSON in UTF-8, or an Arrow stream"),
    "a truncated sample": (SAMPLE[:-9], "truncated"),
    "text that is not JSON": (b"flow is 8.1", "not a JSON sample"),
    "a number where an object belongs": (b"8.1", "a number where an object belongs"),
    "text as a flow": (SAMPLE.replace(b"8.1", b'"much"'), "flow_ul_h is text ('much'); send a number, or null"),
    "a number as a pump": (SAMPLE.replace(b'"A"', b"7"), "pump is 7; send the serial number as text"),
    "no pump": (b'{"time":1767225600000}', "it has no pump"),
    "no time": (b'{"pump":"A"}', "it has no time"),
    "the literal Infinity": (SAMPLE.replace(b"8.1", b"Infinity"), "flow_ul_h is inf; send a number, or null"),
    "an infinite number": (SAMPLE.replace(b"8.1", b"1e999"), "flow_ul_h is inf; send a number, or null"),
    "a flow out of range": (SAMPLE.replace(b"8.1", b"1e7"), "flow_ul_h is 1e+07; allowed is -100 to 5000 µL/h"),
    "year 1900": (SAMPLE.replace(b"1767225600000", b'"1900-01-01T00:00:00Z"'), "time is -2208988800000; allowed is"),
    "a time too far ahead": (SAMPLE.replace(b"1767225600000", b"9999999999999"), "time is 9999999999999; allowed is"),
    "text that is not a time": (SAMPLE.replace(b"1767225600000", b'"yesterday"'), "time 'yesterday' is neither"),
    "a time without a zone": (SAMPLE.replace(b"1767225600000", b'"2026-01-01T00:00:00"'), "has no time zone"),
    "a negative count": (SAMPLE.replace(b'"seq":1', b'"seq":-1'), "seq is -1; allowed is 0 to"),
    "an invalid pump name": (SAMPLE.replace(b'"A"', b'"../etc"'), "pump is '../etc'; allowed is 1 to 64"),
    "invalid UTF-8": (SAMPLE.replace(b"A", b"\xc3\x28"), "not a JSON sample"),
    "arbitrary bytes": (b"\x00\x01\x02\xfe", "not a JSON sample"),
    "deeply nested arrays": (NESTED, "nested more than 64 deep"),
    "a deeply nested extra field": (SAMPLE[:-1] + b',"x":' + NESTED + b"}", "nested more than 64 deep"),
    "10 MB of JSON": (b" " * 10_000_000 + SAMPLE, "10,000,057 bytes in one payload; the limit is 4,194,304"),
    "10 MB of Arrow": (b"\xff" * 10_000_000, "10,000,000 bytes in one payload; the limit is 4,194,304"),
    "an empty array": (b"[ ]", "an empty array"),
    "an empty Arrow frame": (encode_arrow(frame().clear()), "an empty Arrow frame"),
    "a truncated Arrow frame": (arrow(flow_ul_h=[8.1])[:400], "the Arrow stream is truncated"),
    "only the marker of an Arrow frame": (b"\xff\xff\xff\xff", "its metadata is damaged or truncated"),
    "an Arrow frame without pumps": (encode_arrow(frame().drop("time", "pump")), "has no column pump, time"),
    "an Arrow frame of other types": (
        encode_arrow(frame().with_columns(pl.lit("much").alias("flow_ul_h"))),
        "flow_ul_h is text ('much'); send a number, or null",
    ),
    "infinity inside an Arrow frame": (arrow(battery_v=[float("inf")]), "battery_v is inf; allowed is 0 to 6 V"),
    "the year 1900 inside an Arrow frame": (arrow(time=[-2_208_988_800_000]), "time is -2208988800000; allowed is"),
    "no pump name inside an Arrow frame": (arrow(pump=[None]), "pump is None; allowed is 1 to 64"),
}  # fmt: skip


@pytest.mark.parametrize(("payload", "reason"), INVALID_PAYLOADS.values(), ids=INVALID_PAYLOADS.keys())
def test_an_invalid_payload_is_rejected_and_the_next_valid_one_is_accepted(watch, payload, reason):
    assert watch.deliver(payload).height == 0
    assert len(watch.reasons) == watch.pipeline.quarantine.count == 1
    assert reason in watch.reasons[0]
    rejection = watch.results[-1].rejected[0]
    assert (rejection.topic, rejection.at) == ("itb/00/ward/telemetry", watch.now)
    assert len(rejection.excerpt) < 700
    assert watch.deliver(SAMPLE)["flow_ul_h"].to_list() == [pytest.approx(8.1)]
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
def test_a_message_on_an_invalid_topic_is_rejected(watch, topic, reason):
    watch.take([Message(topic, SAMPLE, 1, 1, retained=False), watch.message(SAMPLE)])
    assert [reason in found for found in watch.reasons] == [True]
    assert watch.snapshot().pumps.height == 1


INVALID_MESSAGES = {
    "birth": [
        (b"{", "not a birth: Input data was truncated"),
        (birth("other", "A"), "the birth of 'other' was published on the topic of 'ward'"),
        (birth("ward", "A", "A"), "the birth names a pump twice"),
        (birth("ward", "A", "B/C"), "'B/C' cannot be a name"),
        (birth("ward", "A", pumps=Pumps(serial=["A"], model=["x", "y"])), "names 1 pumps but has 2 of model"),
        (birth("ward", "A", speed=0), "speed is 0; allowed is 0.1"),
        (birth("ward", "A", interval_s=-1), "interval_s is -1; allowed is 0.001"),
    ],
    "status": [
        (b'{"gateway":"ward","state":"asleep","sent":1767225600000}', "Invalid enum value 'asleep'"),
        (
            b'{"gateway":"other","state":"offline","sent":1767225600000}',
            "the status of 'other' was published on the topic of 'ward'",
        ),
    ],
}


@pytest.mark.parametrize(
    ("leaf", "payload", "reason"), [(leaf, *case) for leaf, cases in INVALID_MESSAGES.items() for case in cases]
)
def test_an_invalid_birth_or_status_is_rejected(watch, leaf, payload, reason):
    watch.deliver(payload, leaf)
    assert [reason in found for found in watch.reasons] == [True]
    assert watch.deliver(SAMPLE).height == 1


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


def test_an_empty_birth_or_status_that_clears_a_retained_one_is_valid(watch):
    watch.birth("A")
    watch.deliver(b"", "birth")
    assert watch.reasons == []
    watch.deliver(b"", "status")
    assert watch.reasons == []
    watch.birth("A")
    assert watch.deliver(SAMPLE).height == 1


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from([SAMPLE, b"[" + SAMPLE + b"," + SAMPLE + b"]", arrow(flow_ul_h=[8.1], pump=["A"])]),
    places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    keep=st.integers(0, 10_000),
)
def test_a_mutated_payload_is_accepted_or_rejected_and_never_stops_the_next_one(form, places, keep):
    payload = bytearray(form)
    for place, value in places:
        payload[place % len(payload)] = value
    payload = payload[: keep % (2 * len(payload)) or None]
    inbox = Inbox(Registry(), Quarantine())
    batch = inbox.read([Message("itb/00/ward/telemetry", bytes(payload), 1, 1, retained=False)], START_MS)
    assert batch.samples.height or batch.rejected
    batch = inbox.read([Message("itb/00/good/telemetry", SAMPLE.replace(b'"A"', b'"Good"'), 1, 1, False)], START_MS)
    assert batch.samples.height == 1
