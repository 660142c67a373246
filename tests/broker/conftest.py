"""A Mosquitto of a test's own, which it may kill and start again; samples; waiting for what must come."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.link import learn_protocol
from broker.mqtt.mosquitto_config import find

ENOUGH_S = 20.0
START_MS = 1_767_225_600_000


@dataclass
class OwnBroker:
    """A Mosquitto on one port. It is ended by its process, never by its name."""

    port: int
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        program = find(os.environ.get("PATH"))
        assert program is not None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([program, "-p", str(self.port)], stdout=log, stderr=log)
        async with asyncio.timeout(ENOUGH_S):
            while True:
                try:
                    await learn_protocol(parse_url(self.url))
                except LinkError:
                    await asyncio.sleep(0.02)
                else:
                    return

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(ENOUGH_S)
            self._process = None


@pytest.fixture
def own_broker(mosquitto: str, free_port: int, tmp_path: Path) -> Iterator[OwnBroker]:
    """A Mosquitto that is not started yet; `mosquitto` only says whether there is one here."""
    broker = OwnBroker(free_port, tmp_path / "mosquitto.log")
    yield broker
    broker.kill()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait until something is true, or fail."""

    async def wait(true: Callable[[], object]) -> None:
        async with asyncio.timeout(ENOUGH_S):
            while not true():
                await asyncio.sleep(0.01)

    return wait


def make_samples(**columns: list[object]) -> pl.DataFrame:
    rows = max(map(len, columns.values()), default=1)
    start = {"pump": ["A"] * rows, "time": [START_MS + 60_000 * at for at in range(rows)]}
    given = {**start, **columns}
    return pl.DataFrame({name: given.get(name, [None] * rows) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


@pytest.fixture(scope="session")
def samples() -> Callable[..., pl.DataFrame]:
    """Return samples of pump A, one a minute from 2026-01-01, all unknown but for the columns given."""
    return make_samples
