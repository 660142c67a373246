"""MQTT session of one gateway: announces its pumps, sends their samples, executes commands, reconnects."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from broker.contract.commands import GatewayCommand, Reply, read_command
from broker.contract.gateway_messages import Birth, Status, read_confirmation
from broker.contract.log_events import event
from broker.contract.messages import MessageError, encode
from broker.contract.signed import ForgedError, Opener, id_of
from broker.contract.topics import RESEND, confirmed_topic, topic_of
from broker.mqtt.address import Address, LinkError
from broker.mqtt.link import Message, Will
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS, Undelivered
from broker.mqtt.session_link import SessionLink, link_kind
from broker.mqtt.session_pool import SessionPool
from simulator.gateway.outbox import Outbox, Parcel

log = logging.getLogger("simulator")

MAX_COMMANDS: Final = 100
"""Commands that may wait; more are refused."""
RESEND_WAIT_S: Final = 1.0
"""Wait before telemetry that had no subscriber is sent again."""


@dataclass(eq=False, slots=True)
class Session:
    """A gateway that speaks for the pumps `own` (indices). `wall_ms` is the clock; `execute` executes a command.

    Commands are executed only if `verifier` opens them; it belongs to all gateways of a process together.

    A `broker.mqtt.session_pool.SessionPool` keeps it open. While `barred`, it does not connect.
    """

    name: str
    own: range
    outbox: Outbox
    address: Address
    birth: Callable[[Session], Birth]
    execute: Callable[[Session, GatewayCommand], Awaitable[Reply]]
    wall_ms: Callable[[], int]
    verifier: Opener
    barred: bool = False
    client_id: str = field(init=False)
    telemetry: str = field(init=False)
    link: SessionLink | None = None
    _announced: bool = False
    _published: tuple[int, int] | None = None
    _resend_at: float = 0.0
    _disk_refuses: bool = False
    _commands: set[asyncio.Task[None]] = field(default_factory=set)
    _lost: Callable[[str], None] = field(init=False)

    def __post_init__(self) -> None:
        self.client_id = f"pumpwatch-{self.name}"
        self.telemetry = topic_of(self.name, "telemetry")

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self.link is not None and self.link.alive

    @property
    def end_code(self) -> int | None:
        """Reason code of the last end of the connection, if the broker gave one."""
        return None if self.link is None else self.link.end_code

    @property
    def unconfirmed(self) -> int:
        """Number of messages that the broker has not confirmed."""
        return 0 if self.link is None else self.link.unconfirmed

    async def run(self, report: Callable[[str], None], chance: random.Random) -> None:
        """Keep this session open until cancelled."""
        await SessionPool([self], report, report, chance).run()

    async def connect(self, lost: Callable[[str], None]) -> None:
        """Connect and publish the birth, or raise `LinkError`; `lost` is called when the connection ends.

        Nothing is sent before the birth; parcels that are not confirmed when the connection ends go first on the next.
        """
        if self.barred:
            raise LinkError(f"the scenario keeps {self.name} disconnected from {self.address.url}")
        self._lost = lost
        if self.link is None:
            self.link = await self._new_link()
        await self.link.open()
        if not self.link.alive:
            return
        self.link.subscribe(topic_of(self.name, "command"), confirmed_topic(self.name), RESEND)
        self.publish_birth()
        self._announced, self._published = True, None
        self.keep_up(0.0)

    async def _new_link(self) -> SessionLink:
        offline = encode(Status(gateway=self.name, state="offline", sent=self.wall_ms()))
        kind = await link_kind(self.address)
        return kind(
            self.address,
            self.client_id,
            on_message=self._receive,
            on_published=self._confirmed,
            on_ended=self._ended,
            will=Will(topic_of(self.name, "status"), offline),
        )

    def _ended(self, reason: str) -> None:
        self._announced = False
        self.outbox.start_over()
        self._lost(reason)

    def keep_up(self, now_s: float) -> None:
        """Send what is waiting, publish the status if it changed, and keep the connection alive."""
        if self.link is None or not self._announced:
            return
        self.link.keep_alive(now_s)
        self._send()
        status = (self.outbox.waiting, self.outbox.dropped + self.outbox.refused)
        if self._published != status:
            self._publish_status("online")
            self._published = status

    def disconnect(self) -> None:
        """Begin to disconnect cleanly; commands that are still executing are dropped."""
        for task in self._commands:
            task.cancel()
        if self.link is not None:
            self.link.disconnect()
        self.outbox.close()

    def abort(self) -> None:
        """Drop the connection."""
        if self.link is not None:
            self.link.abort()

    def stamp(self) -> int:
        """Return the stamp of the next parcel, wall ms: never the same twice, even if the clock steps back."""
        return max(self.wall_ms(), self.outbox.last_stamp + 1)

    def put(self, parcel: Parcel) -> None:
        """Send telemetry as soon as the connection and the outbox allow."""
        refused = self.outbox.disk_refusals
        self.outbox.put(parcel)
        now_refused = self.outbox.disk_refusals > refused
        if now_refused != self._disk_refuses:
            self._disk_refuses = now_refused
            where = "in memory: writing to disk failed" if now_refused else "on disk again"
            self._log(logging.WARNING, "samples_kept", f"keeps samples {where}")
        self._send()

    def cut_off(self, *, cut: bool) -> None:
        """Drop the connection as in an outage and stay disconnected, or allow reconnecting again."""
        self.barred = cut
        if cut:
            self.abort()

    def publish_birth(self) -> None:
        """Publish the birth: the pumps of this gateway, and their prescriptions now."""
        self.publish(topic_of(self.name, "birth"), encode(self.birth(self)), retain=True)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish a message that is not telemetry; without a connection it is dropped."""
        if self.link is not None and self.link.alive:
            self.link.publish(topic, payload, retain=retain)

    def retire(self) -> None:
        """Publish that this gateway ends on purpose, and remove its retained birth, so that nobody waits for it."""
        self._announced = False
        self._publish_status("offline")
        self.publish(topic_of(self.name, "birth"), b"", retain=True)

    def _send(self) -> None:
        link = self.link
        if link is None or not self._announced:
            return
        if self._resend_at:
            if asyncio.get_running_loop().time() < self._resend_at:
                return
            self._resend_at = 0.0
        while link.alive and (parcel := self.outbox.next()) is not None:
            try:
                payload = self.outbox.payload(parcel)
            except OSError as error:
                text = f"dropped {parcel.samples} samples: cannot read them from disk ({error})"
                self._log(logging.WARNING, "samples_dropped", text)
                self.outbox.lose()
                continue
            self.outbox.sent(link.publish(self.telemetry, payload))

    def _confirmed(self, mid: int, undelivered: Undelivered | None) -> None:
        nobody = undelivered is not None and undelivered.code == NO_MATCHING_SUBSCRIBERS
        if nobody and self.outbox.holds(mid):
            self._wait_for_subscriber()
        else:
            self.outbox.confirmed(mid, delivered=undelivered is None)
            self._send()

    def _wait_for_subscriber(self) -> None:
        """Keep telemetry that had no subscriber: the broker may have lost the session of an offline processor."""
        self.outbox.start_over()
        self._resend_at = asyncio.get_running_loop().time() + RESEND_WAIT_S

    def _publish_status(self, state: Literal["online", "offline"]) -> None:
        status = Status(
            gateway=self.name,
            state=state,
            sent=self.wall_ms(),
            waiting=self.outbox.waiting,
            dropped=self.outbox.dropped + self.outbox.refused,
        )
        self.publish(topic_of(self.name, "status"), encode(status), retain=True)

    def _receive(self, message: Message) -> None:
        if message.topic == RESEND:
            self.outbox.send_again()
            self._send()
        elif message.topic == confirmed_topic(self.name):
            self._accept_confirmation(message.payload)
            self._send()
        else:
            self._accept_command(message)

    def _accept_confirmation(self, payload: bytes) -> None:
        try:
            confirmation = read_confirmation(payload)
        except MessageError as error:
            self._log(logging.WARNING, "confirmation_invalid", f"received an invalid confirmation: {error}")
            return
        losses = self.outbox.broker_losses
        self.outbox.durable(confirmation.sent, confirmation.total, confirmation.newest)
        if self.outbox.broker_losses > losses:
            text = "the processor has not received all messages that the broker confirmed; sends them again"
            self._log(logging.WARNING, "broker_lost_messages", text)

    def _accept_command(self, message: Message) -> None:
        try:
            command = read_command(self.verifier.open(message.topic, message.payload, self.wall_ms()).payload)
        except ForgedError as error:
            claim = error.claim
            text = f"refused a command: {error} (claims to be from {claim.who!r}, key {claim.key})"
            self._log(logging.WARNING, "command_refused", text)
            if claim.id:
                self._refuse(claim.id, str(error))
            return
        except MessageError as error:
            self._log(logging.WARNING, "command_invalid", f"received an invalid command: {error}")
            if name := id_of(message.payload):
                self._refuse(name, str(error))
            return
        if len(self._commands) >= MAX_COMMANDS:
            self._refuse(command.id, f"{MAX_COMMANDS} commands are waiting")
            return
        task = asyncio.create_task(self._answer(command))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _answer(self, command: GatewayCommand) -> None:
        reply = await self.execute(self, command)
        self._log(logging.INFO, "command_executed", f"{reply.text} (by {command.who or 'unknown'})")
        self._reply(reply)

    def _refuse(self, command_id: str, why: str) -> None:
        self._reply(Reply(id=command_id, gateway=self.name, ok=False, text=f"refused: {why}"))

    def _reply(self, reply: Reply) -> None:
        self.publish(topic_of(self.name, "reply"), encode(reply))

    def _log(self, level: int, name: str, text: str) -> None:
        log.log(level, "%s %s", self.name, text, extra=event(name, gateway=self.name))
