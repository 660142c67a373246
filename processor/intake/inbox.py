"""Inbox: decodes MQTT messages into one batch of samples and actions; rejects what it cannot parse, with a reason."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from broker.contract import codec
from broker.contract.actions import MAX_WHO, Action, Outcome, read_action
from broker.contract.arrow_batch import ArrowBatches
from broker.contract.codec import Decoded
from broker.contract.commands import read_command, read_reply
from broker.contract.gateway_messages import read_birth, read_status
from broker.contract.messages import MessageError
from broker.contract.part_notices import read_notice
from broker.contract.signed import ForgedError, Opener, Verifier
from broker.contract.topics import COMMAND, PART, GatewayTopic, TopicError
from broker.mqtt.link import Message
from broker.store.journal import ENTRIES_SCHEMA
from broker.store.snapshot import Refusal
from processor.intake.collected import Collected, Frame, join
from processor.intake.gateway import Gateway
from processor.intake.gateways import RegistryFullError
from processor.intake.journal_recorder import JournalRecorder
from processor.intake.json_rows import JsonRows, known_topic
from processor.intake.quarantine import Kind, Quarantine
from processor.intake.rates import GatewayRates, OverRateError, RefusedBirths
from processor.intake.registry import Registry


@dataclass(frozen=True)
class Batch:
    """Content of a number of messages: samples by pump number in order of arrival, operator actions, and the rest.

    `resent` of a sample says whether its gateway redelivered the message. `entries` (`ENTRIES_SCHEMA`) are for the
    journal, `rejected` is what could not be read. `clock_faults` are the pumps of samples that were rejected because
    their times are implausible, each once. `refusals` answer actions that nobody signed.
    """

    samples: pl.DataFrame
    actions: tuple[Action, ...] = ()
    entries: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ENTRIES_SCHEMA))
    rejected: tuple[Refusal, ...] = ()
    clock_faults: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.UInt32))
    refusals: tuple[Outcome, ...] = ()


@dataclass
class Inbox:
    """Reads messages with the help of the registry; rejected payloads go into the quarantine.

    Commands to pumps and replies of gateways are for the journal recorder alone: an injected fault must be detected
    from what the pumps report. Commands and actions count only if `verifier` opens them; the default one opens none.
    `rates` limits the messages of each gateway (None: no limit).
    """

    registry: Registry
    quarantine: Quarantine
    recorder: JournalRecorder = field(default_factory=JournalRecorder)
    arrow: ArrowBatches = field(default_factory=ArrowBatches)
    verifier: Opener = field(default_factory=Verifier)
    rates: GatewayRates | None = None
    refused_births: RefusedBirths = field(default_factory=RefusedBirths)

    def read(self, messages: Sequence[Message], now: int, decoded: Sequence[Decoded | None] | None = None) -> Batch:
        """Read the messages that arrived until `now` (wall ms); never raises, whatever they contain.

        `decoded` is what `decode` returns of them.
        """
        frames = self.decode(messages) if decoded is None else decoded
        if self.registry.admission is not None:
            self.registry.admission.refill(now)
        excess = collections.Counter[str]()
        if self.rates is not None:
            messages, frames, excess = self._within_rates(self.rates, messages, frames, now)
        by_place = {place: frame for place, frame in enumerate(frames) if frame is not None}
        collected = Collected(JsonRows(messages, by_place), by_place)
        for place in collected.json.others(self.registry, now):
            message = messages[place]
            try:
                self._read(message, place, now, collected)
            except ForgedError as error:
                self.quarantine.add(message.topic, now, f"refused: {error}", message.payload, kind="forged")
                if self.recorder.forged(error, now) and message.topic == COMMAND and error.claim.id:
                    refusal = Outcome(id=error.claim.id[:MAX_WHO], done=0, refused=1, text=f"Refused: {error}.")
                    collected.refusals.append(refusal)
            except (TopicError, MessageError, RegistryFullError, OverRateError) as error:
                self.quarantine.add(message.topic, now, str(error), message.payload, kind=_kind_of(error))
                self.refused_births.note(message.topic, error, now)
        for topic, count in excess.items():
            self.count_rejected(topic, count)
        samples, ahead = self._without_implausible_times(join(collected), now)
        self.registry.hear(samples["pump"], samples["time"], now)
        entries, rejected = self.recorder.take(), self.quarantine.take()
        return Batch(samples, tuple(collected.actions), entries, rejected, ahead, tuple(collected.refusals))

    def _within_rates(
        self, rates: GatewayRates, messages: Sequence[Message], frames: Sequence[Decoded | None], now: int
    ) -> tuple[Sequence[Message], Sequence[Decoded | None], collections.Counter[str]]:
        """Reject messages beyond the limit of their gateway; return the others, their frames, the count by topic."""
        topics = [message.topic for message in messages]
        excess = rates.excess(
            topics, now, number_of=self._writer_of, gateways=len(self.registry.gateways.order)
        ).tolist()
        rejected = collections.Counter(topics[place] for place in excess)
        if not excess:
            return messages, frames, rejected
        for topic, count in rejected.items():
            limit = rates.limits.gateway_messages
            reason = f"{count:,} messages beyond the limit of {limit:,} a second; if they are right, raise "
            self.quarantine.add(topic, now, f"{reason}--gateway-messages", count=count, kind="over rate")
        kept = np.setdiff1d(np.arange(len(messages)), excess, assume_unique=True).tolist()
        return [messages[place] for place in kept], [frames[place] for place in kept], rejected

    def count_rejected(self, text: str, count: int = 1) -> None:
        """Count messages that were rejected as a whole, if their topic is one of telemetry."""
        with contextlib.suppress(TopicError):
            topic = known_topic(text)
            if topic.leaf == "telemetry":
                self.registry.gateways.count_rejected(topic.gateway, count)

    def _writer_of(self, text: str) -> int | None:
        """Return the number of the known gateway that alone writes to a topic; people write its commands."""
        try:
            topic = known_topic(text)
        except TopicError:
            return None
        gateway = None if topic.leaf == "command" else self.registry.gateways.find(topic.gateway)
        return None if gateway is None else gateway.number

    def decode(self, messages: Sequence[Message]) -> list[Decoded | None]:
        """Decode the Arrow payloads of telemetry; return one for each message, None for all others.

        It depends on no other message, and changes nothing.
        """
        mark = codec.ARROW_STREAM_MARK
        framed = [each.payload.startswith(mark) and _is_telemetry(each) for each in messages]
        if not any(framed):
            return [None] * len(messages)
        frames = [(each.topic, each.payload) for each, has_frame in zip(messages, framed, strict=True) if has_frame]
        decoded = iter(self.arrow.decode(frames))
        return [next(decoded) if has_frame else None for has_frame in framed]

    def take_moves(self, now: int) -> pl.DataFrame:
        """Return the journal entries (`ENTRIES_SCHEMA`) of pumps that moved, were retired or are back."""
        for move in self.registry.take_moves():
            self.recorder.move(move, now)
        return self.recorder.take()

    def _without_implausible_times(self, samples: pl.DataFrame, now: int) -> tuple[pl.DataFrame, pl.Series]:
        """Reject samples from the future; return the others, and the pumps of those rejected, each once.

        If one were taken, all later samples of its pump would seem older, and nobody would judge them.
        """
        if samples.is_empty():
            return samples, samples["pump"]
        plausible = self.registry.plausible_times(samples["pump"], samples["time"], now)
        if plausible.all():
            return samples, samples["pump"].clear()
        rejected = samples.filter(~plausible).unique("pump", keep="last", maintain_order=True)
        for number, time in rejected.select("pump", "time").head(codec.MAX_REASONS).iter_rows():
            topic, reason = self.registry.implausible_time(number, time, now)
            self.quarantine.add(topic, now, reason, kind="implausible time")
        return samples.filter(plausible), rejected["pump"]

    def _read(self, message: Message, place: int, now: int, collected: Collected) -> None:
        if message.topic == COMMAND:
            collected.actions.append(read_action(self.verifier.open(COMMAND, message.payload, now).payload))
            return
        if message.topic == PART:
            self.recorder.notice(read_notice(message.payload))
            return
        topic = known_topic(message.topic)
        if topic.leaf == "telemetry" and message.retained:
            raise MessageError("a retained copy of telemetry is no sign of life; publish telemetry without retain")
        if topic.leaf == "telemetry":
            if place in collected.decoded:
                self._read_frame(message, topic, place, now, collected)
            else:
                self._read_rows(message, topic, place, now, collected)
        elif topic.leaf == "command":
            command = read_command(self.verifier.open(message.topic, message.payload, now).payload)
            self.recorder.command(topic.gateway, command, self.registry.pumps_of(topic.gateway), now)
        elif topic.leaf == "reply":
            reply = read_reply(message.payload)
            _check_gateway("reply", reply.gateway, topic)
            self.recorder.reply(reply, now)
        else:
            self._read_gateway(message, topic, now)

    def _read_gateway(self, message: Message, topic: GatewayTopic, now: int) -> None:
        """Apply a birth, a birth taken back or a status, and record a change of the gateway's state."""
        before, mark = self.registry.gateways.state(topic.gateway)
        pumps = None
        if topic.leaf == "birth" and not message.payload:
            self.registry.gateways.retire(topic.gateway, topic.shard)
        elif topic.leaf == "birth":
            self._take_birth(topic.gateway, now)
            birth = read_birth(message.payload)
            _check_gateway("birth", birth.gateway, topic)
            claim = self.registry.apply_birth(birth, topic.shard, now, retained=message.retained)
            if claim is not None:
                self.quarantine.add(message.topic, now, claim, message.payload, kind="claimed")
                self.recorder.claim(topic.gateway, claim, mark=birth.sent, now=now)
            mark, pumps = birth.sent, len(birth.pumps.serial)
        elif message.payload:
            status = read_status(message.payload)
            _check_gateway("status", status.gateway, topic)
            self.registry.gateways.apply_status(status, topic.shard)
        after, _ = self.registry.gateways.state(topic.gateway)
        if after != before and after is not None:
            self.recorder.gateway(topic.gateway, after, pumps, mark=mark, now=now)

    def _take_birth(self, name: str, now: int) -> None:
        """Raise `OverRateError` if a known gateway introduces itself too often."""
        gateway = self.registry.gateways.find(name)
        if self.rates is not None and gateway is not None and not self.rates.take_birth(gateway.number, now):
            raise OverRateError(
                f"more than {self.rates.limits.gateway_births:,} births of {name} within a minute; "
                "if they are right, raise --gateway-births"
            )

    def _read_frame(self, message: Message, topic: GatewayTopic, place: int, now: int, collected: Collected) -> None:
        frame = collected.decoded[place]
        self._reject(message, now, frame.rejected)
        samples = frame.samples
        if samples.height == 0:
            self.registry.gateways.count_rejected(topic.gateway)
            return
        gateway = self.registry.gateways.named(topic.gateway, topic.shard)
        redelivered = gateway.receive(samples["sent"][-1], now)
        numbers = self.registry.numbers(gateway, samples["pump"], samples["time"][-1])
        if numbers.has_nulls():
            self._reject_pumps(message, now, gateway, samples["pump"].filter(numbers.is_null()).to_list())
        collected.frames.append(Frame(samples, numbers, place, redelivered))

    def _read_rows(self, message: Message, topic: GatewayTopic, place: int, now: int, collected: Collected) -> None:
        rows, refused = collected.json.of(place, message.payload)
        self._reject(message, now, refused)
        if not rows:
            self.registry.gateways.count_rejected(topic.gateway)
            return
        gateway = self.registry.gateways.named(topic.gateway, topic.shard)
        if unknown := collected.json.take(rows, gateway, self.registry, now):
            self._reject_pumps(message, now, gateway, unknown)

    def _reject_pumps(self, message: Message, now: int, gateway: Gateway, serials: list[str]) -> None:
        reasons = [self.registry.rejection(gateway, serial) for serial in dict.fromkeys(serials)]
        self._reject(message, now, codec.shorten(reasons, "pumps"), kind="too many")

    def _reject(self, message: Message, now: int, reasons: tuple[str, ...], kind: Kind = "invalid") -> None:
        for reason in reasons:
            self.quarantine.add(message.topic, now, reason, message.payload, kind=kind)


def _check_gateway(kind: str, gateway: str, topic: GatewayTopic) -> None:
    if gateway != topic.gateway:
        raise MessageError(f"the {kind} of {gateway!r} was published on the topic of {topic.gateway!r}")


def _kind_of(error: Exception) -> Kind:
    if isinstance(error, OverRateError):
        return "over rate"
    return "too many" if isinstance(error, RegistryFullError) else "malformed"


def _is_telemetry(message: Message) -> bool:
    return message.topic.endswith("/telemetry") and not message.retained
