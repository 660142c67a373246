"""Messages of one JSON sample each that wait in a Mosquitto for clients that are away: made by a simulated fleet."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.codec import encode_json
from broker.contract.topics import topic_of
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

INTERVAL_MS: Final = 60_000
IN_FLIGHT: Final = 20_000
"""Publications that the broker has not confirmed, at most."""
TOGETHER: Final = 500


@dataclass(frozen=True)
class Telemetry:
    """A message and where it is published: each pump is a gateway of its own."""

    topic: str
    payload: bytes


def one_sample_each(pumps: int, ticks: int, now_ms: int) -> list[Telemetry]:
    """Return the samples of a healthy fleet, tick by tick; the last tick is at `now_ms` of both clocks."""
    simulation = Simulation(default(pumps=pumps, seed=1), start_ms=now_ms - ticks * INTERVAL_MS)
    topics, made = list[str](), list[Telemetry]()
    for _ in range(ticks):
        samples = simulation.tick().drop("index").with_columns(pl.lit(now_ms).alias("sent"))
        topics = topics or [topic_of(f"gateway-{serial}", "telemetry") for serial in samples["pump"]]
        made += map(Telemetry, topics, encode_json(samples).split(b"\n"))
    return made


def publish(host: str, port: int, messages: list[Telemetry]) -> None:
    """Publish messages with QoS 1, as fast as the broker confirms them: faster than a client library would."""
    confirmed = threading.Semaphore(IN_FLIGHT)
    ids = itertools.cycle(range(1, 65_536))
    with socket.create_connection((host, port)) as connection:
        connection.sendall(_packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x00\x00" + _text("bench")))
        connection.recv(1_000)
        reader = threading.Thread(target=_count, args=(connection, confirmed, len(messages)))
        reader.start()
        for part in _parts(messages):
            for _ in part:
                confirmed.acquire()
            packets = (
                _packet(0x32, _text(each.topic) + next(ids).to_bytes(2) + b"\x00" + each.payload) for each in part
            )
            connection.sendall(b"".join(packets))
        reader.join()


def _count(connection: socket.socket, confirmed: threading.Semaphore, count: int) -> None:
    """Release one for each confirmation; all of these have the same length, as each message has a subscriber."""
    received = 0
    while received < 4 * count:
        before = received // 4
        received += len(connection.recv(65_536))
        if received // 4 > before:
            confirmed.release(received // 4 - before)


def _parts(messages: list[Telemetry]) -> Iterator[list[Telemetry]]:
    for first in range(0, len(messages), TOGETHER):
        yield messages[first : first + TOGETHER]


def _text(text: str) -> bytes:
    return len(text).to_bytes(2) + text.encode()


def _packet(first: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while rest > 127:
        length, rest = length + bytes([rest % 128 | 128]), rest // 128
    return bytes([first]) + length + bytes([rest]) + body


def wait(seconds: float, what: str) -> Iterator[None]:
    """Yield every 50 ms until `seconds` have passed; then fail."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield
        time.sleep(0.05)
    raise AssertionError(f"{what} within {seconds:g} s")
