"""Payloads that went wrong on their way: bytes flipped, left out, doubled, put in, exchanged; the same by seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import polars as pl

from broker.contract.codec import encode_arrow, encode_json
from broker.contract.signals import SAMPLE_SCHEMA

START_MS = 1_767_225_600_000

VOLTS = ((1, 3.0), (2, None), (3, 2.9))
AWKWARD = (b"", b"\xff", b"\x00", b"{", b"[", b"]", b"null", b"NaN", b"-0", b"1e999", b'"', b"\xff\xff\xff\xff", b"\n")
"""What readers of JSON and Arrow stumble over."""


def seeds() -> list[bytes]:
    """Return payloads of every form of the contract."""
    rows = [{"pump": "A", "time": START_MS + at, "seq": at, "flow_ul_h": 8.1, "battery_v": volt} for at, volt in VOLTS]
    many = pl.DataFrame([dict.fromkeys(SAMPLE_SCHEMA) | row for row in rows], schema=SAMPLE_SCHEMA)
    one = many.head(1)
    lines = encode_json(many)
    return [encode_json(one), lines, b"[" + lines.replace(b"\n", b",") + b"]", encode_arrow(one), encode_arrow(many)]


def mutated(count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` payloads, each a good one with one to four things wrong."""
    chance, good = random.Random(seed), seeds()
    for _ in range(count):
        payload = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            _mutate(payload, chance)
        yield bytes(payload)


def _mutate(payload: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(payload) + 1)
    end = min(len(payload), at + chance.randint(1, 24))
    match chance.randrange(5):
        case 0:
            if at < len(payload):
                payload[at] ^= 1 << chance.randrange(8)
        case 1:
            del payload[at:end]
        case 2:
            payload[at:at] = payload[at:end]
        case 3:
            payload[at:at] = chance.choice(AWKWARD)
        case _:
            payload[at:end] = chance.randbytes(end - at)
