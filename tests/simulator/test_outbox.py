"""A gateway's outbox keeps order, lets nothing go unseen, and sends again what did not arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.outbox import WINDOW, Outbox, Parcel


def parcel(number: int, size: int = 10) -> Parcel:
    return Parcel(number.to_bytes(size, "big"), samples=25)


def send(box: Outbox, mid: int) -> int | None:
    found = box.next()
    if found is None:
        return None
    box.sent(mid)
    return int.from_bytes(found.payload, "big")


def test_the_first_goes_alone_and_the_rest_once_it_is_confirmed() -> None:
    box = Outbox(10_000)
    for number in range(200):
        box.put(parcel(number))
    assert send(box, 1) == 0
    assert box.next() is None
    box.confirmed(1, None)
    sent = [number for mid in range(2, 300) if (number := send(box, mid)) is not None]
    assert sent == list(range(1, 1 + WINDOW))


def test_what_was_on_its_way_when_the_connection_broke_goes_first_and_in_order() -> None:
    box = Outbox(10_000)
    for number in range(5):
        box.put(parcel(number))
    send(box, 1)
    box.confirmed(1, None)
    assert [send(box, mid) for mid in (2, 3)] == [1, 2]
    box.start_over()
    again = []
    for mid in range(10, 14):
        again.append(send(box, mid))
        box.confirmed(mid, None)
    assert again == [1, 2, 3, 4]
    assert (box.waiting, box.bytes, box.dropped) == (0, 0, 0)


def test_over_its_bound_it_lets_the_oldest_go_and_counts_their_samples() -> None:
    box = Outbox(max_bytes=30)
    for number in range(5):
        box.put(parcel(number))
    assert box.dropped == 2 * 25
    assert send(box, 1) == 2
    assert box.waiting == 3 * 25


def test_a_refused_parcel_is_counted_and_not_sent_again() -> None:
    box = Outbox(10_000)
    box.put(parcel(1))
    send(box, 1)
    box.confirmed(1, "Not authorized")
    assert (box.refused, box.waiting, box.bytes) == (25, 0, 0)


def test_the_confirmation_of_something_else_changes_nothing() -> None:
    box = Outbox(10_000)
    box.put(parcel(1))
    send(box, 1)
    box.confirmed(77, None)
    assert box.waiting == 25


@given(st.lists(st.sampled_from(["put", "send", "confirm", "break"]), max_size=60))
def test_whatever_happens_everything_arrives_in_order_or_is_counted(steps: list[str]) -> None:
    box, number, mid, arrived, under_way = Outbox(80), 0, 0, [], []
    for step in [*steps, *["send", "confirm"] * 60]:
        if step == "put":
            box.put(parcel(number))
            number += 1
        elif step == "send":
            mid += 1
            found = send(box, mid)
            under_way += [] if found is None else [(mid, found)]
        elif step == "confirm" and under_way:
            first, found = under_way.pop(0)
            box.confirmed(first, None)
            arrived.append(found)
        elif step == "break":
            box.start_over()
            under_way.clear()
    assert arrived == sorted(set(arrived))
    assert len(arrived) * 25 + box.dropped == number * 25
    assert (box.waiting, box.bytes) == (0, 0)
