"""Gateways are told what is durable, each only what is news to it."""

from __future__ import annotations

import msgspec

from processor.intake.confirmations import Confirmations


def told(receipts: Confirmations) -> dict[str, int]:
    return {topic: msgspec.json.decode(payload)["sent"] for topic, payload in receipts.news()}


def test_a_gateway_is_told_the_stamp_of_its_last_message_that_is_durable_and_once(watch, json_sample):
    receipts = Confirmations()
    watch.birth("A")
    watch.say(json_sample(seq=1, sent=1_790_000_000_001))
    standing = receipts.standing(watch.pipeline.registry.gateways)
    watch.say(json_sample(seq=2, time=1_767_225_660_000, sent=1_790_000_000_002))
    assert told(receipts) == {}
    receipts.durable(standing)
    assert told(receipts) == {"pumpwatch/confirmed/ward": 1_790_000_000_001}
    assert told(receipts) == {}
    receipts.durable(receipts.standing(watch.pipeline.registry.gateways))
    assert told(receipts) == {"pumpwatch/confirmed/ward": 1_790_000_000_002}


def test_who_sends_again_has_not_heard_and_is_told_again(watch, json_sample):
    receipts = Confirmations()
    watch.birth("A")
    for _ in range(2):
        for seq in (1, 2):
            watch.say(json_sample(seq=seq, time=1_767_225_600_000 + 60_000 * seq, sent=1_790_000_000_000 + seq))
        receipts.durable(receipts.standing(watch.pipeline.registry.gateways))
        assert told(receipts) == {"pumpwatch/confirmed/ward": 1_790_000_000_002}
        assert told(receipts) == {}


def test_on_a_new_connection_everything_is_told_again(watch, json_sample):
    receipts = Confirmations()
    watch.birth("A")
    watch.say(json_sample(seq=1, sent=1_790_000_000_001))
    receipts.durable(receipts.standing(watch.pipeline.registry.gateways))
    assert told(receipts)
    receipts.forget_told()
    assert told(receipts) == {"pumpwatch/confirmed/ward": 1_790_000_000_001}


def test_strangers_that_never_introduced_themselves_or_stamp_nothing_are_told_nothing(watch, json_sample):
    receipts = Confirmations()
    watch.say(json_sample(pump="S", seq=1, sent=1_790_000_000_001), gateway="stranger")
    watch.birth("A")
    watch.say(json_sample(seq=1))
    receipts.durable(receipts.standing(watch.pipeline.registry.gateways))
    assert told(receipts) == {}


def test_what_was_durable_before_a_restart_is_told_after_it(watch, json_sample):
    watch.birth("A")
    watch.say(json_sample(seq=1, sent=1_790_000_000_001))
    watch.pipeline.save(watch.now)
    again = type(watch)(type(watch.pipeline)(watch.pipeline.data))
    again.pipeline.restore()
    receipts = Confirmations()
    receipts.durable(receipts.standing(again.pipeline.registry.gateways))
    assert told(receipts) == {"pumpwatch/confirmed/ward": 1_790_000_000_001}
