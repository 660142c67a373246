"""Disturbances of a load test: a part that hangs, and a subscriber that reads slowly beside the processor."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from typing import Final

import psutil

from broker.contract.topics import ALL
from broker.mqtt.address import Address, LinkError
from broker.mqtt.link import Link
from broker.mqtt.reconnection import keep_open

READ_S: Final = 0.05
"""How long the slow consumer reads at a time; between, it leaves everything with the broker."""
PAUSE_S: Final = 1.0


async def pause(pid: int, hold_s: float) -> None:
    """Stop a process and all that it started, as a machine that hangs does, and let them go on after `hold_s`."""
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    _signal(processes, signal.SIGSTOP)
    try:
        await asyncio.sleep(hold_s)
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


async def consume_slowly(address: Address, hold_s: float, report: Callable[[str], None]) -> int:
    """Subscribe to all telemetry for `hold_s`, and read it a twentieth of the time; return how many messages came.

    What it does not read waits in the broker's queue for it: the broker's memory shows what that costs.
    """
    received = 0

    def receive(messages: list[object]) -> None:
        nonlocal received
        received += len(messages)

    link = Link(address, f"pumpwatch-load-slow-{random.randrange(10**6)}", on_messages=receive)  # type: ignore[arg-type]

    async def session(connected: Link) -> None:
        connected.subscribe(ALL)
        while True:
            await asyncio.sleep(READ_S)
            connected.pause_reading()
            await asyncio.sleep(PAUSE_S)
            connected.resume_reading()

    try:
        async with asyncio.timeout(hold_s):
            await keep_open(link, session, report=report, chance=random.Random())
    except TimeoutError:
        pass
    except LinkError as error:
        report(f"the slow consumer could not read: {error}")
    finally:
        await link.close()
    return received
