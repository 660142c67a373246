"""Messages between the broker and the pipeline keep their order, their bounds and their session."""

from __future__ import annotations

from broker.mqtt.link import Message
from processor.intake.message_queue import Intake


def message(mid: int, size: int = 10) -> Message:
    return Message("itb/00/a/telemetry", b"x" * size, mid, 1, retained=False)


def intake(messages: int = 100, max_bytes: int = 1000, batch_bytes: int = 500) -> Intake:
    return Intake(messages, max_bytes, batch_bytes)


def fill(box: Intake, *mids: int) -> None:
    for mid in mids:
        box.receive(message(mid))


def mids(messages: list[Message]) -> list[int]:
    return [each.mid for each in messages]


def test_what_is_in_the_state_is_acknowledged_once_and_in_order() -> None:
    box = intake()
    fill(box, 1, 2, 3)
    assert box.durable()[1] == []
    box.taken(box.take())
    fill(box, 4)
    session, safe = box.durable()
    assert mids(safe) == [1, 2, 3]
    assert box.acknowledged(session, safe)
    assert box.durable()[1] == []
    box.taken(box.take())
    assert mids(box.durable()[1]) == [4]


def test_what_an_ended_session_brought_is_read_but_never_acknowledged_on_the_next() -> None:
    box = intake()
    fill(box, 1, 2)
    box.taken(box.take())
    session, safe = box.durable()
    fill(box, 3)
    box.end_session()
    fill(box, 1)
    came = box.take()
    assert [each.mid for _, each in came] == [3, 1]
    box.taken(came)
    assert not box.acknowledged(session, safe)
    assert mids(box.durable()[1]) == [1]


def test_with_no_room_left_everything_later_stays_with_the_broker_until_a_new_session() -> None:
    box = intake(max_bytes=25)
    fill(box, 1, 2, 3)
    assert box.overflows == 1
    assert not box.must_fetch
    came = box.take()
    fill(box, 4)
    assert [each.mid for _, each in came] == [1, 2]
    assert box.take() == []
    assert box.overflows == 2
    assert box.must_fetch
    box.end_session()
    fill(box, 3, 4)
    assert [each.mid for _, each in box.take()] == [3, 4]
    assert not box.must_fetch


def test_the_number_of_messages_is_bounded_as_well() -> None:
    box = intake(messages=2)
    fill(box, 1, 2, 3)
    assert len(box.take()) == 2


def test_a_batch_is_called_for_when_enough_bytes_wait() -> None:
    box = intake(batch_bytes=20)
    fill(box, 1)
    assert not box.arrived.is_set()
    fill(box, 2)
    assert box.arrived.is_set()
