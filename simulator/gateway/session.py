"""This file is one gateway: an MQTT session that introduces its pumps, sends what they say, and takes orders."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from broker.contract.commands import GatewayCommand, Reply, read_command
from broker.contract.gateway_messages import Birth, Status, read_confirmation
from broker.contract.messages import MessageError, encode
from broker.contract.topics import RESEND, confirmed_topic, topic_of
from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message, Will
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS, Undelivered
from broker.mqtt.reconnection import keep_open
from simulator.gateway.outbox import Outbox, Parcel

log = logging.getLogger("simulator")

STATUS_S: Final = 5.0
MAX_ORDERS: Final = 100
UNHEARD_S: Final = 1.0
"""So long a gateway waits before it tries again when nobody took what it sent."""


@dataclass
class Session:
    """A gateway that speaks for the pumps `own` (indices). `wall_ms` is the clock; `obey` carries a command out."""

    name: str
    own: range
    outbox: Outbox
    address: Address
    birth: Callable[[Session], Birth]
    obey: Callable[[Session, GatewayCommand], Awaitable[Reply]]
    wall_ms: Callable[[], int]
    met: asyncio.Event = field(default_factory=asyncio.Event)
    link: Link = field(init=False)
    _introduced: bool = False
    _unheard_until: float = 0.0
    _disk_refuses: bool = False
    _orders: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        gone = encode(Status(gateway=self.name, state="offline", sent=self.wall_ms()))
        self.link = Link(
            self.address,
            f"pumpwatch-{self.name}",
            on_message=self._hear,
            on_published=self._confirmed,
            will=Will(topic_of(self.name, "status"), gone),
        )

    async def run(self, say: Callable[[str], None], chance: random.Random) -> None:
        """Keep the session open until cancelled."""
        try:
            await keep_open(self.link, self._speak, say=say, chance=chance)
        finally:
            for order in self._orders:
                order.cancel()
            self.outbox.close()

    def stamp(self) -> int:
        """Return the time of the next parcel, wall ms: never one twice, even if the clock steps back."""
        return max(self.wall_ms(), self.outbox.last_stamp + 1)

    def put(self, parcel: Parcel) -> None:
        """Send telemetry as soon as there is a connection and room on it."""
        refused = self.outbox.disk_refusals
        self.outbox.put(parcel)
        now_refused = self.outbox.disk_refusals > refused
        if now_refused != self._disk_refuses:
            self._disk_refuses = now_refused
            log.warning(
                "%s keeps samples %s", self.name, "in memory: the disk refuses them" if now_refused else "on disk"
            )
        self._send()

    def cut_off(self, *, cut: bool) -> None:
        """Drop the connection without a word and stay without, or try again from now on."""
        if cut and (self.link.alive or not self.link.barred):
            self.link.cut(f"the scenario keeps {self.name} from {self.address.url}")
        elif not cut:
            self.link.barred = ""

    def introduce(self) -> None:
        """Tell whom this gateway speaks for, and what they are prescribed now."""
        self.link.publish(topic_of(self.name, "birth"), encode(self.birth(self)), retain=True)

    def say_goodbye(self) -> None:
        """Tell that this gateway ends on purpose, and take its birth back: whoever comes later need not wait for it."""
        if self.link.alive:
            self._tell_status("offline")
            self.link.publish(topic_of(self.name, "birth"), b"", retain=True)

    async def _speak(self, link: Link) -> None:
        """Introduce the gateway on a new connection, send what is waiting, and keep its status fresh.

        Before the birth nothing else is sent; what was not confirmed when the connection ends goes first on the next.
        """
        for topic in (topic_of(self.name, "command"), confirmed_topic(self.name), RESEND):
            link.subscribe(topic)
        self.introduce()
        self._introduced = True
        self.met.set()
        told: tuple[int, int] | None = None
        try:
            while True:
                self._send()
                now = (self.outbox.waiting, self.outbox.dropped + self.outbox.refused)
                if told != now:
                    self._tell_status("online")
                    told = now
                await asyncio.sleep(STATUS_S)
        finally:
            self._introduced = False
            self.outbox.start_over()

    def _send(self) -> None:
        if not self._introduced or asyncio.get_running_loop().time() < self._unheard_until:
            return
        while self.link.alive and (parcel := self.outbox.next()) is not None:
            try:
                payload = self.outbox.payload(parcel)
            except OSError as error:
                log.warning("%s cannot read back %s samples: %s", self.name, parcel.samples, error)
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
        """Keep telemetry that reached nobody, as while the processor is away and the broker has forgotten it."""
        self.outbox.start_over()
        self._unheard_until = asyncio.get_running_loop().time() + UNHEARD_S

    def _tell_status(self, state: Literal["online", "offline"]) -> None:
        status = Status(
            gateway=self.name,
            state=state,
            sent=self.wall_ms(),
            waiting=self.outbox.waiting,
            dropped=self.outbox.dropped + self.outbox.refused,
        )
        self.link.publish(topic_of(self.name, "status"), encode(status), retain=True)

    def _hear(self, message: Message) -> None:
        if message.topic == RESEND:
            self.outbox.start_over()
            self._send()
        elif message.topic == confirmed_topic(self.name):
            try:
                self.outbox.durable(read_confirmation(message.payload).sent)
            except MessageError as error:
                log.warning("%s was sent a confirmation that is none: %s", self.name, error)
            self._send()
        else:
            self._take_order(message)

    def _take_order(self, message: Message) -> None:
        try:
            command = read_command(message.payload)
        except MessageError as error:
            log.warning("%s was sent a command that is none: %s", self.name, error)
            return
        if len(self._orders) >= MAX_ORDERS:
            self._reply(Reply(id=command.id, gateway=self.name, ok=False, text=f"{MAX_ORDERS} orders wait already"))
            return
        order = asyncio.create_task(self._answer(command))
        self._orders.add(order)
        order.add_done_callback(self._orders.discard)

    async def _answer(self, command: GatewayCommand) -> None:
        reply = await self.obey(self, command)
        log.info("%s: %s (by %s)", self.name, reply.text, command.who or "somebody")
        self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        if self.link.alive:
            self.link.publish(topic_of(self.name, "reply"), encode(reply))
