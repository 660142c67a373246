"""Request and reply over the broker: commands to gateways, operator actions to the processor, and their answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from broker.contract.action_answers import Answers
from broker.contract.actions import Action, Outcome, read_action, read_outcome
from broker.contract.commands import GatewayCommand, Reply, read_command, read_reply
from broker.contract.gateway_messages import Birth, read_birth
from broker.contract.messages import MessageError, encode
from broker.contract.part_notices import Notice
from broker.contract.signed import MAX_AGE_S
from broker.contract.topics import ALL_BIRTHS, ALL_REPLIES, COMMAND, OUTCOME, PART, TopicError, parse, topic_of
from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.conversation import conversation
from broker.mqtt.link import Link
from broker.mqtt.reasons import Undelivered

Sign = Callable[[str, bytes], bytes]
"""Returns the signed message for a topic and a payload: `broker.contract.signed.Signer.sign`."""
REPLY_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class AddressedCommand:
    """A command and the gateway it is for."""

    gateway: str
    shard: int
    command: GatewayCommand


async def ask(
    url: str, commands: Sequence[AddressedCommand], sign: Sign, timeout_s: float = REPLY_TIMEOUT_S
) -> list[Reply]:
    """Send signed commands and wait for their replies, in the order of `commands`.

    A gateway that does not answer in time gets a reply that says so; so does a command outside the declared ranges,
    which is not sent. Raises `broker.mqtt.address.LinkError` if there is no broker.
    """
    replies: dict[tuple[str, str], Reply] = {}
    async with conversation(url, [ALL_REPLIES]) as session:
        for each in commands:
            payload = encode(each.command)
            try:
                read_command(payload)
            except MessageError as error:
                refused = Reply(id=each.command.id, gateway=each.gateway, ok=False, text=f"not sent: {error}")
                replies[(each.gateway, each.command.id)] = refused
                continue
            topic = topic_of(each.gateway, "command", each.shard)
            await session.publish(topic, sign(topic, payload), MAX_AGE_S)
        expected = {(each.gateway, each.command.id) for each in commands}
        try:
            async with asyncio.timeout(timeout_s):
                while expected - replies.keys():
                    message = await anext(session.client.messages)
                    try:
                        reply = read_reply(bytes(message.payload))
                    except MessageError:
                        continue
                    replies[(reply.gateway, reply.id)] = reply
        except TimeoutError:
            pass
    return [
        replies.get((each.gateway, each.command.id))
        or Reply(id=each.command.id, gateway=each.gateway, ok=False, text=f"no answer within {timeout_s:g} s")
        for each in commands
    ]


async def act(url: str, action: Action, sign: Sign, timeout_s: float = REPLY_TIMEOUT_S) -> Outcome:
    """Send a signed operator action to the processor and return its outcome.

    If the processor does not answer in time, the outcome says so; the broker keeps the action for the minute for which
    its signature is valid. If several processors have the fleet between them, their outcomes become one. An action
    outside the declared ranges is not sent, and the outcome says why. Raises `broker.mqtt.address.LinkError` if there
    is no broker.
    """
    payload = encode(action)
    try:
        read_action(payload)
    except MessageError as error:
        return Outcome(id=action.id, done=0, refused=1, text=f"Not sent: {error}")
    async with conversation(url, [OUTCOME]) as session:
        await session.publish(COMMAND, sign(COMMAND, payload), MAX_AGE_S)
        answers = Answers(action)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    message = await anext(session.client.messages)
                    with contextlib.suppress(MessageError):
                        if (outcome := answers.add(read_outcome(bytes(message.payload)))) is not None:
                            return outcome
        except TimeoutError:
            if answers.found:
                return answers.outcome()
            text = (
                f"The processor did not answer within {timeout_s:g} s; "
                f"the action will be applied only if it reads it within {MAX_AGE_S} s. Check it then, and repeat it "
                "if it was not applied."
            )
            return Outcome(id=action.id, done=0, refused=0, text=text)


async def publish_notices(url: str, notices: Sequence[Notice], timeout_s: float = 5.0) -> None:
    """Notify the processor of parts that started and ended; raises `LinkError` unless every notice was delivered."""
    confirmed: dict[int, Undelivered | None] = {}
    arrived = asyncio.Event()

    def published(mid: int, undelivered: Undelivered | None) -> None:
        confirmed[mid] = undelivered
        arrived.set()

    link = Link(parse_url(url), "", on_published=published)
    await link.open()
    try:
        mids = {link.publish(PART, encode(notice)) for notice in notices}
        async with asyncio.timeout(timeout_s):
            while mids - confirmed.keys():
                arrived.clear()
                await arrived.wait()
    except TimeoutError:
        raise LinkError(f"{link.address.url} did not confirm within {timeout_s:g} s") from None
    finally:
        await link.close()
    undelivered = next(filter(None, confirmed.values()), None)
    if undelivered is not None:
        raise LinkError(f"notice not delivered: {undelivered.text}", undelivered.code)


async def births(url: str, wait_s: float = 1.0) -> list[tuple[int, Birth]]:
    """Return (shard, birth) of every gateway whose birth the broker retains; ends `wait_s` after the last one came.

    Each gateway is returned once, although the embedded broker sends retained messages twice.
    """
    found: dict[str, tuple[int, Birth]] = {}
    async with conversation(url, [ALL_BIRTHS]) as session:
        try:
            while True:
                async with asyncio.timeout(wait_s):
                    message = await anext(session.client.messages)
                try:
                    birth = read_birth(bytes(message.payload))
                    found[birth.gateway] = (parse(str(message.topic)).shard, birth)
                except (MessageError, TopicError):
                    continue
        except TimeoutError:
            return list(found.values())
