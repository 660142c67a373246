"""A message that ends the process is found by what was in hand when it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.mqtt.link import Message
from processor.service.in_hand import FILE, MAX_KEPT, RECORD, InHand, mark_of
from processor.service.message_log import Taken


def message(text: str) -> Message:
    return Message("itb/00/mine/telemetry", text.encode(), 1, 1, False)


MESSAGES = [message(text) for text in ("one", "two", "poison", "three")]
POISON = MESSAGES[2]


def taken(messages: list[Message]) -> Taken:
    return Taken(messages, 0, listening=True, readings=None, step_ms=5)


def texts(parts: list[Taken]) -> list[list[str]]:
    return [[each.payload.decode() for each in part.messages] for part in parts]


def dies_with(data: Path, messages: list[Message]) -> None:
    """A run that ends by force while it has these in hand."""
    InHand(data).hold(messages)


def test_after_a_clean_end_everything_is_taken_at_once(tmp_path: Path) -> None:
    first = InHand(tmp_path)
    with first.holding(MESSAGES):
        pass
    whole = taken(MESSAGES)
    assert InHand(tmp_path).parts(whole) == [whole]
    assert not InHand(tmp_path).suspicious(MESSAGES)
    assert not (tmp_path / RECORD).exists()


def test_what_was_in_hand_at_an_unclean_end_is_taken_one_by_one_and_in_order(tmp_path: Path) -> None:
    dies_with(tmp_path, MESSAGES[1:3])
    after = InHand(tmp_path)
    parts = after.parts(taken(MESSAGES))
    assert texts(parts) == [["one"], ["two"], ["poison"], ["three"]]
    assert [part.step_ms for part in parts] == [5, 0, 0, 0], "a clock that was set is followed once"
    for part in parts:
        with after.holding(part.messages):
            pass
    whole = taken(MESSAGES)
    assert after.parts(whole) == [whole], "they survived, so they are suspects no more"


def test_a_message_alone_in_hand_at_two_ends_is_guilty_for_ever_and_the_others_are_not(tmp_path: Path) -> None:
    dies_with(tmp_path, MESSAGES)
    dies_with(tmp_path, [POISON])
    assert InHand(tmp_path).guilty(MESSAGES) == []
    dies_with(tmp_path, [POISON])
    for _ in range(2):
        after = InHand(tmp_path)
        assert after.guilty(MESSAGES) == [POISON]
        assert texts(after.parts(taken(MESSAGES))) == [["one", "two", "three"]]
        assert texts(after.parts(taken([POISON]))) == [[]]


def test_one_that_survives_after_an_end_begins_anew(tmp_path: Path) -> None:
    dies_with(tmp_path, [POISON])
    with InHand(tmp_path).holding([POISON]):
        pass
    dies_with(tmp_path, [POISON])
    assert InHand(tmp_path).guilty([POISON]) == []


def test_an_error_that_is_raised_is_an_unclean_end(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), InHand(tmp_path).holding([POISON]):
        raise KeyboardInterrupt
    assert InHand(tmp_path).suspicious([POISON])


def test_long_messages_are_told_apart_by_length_and_ends() -> None:
    long = [message("a" + "x" * count + "z") for count in (5000, 5001)]
    assert len({mark_of(each) for each in [*long, message("b" + "x" * 5000 + "z")]}) == 3


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x05" + bytes(7) + b"x"])
def test_a_damaged_file_accuses_nobody_we_know(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / RECORD).write_bytes(content)
    assert not InHand(tmp_path).suspicious(MESSAGES)


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    for number in range(2 * MAX_KEPT):
        record = InHand(tmp_path)
        record._record.alone[number] = 1
        record.close()
    dies_with(tmp_path, [POISON])
    assert len(InHand(tmp_path)._record.alone) <= MAX_KEPT
