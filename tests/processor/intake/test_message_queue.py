"""Message queue: keeps the order of messages, its capacity limits, and the session of each message."""

from __future__ import annotations

import math
import time

from broker.mqtt.link import Message
from processor.intake.message_queue import CATCH_UP_BATCHES, MessageQueue, Queued


def message(mid: int, size: int = 10) -> Message:
    return Message("itb/00/a/telemetry", b"x" * size, mid, 1, retained=False)


def queue_of(messages: int = 100, max_bytes: int = 1000, batch_bytes: int = 500) -> MessageQueue:
    return MessageQueue(messages, max_bytes, batch_bytes)


def fill(queue: MessageQueue, *mids: int) -> None:
    queue.receive([message(mid) for mid in mids])


def mids(taken: Queued) -> list[int]:
    return [each.mid for each in taken.messages]


def test_durable_messages_are_acknowledged_once_and_in_order() -> None:
    queue = queue_of()
    fill(queue, 1, 2, 3)
    assert queue.durable()[1] == []
    queue.taken(queue.take())
    fill(queue, 4)
    session, durable = queue.durable()
    assert durable == [1, 2, 3]
    assert queue.acknowledged(session, durable)
    assert queue.durable()[1] == []
    queue.taken(queue.take())
    assert queue.durable()[1] == [4]


def test_messages_of_an_ended_session_are_processed_but_never_acknowledged_in_the_next() -> None:
    queue = queue_of()
    fill(queue, 1, 2)
    queue.taken(queue.take())
    session, durable = queue.durable()
    fill(queue, 3)
    queue.end_session()
    fill(queue, 1)
    taken = queue.take()
    assert mids(taken) == [3, 1]
    queue.taken(taken)
    assert not queue.acknowledged(session, durable)
    assert queue.durable()[1] == [1]


def test_a_full_queue_says_so_until_its_messages_are_taken_and_keeps_all_that_were_read() -> None:
    queue = queue_of(max_bytes=25)
    fill(queue, 1, 2)
    assert not queue.full
    fill(queue, 3, 4)
    fill(queue, 5)
    assert queue.full
    assert queue.overflows == 1
    assert queue.arrived.is_set()
    assert mids(queue.take()) == [1, 2, 3, 4, 5]
    assert not queue.full
    fill(queue, 6, 7, 8)
    assert queue.overflows == 2


def test_the_number_of_messages_is_limited_too() -> None:
    queue = queue_of(messages=2)
    fill(queue, 1)
    assert not queue.full
    fill(queue, 2)
    assert queue.full


def test_a_batch_is_due_when_enough_bytes_are_waiting() -> None:
    queue = queue_of(batch_bytes=20)
    fill(queue, 1)
    assert not queue.arrived.is_set()
    fill(queue, 2)
    assert queue.arrived.is_set()


def test_a_batch_says_since_when_its_first_message_waits() -> None:
    queue = queue_of()
    assert queue.take().since == math.inf
    began = time.monotonic()
    fill(queue, 1)
    received = time.monotonic()
    fill(queue, 2)
    assert began <= queue.take().since <= received
    fill(queue, 3)
    assert queue.take().since >= received


def test_of_much_that_waits_only_so_much_is_taken_as_one_batch_and_the_others_are_the_next() -> None:
    queue = queue_of(batch_bytes=25 // CATCH_UP_BATCHES)
    fill(queue, 1, 2, 3, 4)
    queue.end_session()
    fill(queue, 5, 6)
    queue.arrived.clear()
    first = queue.take()
    assert (mids(first), first.own, queue.waiting_bytes) == ([1, 2, 3], 3, 30)
    assert queue.arrived.is_set()
    second = queue.take()
    assert (mids(second), second.own) == ([4, 5, 6], 1)
    queue.taken(first)
    queue.taken(second)
    assert queue.durable()[1] == [5, 6]
    queue.arrived.clear()
    assert mids(queue.take()) == []
    assert not queue.arrived.is_set()
