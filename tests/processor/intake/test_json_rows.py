"""JSON messages that are read together give exactly what they give one by one."""

from __future__ import annotations

from unittest.mock import patch

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.codec import PlainSamples
from broker.contract.gateway_messages import Birth, Pumps, Status
from broker.contract.messages import encode
from broker.mqtt.link import Message
from broker.store.snapshot import Refusal
from processor.engine.sequence import REDELIVERED
from processor.intake import json_rows
from processor.intake.inbox import Inbox
from processor.intake.quarantine import Quarantine
from processor.intake.registry import Registry
from tests.processor.intake.payloads import SAMPLE, START_MS, arrow

GATEWAYS = ("one", "two", "three")
PUMPS = ("A", "B", "C", "D")


def message(payload: bytes, gateway: str = "one", leaf: str = "telemetry", shard: int = 0) -> Message:
    return Message(f"itb/{shard:02d}/{gateway}/{leaf}", payload, 1, 1, retained=False)


def sample(pump: str = "A", **values: object) -> bytes:
    return msgspec.json.encode({"pump": pump, "time": START_MS, **values})


def birth(gateway: str, pumps: tuple[str, ...]) -> Message:
    content = Birth(gateway=gateway, pumps=Pumps(serial=list(pumps)), sent=START_MS, time=START_MS)
    return message(encode(content), gateway, "birth")


def status(gateway: str, state: str) -> Message:
    return message(encode(Status(gateway=gateway, state=state, sent=START_MS)), gateway, "status")


class State(msgspec.Struct):
    """What was read, and all that reading changed."""

    samples: pl.DataFrame
    rejected: tuple[Refusal, ...]
    gateways: list[object]
    pumps: pl.DataFrame


def read(batches: list[list[Message]], *, together: bool) -> list[State]:
    inbox, states = Inbox(Registry(), Quarantine()), []
    one_by_one = patch.object(json_rows.codec, "plain_samples", lambda _: PlainSamples())
    short_runs = patch.multiple(json_rows, MIN_RUN=2, MAX_RUN=5)
    with short_runs if together else one_by_one:
        for at, messages in enumerate(batches):
            batch = inbox.read(messages, START_MS + 100_000 * at)
            registry = inbox.registry
            gateways = [msgspec.to_builtins(gateway) for gateway in registry.gateways.order]
            states.append(State(batch.samples, batch.rejected, gateways, registry.facts()))
    return states


def check_the_same(batches: list[list[Message]]) -> list[State]:
    together = read(batches, together=True)
    for found, expected in zip(together, read(batches, together=False), strict=True):
        assert found.samples.equals(expected.samples)
        assert found.rejected == expected.rejected
        assert found.gateways == expected.gateways
        assert found.pumps.equals(expected.pumps)
    return together


payloads = st.one_of(
    st.builds(
        sample,
        st.sampled_from(PUMPS),
        sent=st.one_of(st.none(), st.integers(START_MS, START_MS + 5)),
        seq=st.integers(0, 5),
    ),
    st.sampled_from(
        [
            SAMPLE,
            SAMPLE[:-1] + b',"seq":2}',
            SAMPLE + b"," + SAMPLE,
            SAMPLE + SAMPLE,
            SAMPLE + b"\n" + SAMPLE.replace(b"A", b"B"),
            b"[" + SAMPLE + b"]",
            SAMPLE[:-1] + b',"x":[{}',
            b"{}]}",
            SAMPLE.replace(b'"A"', b'"}"'),
            SAMPLE.replace(b'"A"', b'"no name"'),
            SAMPLE.replace(b"1767225600000", b'"2026-01-01T00:00:00Z"'),
            SAMPLE.replace(b"1767225600000", b"4000000000000"),
            SAMPLE.replace(b"8.1", b'"8.1"'),
            SAMPLE.replace(b"8.1", b"1e9"),
            arrow(pump=["C"]),
            arrow(flow_ul_h=[1e9]),
        ]
    ),
)
any_message = st.one_of(
    st.builds(
        message, payloads, st.sampled_from((*GATEWAYS, "a b")), st.just("telemetry"), st.sampled_from([0, 0, 0, 7])
    ),
    st.builds(birth, st.sampled_from(GATEWAYS), st.sampled_from([PUMPS, PUMPS[:2], ()])),
    st.builds(status, st.sampled_from(GATEWAYS), st.sampled_from(["online", "offline"])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(any_message, max_size=12), min_size=1, max_size=4))
def test_any_messages_give_together_what_they_give_one_by_one(batches) -> None:
    check_the_same(batches)


def test_a_run_of_plain_samples_keeps_order_redeliveries_and_gateways() -> None:
    def run(first: int) -> list[Message]:
        return [
            message(sample(pump, sent=START_MS + number, seq=number), gateway)
            for number in range(first, first + 20)
            for gateway, pump in (("one", "A"), ("two", "B"), ("one", "C"))
        ]

    born = [birth("one", ("A", "C")), birth("two", ("B",))]
    states = check_the_same([born, run(0), [*run(10), *born, *run(30)]])
    # Of two messages with one stamp the second is redelivered, and so is what has an older stamp.
    assert states[1].samples[REDELIVERED].sum() == 20
    assert states[2].samples[REDELIVERED].sum() == 10 * 3 + 10 + 20
    assert states[2].samples["pump"].to_list() == [0, 2, 1] * 40
    assert states[2].rejected == ()


POISON = {
    "a sample cut off inside of a text": SAMPLE[:9],
    "an array that only a later message closes": SAMPLE[:-1] + b',"x":[{}',
    "two samples where one belongs": SAMPLE + b"," + SAMPLE,
    "a key twice": SAMPLE[:-1] + b',"seq":2}',
    "a text that only a later message closes": b'{"time":1,"pump":"}',
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_poison_among_many_is_rejected_alone_with_its_topic_and_reason(poison) -> None:
    good = [message(sample("B", seq=number), "two") for number in range(40)]
    batch = [*good[:20], message(poison), *good[20:], message(b"{}]}")]
    [state] = check_the_same([batch])
    assert state.samples["seq"].to_list()[:20] == list(range(20))
    assert state.samples.filter(pl.col("pump") == 0)["seq"].to_list() == list(range(40))
    assert {rejection.topic for rejection in state.rejected} == {"itb/00/one/telemetry"}
    assert all(rejection.reason for rejection in state.rejected)
