"""Commands reach gateways and their replies come back in order, or the missing ones are reported."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from broker.contract.actions import Acknowledge, Outcome, read_action
from broker.contract.commands import Clear, Reply, read_command
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.part_notices import Notice, read_notice
from broker.contract.topics import COMMAND, OUTCOME, PART, topic_of
from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.link import Link, Message
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS
from broker.mqtt.request_reply import AddressedCommand, act, ask, births, publish_notices
from tests.signing import SIGNER, verifier

NOW = 1_767_225_600_000
KINDS = pytest.mark.parametrize("kind", [pytest.param("mosquitto", marks=pytest.mark.broker), "embedded_broker"])


@pytest.fixture
async def gateways(kind, request, until):
    """Two gateways that introduce themselves; the first one answers, the second is deaf."""
    address = parse_url(request.getfixturevalue(kind))
    link, confirmed = Link(address, "exchange-gateways", on_published=lambda *_: confirmed.append(1)), []

    def hear(message: Message) -> None:
        command = read_command(verifier().open(message.topic, message.payload, NOW).payload)
        link.publish(topic_of("cmd-one", "reply"), b"this is no reply")
        reply = Reply(id=command.id, gateway="cmd-one", ok=True, text=f"cleared {command.fault}", pumps=1)
        link.publish(topic_of("cmd-one", "reply"), encode(reply))

    link.on_message = hear
    await link.open()
    link.subscribe(topic_of("cmd-one", "command"))
    for name in ("cmd-one", "cmd-two"):
        birth = Birth(gateway=name, pumps=Pumps(serial=[f"{name}-A"]), sent=NOW, time=NOW + 1)
        link.publish(topic_of(name, "birth"), encode(birth), retain=True)
    await until(lambda: len(confirmed) == 2)
    yield address.url
    for name in ("cmd-one", "cmd-two"):
        link.publish(topic_of(name, "birth"), b"", retain=True)
    await until(lambda: len(confirmed) >= 4)
    await link.close()


def order(gateway: str, number: int) -> AddressedCommand:
    topic = topic_of(gateway, "command")
    return AddressedCommand(
        gateway, int(topic.split("/")[1]), Clear(id=f"order-{number}", fault=f"fault-{number}", who="anna", at=NOW)
    )


@KINDS
async def test_replies_come_in_the_order_of_the_orders_and_silence_is_told(gateways):
    replies = await ask(
        gateways, [order("cmd-two", 1), order("cmd-one", 2), order("cmd-one", 3)], SIGNER.sign, timeout_s=0.7
    )
    assert [(reply.gateway, reply.ok, reply.text) for reply in replies] == [
        ("cmd-two", False, "no answer within 0.7 s"),
        ("cmd-one", True, "cleared fault-2"),
        ("cmd-one", True, "cleared fault-3"),
    ]


@KINDS
async def test_a_command_out_of_range_is_not_sent_and_the_range_is_told(gateways):
    wrong = AddressedCommand("cmd-one", order("cmd-one", 1).shard, Clear(id="order-9", fault="f" * 2_000))
    refused, cleared = await ask(gateways, [wrong, order("cmd-one", 2)], SIGNER.sign, timeout_s=30)
    assert not refused.ok
    assert refused.text == "not sent: fault has 2,000 characters; allowed are up to 200"
    assert cleared.ok


async def test_an_action_out_of_range_is_not_sent_and_the_range_is_told(free_port):
    action = Acknowledge(id="1", alarms=["A/motor_stall/1"], who="anna", at=NOW, why="w" * 100_000)
    outcome = await act(f"mqtt://127.0.0.1:{free_port}", action, SIGNER.sign)
    assert (outcome.done, outcome.refused) == (0, 1)
    assert outcome.text == "Not sent: why has 100,000 characters; allowed are up to 500"


@KINDS
async def test_when_all_have_answered_nobody_waits_for_the_time_to_pass(gateways):
    async with asyncio.timeout(10):
        [reply] = await ask(gateways, [order("cmd-one", 4)], SIGNER.sign, timeout_s=60)
    assert reply.ok
    assert await ask(gateways, [], SIGNER.sign, timeout_s=60) == []


@KINDS
async def test_each_gateway_is_born_once(gateways):
    found = await births(gateways, wait_s=0.4)
    ours = [(shard, birth) for shard, birth in found if birth.gateway.startswith("cmd-")]
    assert sorted(birth.gateway for _, birth in ours) == ["cmd-one", "cmd-two"]
    assert all(topic_of(birth.gateway, "birth") == f"itb/{shard:02d}/{birth.gateway}/birth" for shard, birth in ours)


@KINDS
async def test_a_gateway_that_is_born_again_meanwhile_is_told_once_and_as_it_is_now(gateways):
    again = Link(parse_url(gateways), "exchange-again")
    await again.open()
    asking = asyncio.create_task(births(gateways, wait_s=0.6))
    await asyncio.sleep(0.3)
    birth = Birth(gateway="cmd-one", pumps=Pumps(serial=["new"]), sent=NOW + 2, time=NOW + 3)
    again.publish(topic_of("cmd-one", "birth"), encode(birth), retain=True)
    found = [birth for _, birth in await asking if birth.gateway == "cmd-one"]
    assert [birth.pumps.serial for birth in found] == [["new"]]
    await again.close()


@pytest.mark.broker
async def test_an_action_reaches_the_processor_and_its_outcome_the_person(mosquitto):
    received: list[Message] = []

    def answer(message: Message) -> None:
        received.append(message)
        for name in ("another", "1"):
            processor.publish(OUTCOME, encode(Outcome(id=name, done=1, refused=0, text=f"Did {name}.")))

    processor = Link(parse_url(mosquitto), "exchange-processor", on_message=answer)
    await processor.open()
    processor.subscribe(COMMAND)
    action = Acknowledge(id="1", alarms=["A/motor_stall/1"], who="anna", at=NOW)
    outcome = await act(mosquitto, action, SIGNER.sign, timeout_s=30)
    assert read_action(verifier().open(COMMAND, received[0].payload, NOW).payload) == action
    assert (outcome.text, outcome.ok) == ("Did 1.", True)
    await processor.close()


@pytest.mark.broker
async def test_where_no_processor_answers_the_outcome_says_so(mosquitto):
    action = Acknowledge(id="1", alarms=["A/motor_stall/1"], who="anna", at=NOW)
    outcome = await act(mosquitto, action, SIGNER.sign, timeout_s=0.1)
    assert not outcome.ok
    assert "did not answer within 0.1 s" in outcome.text
    assert "applied only if it reads it within 60 s" in outcome.text


async def test_without_a_broker_it_is_said_that_there_is_none(free_port):
    with pytest.raises(LinkError, match=f"no broker at mqtt://127.0.0.1:{free_port}"):
        await ask(f"mqtt://127.0.0.1:{free_port}", [order("cmd-one", 1)], SIGNER.sign)


@pytest.mark.broker
async def test_a_notice_without_a_subscriber_is_an_error_with_the_reason_code_of_the_broker(own_broker):
    await own_broker.start()
    notice = Notice(part="dashboard", state="ended", text="was killed", at=NOW)
    with pytest.raises(LinkError, match="notice not delivered") as failed:
        await publish_notices(own_broker.url, [notice])
    assert failed.value.code == NO_MATCHING_SUBSCRIBERS
    received: list[Message] = []
    listener = Link(parse_url(own_broker.url), "exchange-listener", on_message=received.append)
    await listener.open()
    listener.subscribe(PART)
    async with asyncio.timeout(30):
        while not received:
            with contextlib.suppress(LinkError):
                await publish_notices(own_broker.url, [notice, notice])
            await asyncio.sleep(0.05)
    assert read_notice(received[0].payload) == notice
    await listener.close()
