"""Signed messages: what is not exactly what was signed, for that topic and within a minute, is refused."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract import signed as module
from broker.contract.actions import Acknowledge
from broker.contract.commands import Stop
from broker.contract.messages import MessageError
from broker.contract.signed import Envelope, ForgedError, Keys, Signer, Verifier
from broker.contract.topics import COMMAND
from tests.signing import SIGNER, STRANGER, keys, signed, verifier

NOW = 1_790_000_000_000
TOPIC = "itb/00/ward/command"
STOP = Stop(id="7", pumps=["A"], who="anna", at=NOW)
MESSAGE = signed(TOPIC, STOP)


def reason(message: bytes, *, topic: str = TOPIC, now: int = NOW, by: Verifier | None = None) -> str:
    with pytest.raises(ForgedError) as refused:
        (by or verifier()).open(topic, message, now)
    return str(refused.value)


def test_what_was_signed_is_opened_byte_by_byte():
    opened = verifier().open(TOPIC, MESSAGE, NOW)
    assert msgspec.json.decode(opened.payload, type=Stop) == STOP
    assert not opened.repeated


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_a_change_of_any_byte_is_refused(place, change):
    damaged = bytearray(MESSAGE)
    damaged[place] ^= change
    with pytest.raises(MessageError):
        verifier().open(TOPIC, bytes(damaged), NOW)


@given(st.integers(0, len(MESSAGE)), st.binary(max_size=3), st.integers(0, 3))
def test_bytes_put_in_or_left_out_are_refused(place, inserted, left_out):
    damaged = MESSAGE[:place] + inserted + MESSAGE[place + left_out :]
    if damaged != MESSAGE:
        with pytest.raises(MessageError):
            verifier().open(TOPIC, damaged, NOW)


@given(st.text(max_size=60))
def test_a_message_for_one_topic_is_refused_on_every_other(topic):
    if topic != TOPIC:
        assert reason(MESSAGE, topic=topic) == "its signature does not fit topic and payload"


@given(st.integers(-(10**9), 10**9))
def test_a_message_is_accepted_for_a_minute_and_no_longer(age_ms):
    if -10_000 <= age_ms <= 60_000:
        assert verifier().open(TOPIC, MESSAGE, NOW + age_ms)
    else:
        assert reason(MESSAGE, now=NOW + age_ms).startswith("it was signed ")


def test_what_is_not_signed_is_refused_and_what_it_claims_is_kept():
    with pytest.raises(ForgedError, match="it is not signed") as refused:
        verifier().open(COMMAND, msgspec.json.encode(Acknowledge(id="9", alarms=[], who="engineer", at=NOW)), NOW)
    claim = refused.value.claim
    assert (claim.topic, claim.id, claim.who, claim.key) == (COMMAND, "9", "engineer", None)


def test_a_key_that_is_not_known_is_named():
    assert reason(signed(TOPIC, STOP, STRANGER)).startswith(f"its key '{STRANGER.public.id}' is unknown here")


def test_a_stranger_cannot_sign_under_the_id_of_a_known_key():
    envelope = json.loads(signed(TOPIC, STOP, STRANGER))
    forged = msgspec.json.encode(Envelope(**{**envelope, "key": SIGNER.public.id}))
    assert reason(forged) == "its signature does not fit topic and payload"


def test_without_keys_nothing_is_accepted():
    assert "is unknown here" in reason(MESSAGE, by=Verifier())


def test_an_action_in_nobodys_name_is_refused():
    assert reason(signed(TOPIC, Stop(id="7", pumps=["A"], at=NOW))) == "it does not say who acts"


def test_the_same_message_again_is_told_as_repeated_and_another_content_of_its_id_is_refused():
    receiver = verifier()
    assert [receiver.open(TOPIC, MESSAGE, NOW + wait).repeated for wait in (0, 1, 59_000)] == [False, True, True]
    other = signed(TOPIC, Stop(id="7", pumps=["A", "B"], who="anna", at=NOW))
    assert reason(other, by=receiver) == "id '7' was used before, with another content"
    assert receiver.refused == 1


def test_what_was_signed_before_the_receiver_started_is_refused():
    assert reason(MESSAGE, by=verifier(since=NOW + 1)) == "it was signed before this receiver started; send it again"


def test_more_messages_than_can_be_remembered_are_refused_until_the_minute_is_over(monkeypatch):
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    receiver = verifier()
    for name in "ab":
        receiver.open(TOPIC, signed(TOPIC, Stop(id=name, pumps=[], who="anna", at=NOW)), NOW)
    assert "were signed within a minute" in reason(MESSAGE, by=receiver)
    later = NOW + 80_000
    assert receiver.open(TOPIC, signed(TOPIC, Stop(id="c", pumps=[], who="anna", at=later)), later)


def test_a_replaced_key_is_valid_until_its_time_is_over():
    old = msgspec.structs.replace(SIGNER.public, until=NOW + 5_000)
    receiver = Verifier(lambda: Keys([Signer(bytes(32)).public, old]))
    assert receiver.open(TOPIC, MESSAGE, NOW + 5_000)
    assert "no longer valid" in reason(MESSAGE, now=NOW + 5_001, by=receiver)


def test_keys_survive_the_wire():
    assert msgspec.json.decode(msgspec.json.encode(keys()), type=Keys) == keys()
