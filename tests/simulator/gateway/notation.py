"""Gateways with one pump, for the tests of sessions."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from broker.contract.commands import Reply
from broker.contract.gateway_messages import Birth, Pumps
from broker.mqtt.address import parse_url
from simulator.gateway.outbox import Outbox
from simulator.gateway.session import Session
from tests.unsigned import Unsigned

START_MS = 1_767_225_600_000
STAMP = 1_790_000_000_000


async def refuse(session: Session, command: object) -> Reply:
    return Reply(id=getattr(command, "id", ""), gateway=session.name, ok=False, text="takes no commands")


def gateway(name: str, broker: str) -> Session:
    born = Birth(gateway=name, pumps=Pumps(serial=["S-1"]), sent=STAMP, time=START_MS)
    outbox = Outbox(10_000, patient=True)
    return Session(
        name,
        range(1),
        outbox,
        parse_url(broker),
        birth=lambda _: born,
        execute=refuse,
        wall_ms=lambda: STAMP,
        verifier=Unsigned(),
    )


@contextlib.asynccontextmanager
async def at_work(session: Session) -> AsyncIterator[None]:
    running = asyncio.create_task(session.run(lambda _: None, random.Random(1)))
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
