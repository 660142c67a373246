"""Outbox of a gateway: keeps order, counts what it drops, resends what did not arrive."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.gateway.outbox import WINDOW, Outbox, Parcel
from simulator.gateway.spool import Spool


def parcel(number: int, size: int = 10) -> Parcel:
    return Parcel(number.to_bytes(size, "big"), samples=25, stamp=1000 + number)


def send(box: Outbox, mid: int) -> int | None:
    found = box.next()
    if found is None:
        return None
    payload = box.payload(found)
    box.sent(mid)
    return int.from_bytes(payload, "big")


def test_the_first_goes_alone_and_the_rest_once_it_is_confirmed() -> None:
    box = Outbox(10_000)
    for number in range(200):
        box.put(parcel(number))
    assert send(box, 1) == 0
    assert box.next() is None
    box.confirmed(1, delivered=True)
    sent = [number for mid in range(2, 300) if (number := send(box, mid)) is not None]
    assert sent == list(range(1, 1 + WINDOW))


def test_what_was_on_its_way_when_the_connection_broke_goes_first_and_in_order() -> None:
    box = Outbox(10_000)
    for number in range(5):
        box.put(parcel(number))
    send(box, 1)
    box.confirmed(1, delivered=True)
    assert [send(box, mid) for mid in (2, 3)] == [1, 2]
    box.start_over()
    resent = []
    for mid in range(10, 14):
        resent.append(send(box, mid))
        box.confirmed(mid, delivered=True)
    assert resent == [1, 2, 3, 4]
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
    box.confirmed(1, delivered=False)
    assert (box.refused, box.waiting, box.bytes) == (25, 0, 0)


def test_the_confirmation_of_something_else_changes_nothing() -> None:
    box = Outbox(10_000)
    box.put(parcel(1))
    send(box, 1)
    box.confirmed(77, delivered=True)
    assert box.waiting == 25


def play(box: Outbox, steps: list[str], arrive: Callable[[int], object]) -> Iterator[str]:
    """Do one step after the other, and yield it; `arrive` hears what the broker confirms."""
    number, under_way = itertools.count(), collections.deque()
    for mid, step in enumerate(steps):
        if step == "put":
            box.put(parcel(next(number)))
        elif step == "send":
            found = send(box, mid)
            under_way.extend([] if found is None else [(mid, found)])
        elif step == "confirm" and under_way:
            first, found = under_way.popleft()
            box.confirmed(first, delivered=True)
            arrive(found)
        elif step == "break":
            box.start_over()
            under_way.clear()
        yield step


@given(st.lists(st.sampled_from(["put", "send", "confirm", "break"]), max_size=60))
def test_whatever_happens_everything_arrives_in_order_or_is_counted(steps: list[str]) -> None:
    box, arrived = Outbox(80), []
    collections.deque(play(box, [*steps, *["send", "confirm"] * 60], arrived.append), maxlen=0)
    assert arrived == sorted(set(arrived))
    assert len(arrived) * 25 + box.dropped == steps.count("put") * 25
    assert (box.waiting, box.bytes) == (0, 0)


def full(*numbers: int, **settings: object) -> Outbox:
    box = Outbox(10_000, **settings)  # type: ignore[arg-type]
    for number in numbers:
        box.put(parcel(number))
    return box


def deliver(box: Outbox, first_mid: int = 1) -> list[int]:
    """Let the broker take all that is to be sent."""
    arrived = []
    for mid in range(first_mid, first_mid + 1000):
        number = send(box, mid)
        if number is None:
            break
        arrived.append(number)
        box.confirmed(mid, delivered=True)
    return arrived


def test_what_the_broker_has_is_kept_until_the_processor_has_it_and_sent_again_if_the_broker_dies() -> None:
    box = full(0, 1, 2, 3, patient=True)
    assert deliver(box) == [0, 1, 2, 3]
    assert (box.waiting, box.samples) == (0, 100)
    box.durable(1001)
    assert box.samples == 50
    box.start_over()
    assert deliver(box, 100) == [2, 3]
    box.durable(1003)
    assert (box.samples, box.bytes) == (0, 0)


def test_nothing_is_kept_for_a_processor_that_never_said_a_word() -> None:
    box = full(0, 1)
    deliver(box)
    assert box.samples == 0
    box.durable(7)
    box.put(parcel(2))
    deliver(box, 50)
    assert box.samples == 25


def test_a_word_about_something_else_lets_nothing_go() -> None:
    box = full(0, 1, patient=True)
    deliver(box)
    for stamp in (5, 999, 1002, 10**15):
        box.durable(stamp)
    assert box.samples == 50


def test_what_is_durable_is_not_sent_again_though_it_waits() -> None:
    box = full(0, 1, 2, patient=True)
    deliver(box)
    box.start_over()
    box.durable(1001)
    assert deliver(box, 50) == [2]


def test_what_turns_out_durable_while_it_is_on_its_way_is_kept_no_longer_than_that() -> None:
    box = Outbox(10_000, patient=True)
    for number in range(3):
        box.put(parcel(number))
    send(box, 1)
    box.durable(1001)
    assert (box.samples, send(box, 2)) == (50, None)
    box.confirmed(1, delivered=True)
    assert (box.samples, send(box, 2)) == (25, 2)


def test_what_is_durable_is_not_sent_again_though_it_was_on_its_way() -> None:
    box = Outbox(10_000, patient=True)
    for number in range(3):
        box.put(parcel(number))
    send(box, 1)
    box.durable(1001)
    box.start_over()
    assert (box.samples, send(box, 2)) == (25, 2)


def test_what_the_broker_has_and_the_processor_has_not_is_bounded() -> None:
    box = full(0, 1, 2, 3, 4, patient=True, max_unconfirmed=30)
    assert deliver(box) == [0, 1, 2]
    assert (box.unconfirmed, box.waiting) == (30, 50)
    box.durable(1001)
    assert deliver(box, 2000) == [3, 4]
    box.start_over()
    assert box.unconfirmed == 0
    assert deliver(box, 3000) == [2, 3, 4]


def test_a_parcel_larger_than_that_bound_goes_alone() -> None:
    box = full(0, 1, patient=True, max_unconfirmed=5)
    assert deliver(box) == [0]
    box.durable(1000)
    assert deliver(box, 2000) == [1]


@given(st.lists(st.sampled_from(["put", "send", "confirm", "durable", "break"]), max_size=80))
def test_whatever_happens_no_more_than_that_is_unconfirmed_and_nothing_in_the_end(steps: list[str]) -> None:
    box, confirmed = Outbox(100, patient=True, max_unconfirmed=40), [0]
    for step in play(
        box, [*steps, *["send", "confirm", "durable"] * 100], lambda found: confirmed.append(1000 + found)
    ):
        if step == "durable":
            box.durable(confirmed[-1])
        assert 0 <= box.unconfirmed <= 40
    assert (box.samples, box.unconfirmed) == (0, 0)


def test_beyond_the_bound_what_the_broker_has_goes_first_and_is_not_counted_as_lost() -> None:
    box = full(0, 1, patient=True, max_samples=50)
    deliver(box)
    for number in (2, 3):
        box.put(parcel(number))
    assert (box.unsure, box.dropped) == (50, 0)
    box.put(parcel(4))
    assert (box.unsure, box.dropped, box.samples) == (50, 25, 50)
    assert deliver(box, 50) == [3, 4]


@pytest.fixture
def spooled(tmp_path: Path):
    """Return a function that begins a gateway's life on the same folder, the one before having been killed."""

    lives: list[Outbox] = []

    def begin(max_samples: int = 10_000) -> Outbox:
        lives.append(Outbox(10**9, max_samples, Spool(tmp_path / "gate"), patient=True))
        return lives[-1]

    yield begin
    for box in lives:
        box.close()


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "gate").iterdir())


