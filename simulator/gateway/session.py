"""MQTT session of one gateway: announces its pumps, sends their samples, executes commands, reconnects."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from broker.contract.commands import GatewayCommand, Reply, id_of, read_command
from broker.contract.gateway_messages import Birth, Status, read_confirmation
from broker.contract.messages import MessageError, encode
from broker.contract.topics import RESEND, confirmed_topic, topic_of
from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message, Will
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS, Undelivered
from broker.mqtt.reconnection import keep_open
from simulator.gateway.outbox import Outbox, Parcel

log = logging.getLogger("simulator")

STATUS_INTERVAL_S: Final = 5.0
MAX_COMMANDS: Final = 100
"""Commands that may wait; more are refused."""
RESEND_WAIT_S: Final = 1.0
"""Wait before telemetry that had no subscriber is sent again."""


@dataclass
class Session:
    """A gateway that speaks for the pumps `own` (indices). `wall_ms` is the clock; `execute` executes a command."""

    name: str
    own: range
    outbox: Outbox
    address: Address
    birth: Callable[[Session], Birth]
    execute: Callable[[Session, GatewayCommand], Awaitable[Reply]]
    wall_ms: Callable[[], int]
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    link: Link = field(init=False)
    _announced: bool = False
    _resend_at: float = 0.0
    _disk_refuses: bool = False
    _commands: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        offline = encode(Status(gateway=self.name, state="offline", sent=self.wall_ms()))
        self.link = Link(
            self.address,
            f"pumpwatch-{self.name}",
            on_message=self._receive,
            on_published=self._confirmed,
            will=Will(topic_of(self.name, "status"), offline),
        )

    async def run(self, report: Callable[[str], None], chance: random.Random) -> None:
        """Keep the session open until cancelled."""
        try:
            await keep_open(self.link, self._run_connected, report=report, chance=chance)
        finally:
            for task in self._commands:
                task.cancel()
            self.outbox.close()

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
            log.warning("%s keeps samples %s", self.name, where)
        self._send()

    def cut_off(self, *, cut: bool) -> None:
        """Drop the connection as in an outage and stay disconnected, or allow reconnecting again."""
        if cut and (self.link.alive or not self.link.barred):
            self.link.cut(f"the scenario keeps {self.name} disconnected from {self.address.url}")
        elif not cut:
            self.link.barred = ""

    def publish_birth(self) -> None:
        """Publish the birth: the pumps of this gateway, and their prescriptions now."""
        self.link.publish(topic_of(self.name, "birth"), encode(self.birth(self)), retain=True)

    def retire(self) -> None:
        """Publish that this gateway ends on purpose, and remove its retained birth, so that nobody waits for it."""
        if self.link.alive:
            self._publish_status("offline")
            self.link.publish(topic_of(self.name, "birth"), b"", retain=True)

    async def _run_connected(self, link: Link) -> None:
        """Publish the birth on a new connection, send what is waiting, and keep the status fresh.

        Nothing is sent before the birth; parcels that are not confirmed when the connection ends go first on the next.
        """
        for topic in (topic_of(self.name, "command"), confirmed_topic(self.name), RESEND):
            link.subscribe(topic)
        self.publish_birth()
        self._announced = True
        self.connected.set()
        published: tuple[int, int] | None = None
        try:
            while True:
                self._send()
                now = (self.outbox.waiting, self.outbox.dropped + self.outbox.refused)
                if published != now:
                    self._publish_status("online")
                    published = now
                await asyncio.sleep(STATUS_INTERVAL_S)
        finally:
            self._announced = False
            self.outbox.start_over()

    def _send(self) -> None:
        if not self._announced or asyncio.get_running_loop().time() < self._resend_at:
            return
        while self.link.alive and (parcel := self.outbox.next()) is not None:
            try:
                payload = self.outbox.payload(parcel)
            except OSError as error:
                log.warning("%s dropped %s samples: cannot read them from disk (%s)", self.name, parcel.samples, error)
                self.outbox.lose()
                continue
            self.outbox.sent(self.link.publish(topic_of(self.name, "telemetry"), payload))

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
        self.link.publish(topic_of(self.name, "status"), encode(status), retain=True)

    def _receive(self, message: Message) -> None:
        if message.topic == RESEND:
            self.outbox.start_over()
            self._send()
        elif message.topic == confirmed_topic(self.name):
            try:
                self.outbox.durable(read_confirmation(message.payload).sent)
            except MessageError as error:
                log.warning("%s received an invalid confirmation: %s", self.name, error)
            self._send()
        else:
            self._accept_command(message)

    def _accept_command(self, message: Message) -> None:
        try:
            command = read_command(message.payload)
        except MessageError as error:
            log.warning("%s received an invalid command: %s", self.name, error)
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
        log.info("%s: %s (by %s)", self.name, reply.text, command.who or "unknown")
        self._reply(reply)

    def _refuse(self, command_id: str, why: str) -> None:
        self._reply(Reply(id=command_id, gateway=self.name, ok=False, text=f"refused: {why}"))

    def _reply(self, reply: Reply) -> None:
        if self.link.alive:
            self.link.publish(topic_of(self.name, "reply"), encode(reply))
