"""Commands and actions that are not signed, replayed, or too old: refused, counted, and recorded without a name."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.actions import Acknowledge
from broker.contract.commands import Stop
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from processor.intake import journal_recorder
from processor.pipeline import Pipeline
from tests.processor.notation import START_MS
from tests.signing import SIGNER, STRANGER, signed, verifier

YEAR_MS = 365 * 86_400_000
ORDERED = "itb/00/ward/command"


@pytest.fixture
def watch(watch):
    return type(watch)(Pipeline(verifier=verifier()))


def action(name: str, at: int = START_MS, *alarms: str) -> Acknowledge:
    return Acknowledge(id=name, alarms=list(alarms or ["A/battery_end/1"]), who="anna", at=at)


def receive(watch, topic: str, *payloads: bytes) -> pl.DataFrame:
    """Receive messages at once; return the journal entries they led to."""
    watch.take([Message(topic, payload, 1, 1, retained=False) for payload in payloads])
    return watch.results[-1].entries.filter(pl.col("kind").is_in(["forged", "ordered"]))


def test_a_signed_action_is_carried_out_once_however_often_it_arrives(watch):
    payload = signed(COMMAND, action("1"))
    assert receive(watch, COMMAND, payload, payload).is_empty()
    assert [outcome.text for outcome in watch.outcomes] == [
        "Acknowledged no alarm. 1 refused: no longer open.",
        "Already done.",
    ]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (encode(action("1")), "it is not signed"),
        (signed(COMMAND, action("1"), STRANGER), "is unknown here"),
        (signed(COMMAND, action("1", START_MS - YEAR_MS)), "it was signed 31,536,000 s before it arrived"),
        (signed(COMMAND, action("1", START_MS + 60_000)), "it was signed 60 s in the future"),
        (signed(ORDERED, action("1")), "its signature does not fit topic and payload"),
    ],
    ids=["unsigned", "another key", "a year old", "from the future", "for another topic"],
)
def test_an_action_that_is_not_proven_does_nothing_and_is_recorded_with_what_it_claims(watch, payload, why):
    [entry] = receive(watch, COMMAND, payload).to_dicts()
    assert [(outcome.id, outcome.done, outcome.text[:9]) for outcome in watch.outcomes] == [("1", 0, "Refused: ")]
    assert (entry["who"], entry["origin"]) == (None, "MQTT, pumpwatch/command")
    assert why in entry["text"]
    assert "on pumpwatch/command; claims to be from 'anna', id '1'" in entry["text"]
    assert why in watch.reasons[-1]
    assert watch.pipeline.inbox.recorder.forgeries == 1


def test_another_content_under_the_id_of_an_action_is_refused(watch):
    receive(watch, COMMAND, signed(COMMAND, action("1")))
    [entry] = receive(watch, COMMAND, signed(COMMAND, action("1", START_MS, "B/motor_stall/1"))).to_dicts()
    assert "was used before, with another content" in entry["text"]


def test_a_signed_command_is_recorded_in_the_name_of_the_person_and_a_forged_one_in_nobodys(watch):
    watch.birth("A")
    stop = Stop(id="7", pumps=["A"], who="anna", at=START_MS)
    assert receive(watch, ORDERED, encode(stop))["who"].to_list() == [None]
    assert receive(watch, ORDERED, signed("itb/00/other/command", stop))["kind"].to_list() == ["forged"]
    assert receive(watch, ORDERED, signed(ORDERED, stop)).select("kind", "who").rows() == [("ordered", "anna")]


def test_a_flood_of_forged_actions_is_counted_and_summed_up_in_the_journal(watch, monkeypatch):
    monkeypatch.setattr(journal_recorder, "MAX_FORGED", 3)
    flood = [encode(action(str(number))) for number in range(10)]
    assert receive(watch, COMMAND, *flood).height == len(watch.outcomes) == 3
    watch.wait_s(60)
    latest, summary = sorted(receive(watch, COMMAND, encode(action("x")))["text"])[::-1], "7 more commands or actions"
    assert latest[1].startswith(summary)
    assert watch.pipeline.inbox.recorder.forgeries == 11


def test_without_a_verifier_nothing_is_accepted():
    pipeline = Pipeline()
    result = pipeline.take([Message(COMMAND, signed(COMMAND, action("1")), 1, 1, retained=False)], START_MS)
    assert [outcome.done for outcome in result.outcomes] == [0]
    assert "is unknown here" in pipeline.quarantine.latest[-1].reason
    assert SIGNER.public.id in pipeline.quarantine.latest[-1].reason
