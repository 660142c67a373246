"""Peers in Python: an aiomqtt client that decodes and judges a sample at a time, in plain Python or with river.

Run as a process of its own: `python -m tests.bench.peer_python HOW PORT MESSAGES`. It says CONNECTED, FIRST and LAST.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.bench.six_rules import Pump, Row, judge, readings

SESSION_S: Final = 3600


def in_plain_python() -> Callable[[Row], None]:
    """Return what does the six rules sample by sample."""
    pumps: dict[str, Pump] = {}

    def take(row: Row) -> None:
        pump = pumps.get(row["pump"])
        if pump is None:
            pump = pumps[row["pump"]] = Pump()
        judge(pump, row)

    return take


def with_river() -> Callable[[Row], None]:
    """Return what gives six readings of each sample to six Page-Hinkley detectors of its pump."""
    detector: Any = importlib.import_module("river.drift").PageHinkley
    pumps: dict[str, list[Any]] = {}

    def take(row: Row) -> None:
        detectors = pumps.get(row["pump"])
        if detectors is None:
            detectors = pumps[row["pump"]] = [detector() for _ in range(6)]
        for each, reading in zip(detectors, readings(row), strict=True):
            each.update(reading)

    return take


HOW: Final = {"plain": in_plain_python, "river": with_river}


async def run(how: str, port: int, messages: int) -> None:
    """Take in so many messages."""
    take = HOW[how]()
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_S
    client = aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier=f"peer-{how}",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
    )
    async with client:
        await client.subscribe("itb/+/+/telemetry", qos=1)
        print("CONNECTED", flush=True)
        count = 0
        async for message in client.messages:
            take(json.loads(message.payload))  # type: ignore[arg-type]
            count += 1
            if count == 1:
                print("FIRST", flush=True)
            if count >= messages:
                print("LAST", flush=True)
                return


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
