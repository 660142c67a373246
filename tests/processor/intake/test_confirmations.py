"""Confirmations: each gateway learns which of its messages are durable, and nothing that was confirmed before."""

from __future__ import annotations

import msgspec
import pytest

from broker.contract.codec import ARROW_STREAM_MARK
from processor.intake.confirmations import Confirmations
from processor.intake.rates import GatewayRates, RateLimits
from processor.service import checkpoint, recovery
from processor.service.checkpoint_manifest import MANIFEST
from simulator.gateway.outbox import Outbox, Parcel


def due(confirmations: Confirmations) -> dict[str, int]:
    return {topic: msgspec.json.decode(payload)["sent"] for topic, payload in confirmations.due()}


def test_the_stamp_of_the_last_durable_message_is_confirmed_once(watch, json_sample):
    confirmations = Confirmations()
    watch.birth("A")
    watch.deliver(json_sample(seq=1, sent=1_790_000_000_001))
    progress = confirmations.progress(watch.pipeline.registry.gateways.order)
    watch.deliver(json_sample(seq=2, time=1_767_225_660_000, sent=1_790_000_000_002))
    assert due(confirmations) == {}
    confirmations.durable(progress)
    assert due(confirmations) == {"pumpwatch/confirmed/ward": 1_790_000_000_001}
    assert due(confirmations) == {}
    confirmations.durable(confirmations.progress(watch.pipeline.registry.gateways.order))
    assert due(confirmations) == {"pumpwatch/confirmed/ward": 1_790_000_000_002}


def test_a_gateway_that_redelivers_is_confirmed_again(watch, json_sample):
    confirmations = Confirmations()
    watch.birth("A")
    for _ in range(2):
        for seq in (1, 2):
            watch.deliver(json_sample(seq=seq, time=1_767_225_600_000 + 60_000 * seq, sent=1_790_000_000_000 + seq))
        confirmations.durable(confirmations.progress(watch.pipeline.registry.gateways.order))
        assert due(confirmations) == {"pumpwatch/confirmed/ward": 1_790_000_000_002}
        assert due(confirmations) == {}


def test_a_broker_that_delivers_an_earlier_message_last_does_not_hide_that_the_newest_is_durable(watch, json_sample):
    confirmations = Confirmations()
    watch.birth("A")
    for seq in (1, 2, 3, 2):
        watch.deliver(json_sample(seq=seq, time=1_767_225_600_000 + 60_000 * seq, sent=1_790_000_000_000 + seq))
    confirmations.durable(confirmations.progress(watch.pipeline.registry.gateways.order))
    stamps = [msgspec.json.decode(payload)["sent"] - 1_790_000_000_000 for _, payload in confirmations.due()]
    assert stamps == [2, 3]
    outbox = Outbox(10**6, patient=True)
    for seq in (1, 2, 3):
        outbox.put(Parcel(b"sample", 1, 1_790_000_000_000 + seq))
    for stamp in stamps:
        outbox.durable(1_790_000_000_000 + stamp)
    assert outbox.samples == 0


def totals(watch) -> list[dict[str, int]]:
    """What is confirmed now, with stamps counted from 1,790,000,000,000."""
    confirmations = Confirmations()
    confirmations.durable(confirmations.progress(watch.pipeline.registry.gateways.order))
    found = [msgspec.json.decode(payload) for _, payload in confirmations.due()]
    return [{name: value % 1_790_000_000_000 for name, value in each.items()} for each in found]


def test_a_confirmation_counts_the_messages_that_were_taken_each_once(watch, json_sample):
    watch.birth("A")
    for seq in (1, 2, 5):
        watch.deliver(json_sample(seq=seq, time=1_767_225_600_000 + 60_000 * seq, sent=1_790_000_000_000 + seq))
    assert totals(watch) == [{"sent": 5, "total": 3}]
    for seq in (2, 3):
        watch.deliver(json_sample(seq=seq, time=1_767_225_600_000 + 60_000 * seq, sent=1_790_000_000_000 + seq))
    assert totals(watch) == [{"sent": 3, "total": 3, "newest": 5}, {"sent": 5, "total": 3}]


