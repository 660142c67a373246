"""A busy processor decodes the next batch beside the one it judges; order and content stay the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from broker.contract.sample_checks import Decoded
from broker.mqtt.link import Message
from processor.intake.delivery_order import NEWEST_SCHEMA
from processor.intake.message_queue import MessageQueue
from processor.service.batches import Batches, Frames
from processor.service.in_hand import FILE, InHand
from processor.service.redelivery import Redelivery

BATCH_BYTES = 100


def queue_of(count: int) -> MessageQueue:
    queue = MessageQueue(10_000, 10**6, BATCH_BYTES)
    queue.receive([Message("itb/00/mine/telemetry", bytes(BATCH_BYTES), mid, 1, False) for mid in range(count)])
    return queue


class Decoder:
    def __init__(self, poison: int | None = None) -> None:
        self.decoded: list[list[int]] = []
        self.poison = poison

    def __call__(self, messages: Sequence[Message]) -> Frames:
        mids = [message.mid for message in messages]
        self.decoded.append(mids)
        if self.poison in mids:
            raise ValueError("cannot be decoded")
        return [None] * len(messages)


async def test_with_little_to_do_nothing_is_decoded_ahead(tmp_path: Path) -> None:
    decoder = Decoder()
    queued, frames = await Batches(queue_of(1), decoder, InHand(tmp_path)).next()
    assert (len(queued.messages), frames, decoder.decoded) == (1, None, [])


async def test_under_load_every_message_comes_once_and_in_order_with_its_frames(tmp_path: Path) -> None:
    decoder = Decoder()
    batches = Batches(queue_of(30), decoder, InHand(tmp_path))
    mids: list[int] = []
    while len(mids) < 30:
        queued, frames = await batches.next()
        if frames is not None:
            assert len(frames) == len(queued.messages)
        mids += [message.mid for message in queued.messages]
    assert mids == list(range(30))
    assert len(decoder.decoded) > 1


async def test_the_batch_after_is_decoded_while_the_one_before_is_judged(tmp_path: Path) -> None:
    decoder = Decoder()
    batches = Batches(queue_of(12), decoder, InHand(tmp_path))
    queued, _ = await batches.next()
    first_of_next = queued.messages[-1].mid + 1
    following, frames = await batches.next()
    assert following.messages[0].mid == first_of_next
    assert frames is not None, "it was decoded ahead"


@pytest.mark.parametrize("poison", [0, 7])
async def test_a_batch_that_cannot_be_decoded_ahead_is_handed_over_undecoded(poison: int, tmp_path: Path) -> None:
    batches = Batches(queue_of(12), Decoder(poison), InHand(tmp_path))
    by_first: dict[int, bool] = {}
    seen = 0
    while seen < 12:
        queued, frames = await batches.next()
        mids = [message.mid for message in queued.messages]
        seen += len(mids)
        by_first[mids[0]] = frames is None
        if poison in mids:
            assert frames is None, "the guard isolates the message when the batch is judged"
    assert any(by_first.values())


async def test_what_was_decoded_ahead_of_a_stop_is_no_suspect_at_the_next_start(tmp_path: Path) -> None:
    queue, in_hand = queue_of(30), InHand(tmp_path)
    batches = Batches(queue, Decoder(), in_hand)
    queued, _ = await batches.next()
    with in_hand.holding(queued.messages):
        pass
    marks = tmp_path / FILE
    assert any(marks.read_bytes()[:8]), "the one after is in hand"
    await batches.end()
    assert not any(marks.read_bytes()[:8])
    in_hand.close()
    assert not InHand(tmp_path).suspicious(queue_of(30).take().messages)


async def test_beside_a_suspect_nothing_is_decoded_ahead(tmp_path: Path) -> None:
    before = InHand(tmp_path)
    before.hold([message for message in queue_of(8).take().messages if message.mid in {0, 1}])
    decoder = Decoder()
    batches = Batches(queue_of(30), decoder, InHand(tmp_path))
    await batches.next()
    await batches.next()
    assert decoder.decoded == []


async def test_messages_ahead_of_earlier_ones_wait_until_these_came_or_the_time_is_over(tmp_path: Path) -> None:
    queue = MessageQueue(10_000, 10**6, 10**6)
    known = pl.DataFrame([("P-1", 1, 3)], NEWEST_SCHEMA, orient="row")
    now, asked = [0.0], []
    redelivery = Redelivery(lambda: 0.0, 5.0, lambda: asked.append(now[0]), lambda: now[0])
    batches = Batches(queue, lambda each: [None] * len(each), InHand(tmp_path), redelivery, lambda: known)

    def deliver(seq: int, mid: int) -> None:
        at = 1_790_000_000_000 + seq
        payload = f'{{"pump":"P-1","time":{at},"sent":{at},"seq":{seq},"boot":1}}'.encode()
        queue.receive([Message("itb/00/mine/telemetry", payload, mid, 1, False)])

    async def taken() -> list[int]:
        queued, _ = await batches.next()
        queue.taken(queued)
        return [message.mid for message in queued.messages]

    deliver(6, mid=1)
    assert await taken() == []
    assert queue.unacknowledged == 0
    assert queue.waiting_bytes > 0
    deliver(4, mid=2)
    deliver(5, mid=3)
    assert await taken() == [2, 3, 1]
    assert queue.durable() == (0, [2, 3, 1])
    assert not asked
    deliver(9, mid=4)
    now[0] = 7.0
    assert await taken() == []
    assert asked == [7.0], "the broker does not have it"
    now[0] = 10.0
    assert await taken() == [4]


async def test_newer_messages_wait_for_those_that_were_in_hand_when_the_last_run_was_killed(tmp_path: Path) -> None:
    def message(seq: int) -> Message:
        return Message("itb/00/mine/telemetry", b"%d" % seq, seq, 1, False)

    def decode(messages: Sequence[Message]) -> Frames:
        decoded.append([each.mid for each in messages])
        columns = ("pump", "boot", "seq", "sent")
        rows = [pl.DataFrame([("P-1", 1, each.mid, each.mid)], columns, orient="row") for each in messages]
        return [Decoded(row) for row in rows]

    async def taken() -> list[int]:
        queued, _ = await batches.next()
        return [each.mid for each in queued.messages]

    decoded: list[list[int]] = []
    killed = InHand(tmp_path)
    killed.hold([message(4), message(5)])
    killed.close()
    known = pl.DataFrame([("P-1", 1, 3)], NEWEST_SCHEMA, orient="row")
    queue = MessageQueue(10_000, 10**6, 10**6)
    batches = Batches(
        queue, decode, InHand(tmp_path), Redelivery(lambda: 0.0, 5.0, lambda: None, lambda: 0.0), lambda: known
    )
    queue.receive([message(6), message(5)])
    assert await taken() == []
    queue.receive([message(4)])
    assert await taken() == [4, 5, 6]
    assert decoded == [[6], [5], [6], [5], [4]], "what may have killed it is decoded alone"
    assert batches.in_hand.suspicious([message(4)]), "until it was judged"


async def test_messages_of_an_ended_session_that_waited_are_not_acknowledged_in_the_next(tmp_path: Path) -> None:
    queue = MessageQueue(10_000, 10**6, 10**6)
    queue.receive(
        [Message("itb/00/mine/telemetry", b"a", 1, 1, False), Message("itb/00/mine/status", b"b", 2, 1, False)]
    )
    queue.taken(queue.put_back(queue.take(), [1], [0]))
    assert queue.durable() == (0, [2])
    queue.end_session()
    topic = "itb/00/mine/telemetry"
    queue.receive([Message(topic, b"c", 1, 1, False)])
    queued = queue.put_back(queue.take(), [1, 0], [])
    assert [message.payload for message in queued.messages] == [b"c", b"a"]
    queue.taken(queued)
    assert queue.durable() == (1, []), "the broker delivers the one of the new session once more"
