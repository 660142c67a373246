"""This file reads what arrived into one batch of samples, and refuses, with its reason, what it cannot take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import polars as pl

from broker.contract import codec
from broker.contract.actions import Action, read_action
from broker.contract.codec import JsonSample
from broker.contract.commands import read_command, read_reply
from broker.contract.gateway_messages import read_birth, read_status
from broker.contract.messages import MessageError
from broker.contract.part_notices import read_notice
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.topics import COMMAND, PART, GatewayTopic, TopicError, parse
from broker.mqtt.link import Message
from processor.engine.engine import RESENT
from processor.intake.journal_recorder import JournalRecorder
from processor.intake.quarantine import Quarantine
from processor.intake.registry import Gateway, Registry, RegistryFullError

BATCH_SCHEMA = {**SAMPLE_SCHEMA, "pump": pl.UInt32(), RESENT: pl.Boolean()}
_topic = lru_cache(maxsize=100_000)(parse)


@dataclass(frozen=True)
class Batch:
    """What a number of messages held: samples by pump number in order of arrival, and people's actions.

    `resent` of a sample tells that its gateway had sent that message, or a later one, before.
    """

    samples: pl.DataFrame
    actions: tuple[Action, ...]


@dataclass
class _Gathered:
    """Samples on their way into one frame; `turn` is the message they came in."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    rows: list[JsonSample] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    resent: list[bool] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


@dataclass
class Inbox:
    """Reads messages with the help of the registry; what is refused goes into the quarantine.

    What people order pumps, and what gateways reply, is for the clerk alone: an injected fault is to be found from what
    the pumps say.
    """

    registry: Registry
    quarantine: Quarantine
    clerk: JournalRecorder = field(default_factory=JournalRecorder)

    def read(self, messages: Sequence[Message], wall_ms: int) -> Batch:
        """Read messages that arrived until `wall_ms`; never raises for what they hold."""
        gathered = _Gathered()
        for turn, message in enumerate(messages):
            try:
                self._take(message, turn, wall_ms, gathered)
            except (TopicError, MessageError, RegistryFullError) as error:
                self.quarantine.put(message.topic, wall_ms, str(error), message.payload)
        samples = _join(gathered)
        self.registry.hear(samples["pump"], samples["time"], wall_ms)
        return Batch(samples, tuple(gathered.actions))

    def _take(self, message: Message, turn: int, wall_ms: int, gathered: _Gathered) -> None:
        if message.topic == COMMAND:
            gathered.actions.append(read_action(message.payload))
            return
        if message.topic == PART:
            self.clerk.told(read_notice(message.payload))
            return
        topic = _topic(message.topic)
        if topic.leaf == "telemetry":
            if codec.is_arrow(message.payload):
                self._take_frame(message, topic, turn, wall_ms, gathered)
            else:
                self._take_rows(message, topic, turn, wall_ms, gathered)
        elif topic.leaf == "command":
            own = self.registry.pumps_of(topic.gateway)
            self.clerk.ordered(topic.gateway, read_command(message.payload), own, wall_ms)
        elif topic.leaf == "reply":
            reply = read_reply(message.payload)
            _same("reply", reply.gateway, topic)
            self.clerk.answered(reply, wall_ms)
        else:
            self._take_gateway(message, topic, wall_ms)

    def _take_gateway(self, message: Message, topic: GatewayTopic, wall_ms: int) -> None:
        """Take a birth, a leave or a status, and tell the clerk of what changed."""
        before, mark = self.registry.standing(topic.gateway)
        pumps = None
        if topic.leaf == "birth" and not message.payload:
            self.registry.take_leave(topic.gateway, topic.shard)
        elif topic.leaf == "birth":
            birth = read_birth(message.payload)
            _same("birth", birth.gateway, topic)
            self.registry.take_birth(birth, topic.shard, wall_ms)
            mark, pumps = birth.sent, len(birth.pumps.serial)
        elif message.payload:
            status = read_status(message.payload)
            _same("status", status.gateway, topic)
            self.registry.take_status(status, topic.shard)
        after, _ = self.registry.standing(topic.gateway)
        if after != before and after is not None:
            self.clerk.gateway(topic.gateway, after, pumps, mark=mark, now=wall_ms)

    def _take_frame(self, message: Message, topic: GatewayTopic, turn: int, wall_ms: int, gathered: _Gathered) -> None:
        decoded = codec.decode(message.payload)
        self._refuse(message, wall_ms, decoded.rejected)
        samples = decoded.samples
        if samples.height == 0:
            return
        gateway = self.registry.gateway(topic.gateway, topic.shard)
        resent = gateway.takes(samples["sent"][-1], wall_ms)
        numbers = self.registry.numbers(gateway, samples["pump"], samples["time"][-1])
        if numbers.has_nulls():
            self._refuse_pumps(message, wall_ms, gateway, samples["pump"].filter(numbers.is_null()).to_list())
        known = samples.with_columns(
            numbers.alias("pump"), pl.lit(resent).alias(RESENT), pl.lit(turn, pl.UInt32).alias("turn")
        )
        gathered.frames.append(known.drop_nulls("pump") if numbers.has_nulls() else known)

    def _take_rows(self, message: Message, topic: GatewayTopic, turn: int, wall_ms: int, gathered: _Gathered) -> None:
        rows, refused = codec.decode_rows(message.payload)
        self._refuse(message, wall_ms, refused)
        if not rows:
            return
        gateway = self.registry.gateway(topic.gateway, topic.shard)
        resent = gateway.takes(None if rows[-1].sent is None else int(rows[-1].sent), wall_ms)
        strangers = []
        for row in rows:
            number = self.registry.number(gateway, row.pump, int(row.time))
            if number is None:
                strangers.append(row.pump)
            else:
                gathered.rows.append(row)
                gathered.numbers.append(number)
                gathered.turns.append(turn)
                gathered.resent.append(resent)
        self._refuse_pumps(message, wall_ms, gateway, strangers)

    def _refuse_pumps(self, message: Message, wall_ms: int, gateway: Gateway, serials: list[str]) -> None:
        reasons = [self.registry.why_refused(gateway, serial) for serial in dict.fromkeys(serials)]
        self._refuse(message, wall_ms, codec.shorten(reasons, "pumps"))

    def _refuse(self, message: Message, wall_ms: int, reasons: tuple[str, ...]) -> None:
        for reason in reasons:
            self.quarantine.put(message.topic, wall_ms, reason, message.payload)


def _same(what: str, gateway: str, topic: GatewayTopic) -> None:
    if gateway != topic.gateway:
        raise MessageError(f"the {what} of {gateway!r} came under the topic of {topic.gateway!r}")


def _join(gathered: _Gathered) -> pl.DataFrame:
    frames = list(gathered.frames)
    if gathered.rows:
        frames.append(
            codec.frame_of(gathered.rows).with_columns(
                pl.Series("pump", gathered.numbers, dtype=pl.UInt32),
                pl.Series(RESENT, gathered.resent, dtype=pl.Boolean),
                pl.Series("turn", np.array(gathered.turns, dtype=np.uint32)),
            )
        )
    if not frames:
        return pl.DataFrame(schema=BATCH_SCHEMA)
    joined = pl.concat(frames, rechunk=True)
    if gathered.rows and gathered.frames:
        joined = joined.sort("turn", maintain_order=True)
    return joined.drop("turn")
