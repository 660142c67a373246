"""Reconnection: reopens a session after each loss, with jittered exponential back-off, and reports each outage once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from broker.mqtt.address import Address, LinkError, TakenOverError
from broker.mqtt.link import Link
from broker.mqtt.reasons import SESSION_TAKEN_OVER

MIN_WAIT_S: Final = 0.2
MAX_WAIT_S: Final = 15.0
MAX_DOUBLINGS: Final = 12
SHORT_SESSION_S: Final = 5.0
MAX_SHORT_SESSIONS: Final = 5
"""This many short sessions in a row, ended by the broker on a working network, count as a takeover: Mosquitto 2.0
gives no reason."""


async def keep_open(
    link: Link,
    session: Callable[[Link], Awaitable[None]],
    *,
    report: Callable[[str], None],
    chance: random.Random,
    network_fine: Callable[[], bool] = lambda: False,
) -> None:
    """Run `session` on an open link and, whenever the connection is lost, on a new one, until cancelled.

    Waits between attempts are random, from 0 to a limit that doubles from 0.4 s to 15 s, so that a thousand gateways do
    not reconnect at the same instant. `report` gets one message for each outage and one for its end. Raises
    `TakenOverError` if another client connected with the same client id: reconnecting would throw that one out.
    `network_fine` tells whether another connection to this broker stands, so that it was not the network.
    """
    failures = short = 0
    while True:
        outage = None
        try:
            await link.open()
            if failures:
                report(
                    f"Reconnected to {link.address.url} after {failures} {'attempt' if failures == 1 else 'attempts'}"
                )
            failures = 0
            began = time.monotonic()
            reason = await _run_until_lost(link, session)
            soon = time.monotonic() - began < SHORT_SESSION_S
            short = short + 1 if soon and not link.closed and network_fine() else 0
            _check_taken_over(link, short)
            outage = f"Connection to {link.address.url} lost ({reason})"
        except LinkError as error:
            if isinstance(error, TakenOverError):
                raise
            if error.code == SESSION_TAKEN_OVER:
                raise taken_over(link.client_id, link.address) from error
            if not failures:
                outage = str(error)[:1].upper() + str(error)[1:]
        finally:
            await link.close()
        failures += 1
        wait_s = chance.uniform(0, min(MAX_WAIT_S, MIN_WAIT_S * 2 ** min(failures, MAX_DOUBLINGS)))
        if outage is not None:
            report(f"{outage}; next attempt in {wait_s:.1f} s")
        await asyncio.sleep(wait_s)


def taken_over(client_id: str, address: Address) -> TakenOverError:
    """Return the error that says which client id is used twice."""
    return TakenOverError(
        f"another client with the id {client_id} connected to {address.url} and took over the session; "
        "stop one of the two, or give one another broker",
        SESSION_TAKEN_OVER,
    )


def _check_taken_over(link: Link, short: int) -> None:
    if link.end_code == SESSION_TAKEN_OVER or short >= MAX_SHORT_SESSIONS:
        raise taken_over(link.client_id, link.address)


async def _run_until_lost(link: Link, session: Callable[[Link], Awaitable[None]]) -> str:
    """Run a session until it ends or the connection does; return why, or raise what the session raised."""
    running = asyncio.ensure_future(session(link))
    ending = asyncio.ensure_future(link.ended())
    try:
        await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        return ending.result() if ending.done() else "session ended"
    finally:
        running.cancel()
        ending.cancel()
        await asyncio.gather(running, ending, return_exceptions=True)
