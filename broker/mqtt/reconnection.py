"""This file keeps a session open: after each loss it is tried again, not by all at once, and people are told once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from broker.mqtt.link import Link, LinkError

MIN_WAIT_S: Final = 0.2
MAX_WAIT_S: Final = 15.0


async def keep_open(
    link: Link,
    session: Callable[[Link], Awaitable[None]],
    *,
    say: Callable[[str], None],
    chance: random.Random,
) -> None:
    """Run `session` on an open link, again and again until cancelled, each time the connection was lost.

    Waits between tries grow from 0.2 s to 15 s and are drawn at random below that, so that a thousand gateways
    do not come back in the same instant. Failure and recovery are said once each, through `say`.
    """
    failures = 0
    while True:
        try:
            await link.open()
            if failures:
                say(f"connected to {link.address.url} again after {failures} tries")
            failures = 0
            running = asyncio.ensure_future(session(link))
            ending = asyncio.ensure_future(link.ended())
            try:
                await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
                say(f"lost {link.address.url}: {ending.result() if ending.done() else 'session over'}")
            finally:
                running.cancel()
                ending.cancel()
                await asyncio.gather(running, ending, return_exceptions=True)
        except LinkError as error:
            if not failures:
                say(f"{error}; trying again")
        finally:
            await link.close()
        failures += 1
        await asyncio.sleep(chance.uniform(0, min(MAX_WAIT_S, MIN_WAIT_S * 2 ** min(failures, 12))))
