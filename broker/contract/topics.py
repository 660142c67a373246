"""Topic tree: builds and parses the topics of gateways, alarms, commands and health."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

SHARDS: Final = 64
"""Number of shards, never to be changed: the shard is the key for splitting work across processes and machines."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
"""Allowed names of gateways and pumps, which appear in topics, file names and pages."""


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
        "samples, QoS 1: JSON (one sample, an array, or one per line) or an Arrow stream",
    ),
    Leaf(
        "birth",
        True,
        "gateway → all",
        "the gateway's pumps and their models, and the speed of its therapy time",
    ),
    Leaf("status", True, "gateway → all", "online or offline; offline is the gateway's last will"),
    Leaf(
        "command",
        False,
        "person → gateway",
        "a signed command with an id: inject or clear a fault, play a scenario, or treat (program, bolus, stop, "
        "refill, replace, interrogate)",
    ),
    Leaf("reply", False, "gateway → person", "the result of the command with that id"),
)
LEAF_NAMES: Final = frozenset(leaf.name for leaf in LEAVES)

ALL: Final = "itb/#"
ALL_BIRTHS: Final = "itb/+/+/birth"
ALL_REPLIES: Final = "itb/+/+/reply"
TRUTH: Final = "pumpwatch/truth"
"""Ground truth: the simulator publishes which pumps have which injected faults; the processor never reads it."""
PART: Final = "pumpwatch/part"
"""Start and stop notices of the parts of the system; the processor records them in the journal."""
RESEND: Final = "pumpwatch/resend"
"""Request of the processor to all gateways to resend what it has not confirmed, after the broker lost its session."""
COMMAND: Final = "pumpwatch/command"
"""Operator actions on alarms; the processor reads it."""
KEYS: Final = "pumpwatch/keys"
"""Public keys that sign commands and actions, published by the processor (retained); gateways verify with them."""
TRACE: Final = "pumpwatch/trace"
"""When the processor received, judged, stored and showed each message, while it runs with `--trace`."""
OUTCOME: Final = "pumpwatch/outcome"
"""Results of operator actions, published by the processor."""

ALL_PROCESSORS: Final = "pumpwatch/processor/+"


class TopicError(ValueError):
    """A topic outside the tree; the message says what is wrong and what is allowed."""


@dataclass(frozen=True)
class GatewayTopic:
    """Parts of a gateway's topic."""

    shard: int
    gateway: str
    leaf: str


def shard_of(gateway: str) -> int:
    """Return the shard, 0 to 63, that our gateways use for that name: CRC-32 mod 64, the same on every machine."""
    return zlib.crc32(gateway.encode()) % SHARDS


def topic_of(gateway: str, leaf: str, shard: int | None = None) -> str:
    """Return the topic of a gateway for one of `LEAVES`, under the gateway's own `shard` if it is given."""
    if leaf not in LEAF_NAMES:
        raise TopicError(f"no topic ends in {leaf!r}; allowed endings are {', '.join(sorted(LEAF_NAMES))}")
    if not NAME.fullmatch(gateway):
        raise TopicError(f"{gateway!r} is not a valid gateway name: {name_rule()}")
    return f"itb/{shard_of(gateway) if shard is None else shard:02d}/{gateway}/{leaf}"


def parse(topic: str) -> GatewayTopic:
    """Parse the topic of a gateway; raise `TopicError` with the reason if it is outside the tree."""
    parts = topic.split("/")
    if len(parts) != 4 or parts[0] != "itb":
        raise TopicError(f"topic {topic[:120]!r} does not have the form itb/SHARD/GATEWAY/LEAF")
    _, shard, gateway, leaf = parts
    if not re.fullmatch(r"[0-9]{2}", shard) or int(shard) >= SHARDS:
        raise TopicError(f"shard {shard[:40]!r} is not one of 00 to {SHARDS - 1:02d}")
    if not NAME.fullmatch(gateway):
        raise TopicError(f"{gateway[:80]!r} is not a valid gateway name: {name_rule()}")
    if leaf not in LEAF_NAMES:
        raise TopicError(f"no topic ends in {leaf[:40]!r}; allowed endings are {', '.join(sorted(LEAF_NAMES))}")
    return GatewayTopic(int(shard), gateway, leaf)


def name_rule() -> str:
    """Return the rule for names of gateways and pumps, for error messages."""
    return "1 to 64 letters, digits or _ . : - , beginning with a letter or digit"


def alarm_topic(priority: str) -> str:
    """Return the topic for changes of alarms of that priority."""
    return f"pumpwatch/alarms/{priority}"


def confirmed_topic(gateway: str) -> str:
    """Return the topic where the processor confirms which of a gateway's messages are durable (retained)."""
    return f"pumpwatch/confirmed/{gateway}"


def processor_topic(client_id: str) -> str:
    """Return the topic where the processor with that MQTT client id says that it is online (retained)."""
    return f"pumpwatch/processor/{client_id}"


def load_topic(worker: str, leaf: str) -> str:
    """Return the topic of a worker of a load test: its `state` (retained), its `orders` or its `answers`."""
    return f"pumpwatch/load/{worker}/{leaf}"


def worker_of(topic: str) -> tuple[str, str]:
    """Return the worker and the leaf of a topic of `load_topic`."""
    _, _, worker, leaf = topic.split("/", 3)
    return worker, leaf


def health_topic(part: str) -> str:
    """Return the topic for the health of a part of the system (retained)."""
    return f"pumpwatch/health/{part}"
