"""This file is the topic tree: which topic says what, and how a topic is read back."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

SHARDS: Final = 64
"""Fixed for good: the shard is the key by which work is split over processes and machines."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
"""What a gateway or a pump may be called: it stands in topics, file names and pages."""


@dataclass(frozen=True)
class Leaf:
    """The last part of a gateway's topic: a row of `LEAVES`."""

    name: str
    retained: bool
    direction: str
    meaning: str


LEAVES: Final = (
    Leaf(
        "telemetry",
        False,
        "gateway → all",
        "samples, QoS 1: JSON (one, an array, one a line) or an Arrow stream",
    ),
    Leaf(
        "birth",
        True,
        "gateway → all",
        "which pumps the gateway speaks for, their kind, and how its time runs",
    ),
    Leaf("status", True, "gateway → all", "online or offline; offline is the gateway's will"),
    Leaf(
        "command",
        False,
        "person → gateway",
        "a fault to inject or clear, or a treatment (program, bolus, stop, refill, replace, interrogate), with an id",
    ),
    Leaf("reply", False, "gateway → person", "what became of the command with that id"),
)
LEAF_NAMES: Final = frozenset(leaf.name for leaf in LEAVES)

ALL: Final = "itb/#"
ALL_BIRTHS: Final = "itb/+/+/birth"
ALL_REPLIES: Final = "itb/+/+/reply"
TRUTH: Final = "pumpwatch/truth"
"""Where the simulator tells what is really wrong with which pump; the processor never reads it."""
PART: Final = "pumpwatch/part"
"""Where it is told which part of the system started or ended; the processor enters it in the journal."""
RESEND: Final = "pumpwatch/resend"
"""Where the processor asks all gateways to send again what it has not confirmed: the broker has forgotten it."""
COMMAND: Final = "pumpwatch/command"
"""Where people's actions on alarms go; the processor reads it."""
OUTCOME: Final = "pumpwatch/outcome"
"""Where the processor says what became of them."""


class TopicError(ValueError):
    """A topic that is not of the tree; the text says what is wrong and what is allowed."""


@dataclass(frozen=True)
class GatewayTopic:
    """A topic of the tree, taken apart."""

    shard: int
    gateway: str
    leaf: str


def shard_of(gateway: str) -> int:
    """Return the shard, 0 to 63, that our own gateways use for that name (CRC-32 mod 64: stable everywhere)."""
    return zlib.crc32(gateway.encode()) % SHARDS


def topic_of(gateway: str, leaf: str, shard: int | None = None) -> str:
    """Return the topic of one of `LEAVES` for a gateway; a stranger's own shard is kept when given."""
    if leaf not in LEAF_NAMES:
        raise TopicError(f"no topic ends in {leaf!r}; the endings are {', '.join(sorted(LEAF_NAMES))}")
    if not NAME.fullmatch(gateway):
        raise TopicError(f"{gateway!r} cannot be a gateway's name: {name_rule()}")
    return f"itb/{shard_of(gateway) if shard is None else shard:02d}/{gateway}/{leaf}"


def parse(topic: str) -> GatewayTopic:
    """Take a topic of the tree apart, or raise `TopicError` with the reason."""
    parts = topic.split("/")
    if len(parts) != 4 or parts[0] != "itb":
        raise TopicError(f"topic {topic[:120]!r} is not of the form itb/SHARD/GATEWAY/LEAF")
    _, shard, gateway, leaf = parts
    if not re.fullmatch(r"[0-9]{2}", shard) or int(shard) >= SHARDS:
        raise TopicError(f"shard {shard[:40]!r} is not one of 00 to {SHARDS - 1:02d}")
    if not NAME.fullmatch(gateway):
        raise TopicError(f"{gateway[:80]!r} cannot be a gateway's name: {name_rule()}")
    if leaf not in LEAF_NAMES:
        raise TopicError(f"no topic ends in {leaf[:40]!r}; the endings are {', '.join(sorted(LEAF_NAMES))}")
    return GatewayTopic(int(shard), gateway, leaf)


def name_rule() -> str:
    """Say what a name of a gateway or pump may be."""
    return "1 to 64 of letters, digits and _ . : - , beginning with a letter or digit"


def alarm_topic(priority: str) -> str:
    """Return where changes of alarms of that priority are announced."""
    return f"pumpwatch/alarms/{priority}"


def confirmed_topic(gateway: str) -> str:
    """Return where the processor tells a gateway which of its messages are durable (retained)."""
    return f"pumpwatch/confirmed/{gateway}"


def health_topic(part: str) -> str:
    """Return where a part says how it is (retained)."""
    return f"pumpwatch/health/{part}"
