"""A busy processor decodes the next batch beside the one it judges; order and content stay the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from broker.mqtt.link import Message
from processor.intake.message_queue import MessageQueue
from processor.service.batches import Batches, Frames

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


async def test_with_little_to_do_nothing_is_decoded_ahead() -> None:
    decoder = Decoder()
    queued, frames = await Batches(queue_of(1), decoder).next()
    assert (len(queued.messages), frames, decoder.decoded) == (1, None, [])


async def test_under_load_every_message_comes_once_and_in_order_with_its_frames() -> None:
    decoder = Decoder()
    batches = Batches(queue_of(30), decoder)
    mids: list[int] = []
    while len(mids) < 30:
        queued, frames = await batches.next()
        if frames is not None:
            assert len(frames) == len(queued.messages)
        mids += [message.mid for message in queued.messages]
    assert mids == list(range(30))
    assert len(decoder.decoded) > 1


async def test_the_batch_after_is_decoded_while_the_one_before_is_judged() -> None:
    decoder = Decoder()
    batches = Batches(queue_of(12), decoder)
    queued, _ = await batches.next()
    first_of_next = queued.messages[-1].mid + 1
    following, frames = await batches.next()
    assert following.messages[0].mid == first_of_next
    assert frames is not None, "it was decoded ahead"


@pytest.mark.parametrize("poison", [0, 7])
async def test_a_batch_that_cannot_be_decoded_ahead_is_handed_over_undecoded(poison: int) -> None:
    batches = Batches(queue_of(12), Decoder(poison))
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