@pytest.mark.parametrize("payload", [b"nonsense", b'{"pump":"A"}', ARROW_STREAM_MARK + b"cut off", b""])
def test_what_cannot_be_read_counts_with_the_next_message_that_can(watch, json_sample, payload):
    watch.birth("A")
    watch.deliver(json_sample(seq=1, sent=1_790_000_000_001))
    watch.deliver(payload)
    assert totals(watch) == [{"sent": 1, "total": 1}]
    watch.deliver(json_sample(seq=2, time=1_767_225_660_000, sent=1_790_000_000_003))
    assert totals(watch) == [{"sent": 3, "total": 3}]


def test_what_is_beyond_the_limit_of_a_gateway_or_ends_the_processor_counts_too(watch, json_sample, monkeypatch):
    def message(seq: int):
        return watch.message(json_sample(seq=seq, time=1_767_225_600_000 + 1_000 * seq, sent=1_790_000_000_000 + seq))

    watch.birth("A")
    monkeypatch.setattr("processor.intake.rates.CATCH_UP_S", 5)
    watch.pipeline.inbox.rates = GatewayRates(RateLimits(gateway_messages=2))
    watch.take([message(seq) for seq in range(1, 200)])
    [kept] = totals(watch)
    assert 0 < kept["sent"] == kept["total"] < 20
    watch.pipeline.quarantine_message(message(200), watch.now, "ends the processor")
    watch.pipeline.quarantine_message(watch.message(b"", "status"), watch.now, "ends the processor")
    watch.wait_s(5)
    watch.deliver(message(201).payload)
    assert totals(watch) == [{"sent": 201, "total": 201}]


def test_on_a_new_connection_everything_is_confirmed_again(watch, json_sample):
    confirmations = Confirmations()
    watch.birth("A")
    watch.deliver(json_sample(seq=1, sent=1_790_000_000_001))
    confirmations.durable(confirmations.progress(watch.pipeline.registry.gateways.order))
    assert due(confirmations)
    confirmations.republish()
    assert due(confirmations) == {"pumpwatch/confirmed/ward": 1_790_000_000_001}


def test_a_gateway_without_a_birth_or_without_stamps_is_not_confirmed(watch, json_sample):
    confirmations = Confirmations()
    watch.deliver(json_sample(pump="S", seq=1, sent=1_790_000_000_001), gateway="stranger")
    watch.birth("A")
    watch.deliver(json_sample(seq=1))
    confirmations.durable(confirmations.progress(watch.pipeline.registry.gateways.order))
    assert due(confirmations) == {}


def test_what_was_durable_before_a_restart_is_confirmed_after_it(watch, json_sample, tmp_path):
    watch.birth("A")
    watch.deliver(json_sample(seq=1, sent=1_790_000_000_001))
    recovery.save(tmp_path, watch.pipeline, watch.now)
    restored = recovery.restore(tmp_path)
    confirmations = Confirmations()
    confirmations.durable(confirmations.progress(restored.registry.gateways.order))
    assert due(confirmations) == {"pumpwatch/confirmed/ward": 1_790_000_000_001}


def test_the_count_goes_on_after_a_restart_and_begins_anew_after_a_version_that_had_none(watch, json_sample, tmp_path):
    watch.birth("A")
    for seq in (1, 2):
        watch.deliver(json_sample(seq=seq, time=1_767_225_600_000 + 60_000 * seq, sent=1_790_000_000_000 + seq))
    recovery.save(tmp_path, watch.pipeline, watch.now)
    manifest = tmp_path / checkpoint.DIRECTORY / MANIFEST
    older = msgspec.json.decode(manifest.read_bytes())
    watch.pipeline = recovery.restore(tmp_path)
    assert totals(watch) == [{"sent": 2, "total": 2}]
    for name in ("taken", "rejected"):
        del older["gateways"][0][name]
    manifest.write_bytes(msgspec.json.encode(older))
    watch.pipeline = recovery.restore(tmp_path)
    watch.deliver(json_sample(seq=3, time=1_767_225_780_000, sent=1_790_000_000_003))
    assert totals(watch) == [{"sent": 3, "total": 1}]


def test_how_late_the_latest_message_was_says_how_far_a_clock_is_off_and_redelivery_does_not(watch, json_sample):
    watch.birth("A")
    now = watch.now
    for seq, sent in ((1, now - 70), (2, now + 3_000), (1, now - 70)):
        watch.deliver(json_sample(seq=seq, sent=sent))
    [gateway] = watch.pipeline.registry.gateways.order
    assert gateway.delay_ms == watch.now - (now + 3_000)
    watch.deliver(json_sample(seq=3))
    assert gateway.delay_ms is None