def test_a_gateway_that_was_killed_sends_what_it_had_on_disk_first_and_in_order(spooled, tmp_path: Path) -> None:
    box = spooled()
    for number in range(5):
        box.put(parcel(number))
    deliver(box)
    box.durable(1001)
    restarted = spooled()
    assert restarted.waiting == 5 * 25
    assert restarted.last_stamp == 1004
    restarted.put(parcel(5))
    assert deliver(restarted) == [0, 1, 2, 3, 4, 5]
    restarted.durable(1005)
    assert (restarted.samples, restarted.bytes, files(tmp_path)) == (0, 0, [])


def test_files_go_when_all_in_them_is_durable(spooled, tmp_path: Path) -> None:
    box = spooled()
    for number in range(40):
        box.put(parcel(number, size=100_000))
    assert len(files(tmp_path)) == 4
    deliver(box)
    box.durable(1025)
    assert len(files(tmp_path)) == 2
    assert deliver(spooled())[-1] == 39


@pytest.mark.parametrize("cut", [1, 9, 25])
def test_a_parcel_that_was_cut_off_is_counted_and_those_before_it_are_sent(spooled, tmp_path: Path, cut: int) -> None:
    box = spooled()
    for number in range(3):
        box.put(parcel(number))
    [file] = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-cut])
    restarted = spooled()
    assert restarted.spool is not None
    assert restarted.spool.broken == 1
    restarted.put(parcel(9))
    assert deliver(restarted) == [0, 1, 9]


def test_beyond_its_bound_the_disk_keeps_the_newest(spooled, tmp_path: Path) -> None:
    box = spooled(max_samples=75)
    for number in range(5):
        box.put(parcel(number))
    assert box.dropped == 50
    assert deliver(spooled(max_samples=75)) == [2, 3, 4]


def test_while_the_disk_refuses_parcels_they_are_kept_in_memory(spooled, monkeypatch: pytest.MonkeyPatch) -> None:
    box = spooled()
    box.put(parcel(0))

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "keep", no_room)
        box.put(parcel(1))
    box.put(parcel(2))
    assert box.disk_refusals == 1
    assert deliver(box) == [0, 1, 2]
    box.durable(1002)
    assert box.samples == 0


def test_a_late_confirmation_lets_nothing_go_that_the_broker_lost_before_it() -> None:
    box = full(1, 2, 3)
    box.durable(99)
    assert deliver(box) == [1, 2, 3]
    # The broker had no subscriber for 1 and 2; the processor has 3, and asks to send again before it says so.
    box.send_again()
    box.durable(1003)
    assert deliver(box, 11) == [1, 2, 3]
    box.durable(1003)
    box.start_over()
    assert box.next() is None
    assert box.bytes == 0


def test_what_was_put_in_after_a_request_to_send_again_may_be_confirmed_at_once() -> None:
    box = full(1)
    box.send_again()
    box.put(parcel(2))
    assert deliver(box) == [1, 2]
    box.durable(1002)
    assert box.bytes == 0
