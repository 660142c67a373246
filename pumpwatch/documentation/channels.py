"""Table of all topics with the messages on them; the AsyncAPI document and the topics page come from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from broker.contract import topics
from broker.contract.actions import Action, Outcome
from broker.contract.alarm_events import AlarmEvent
from broker.contract.commands import GatewayCommand, Reply
from broker.contract.gateway_messages import Birth, Confirmation, Status
from broker.contract.json_plain import WITH_SIGNALS
from broker.contract.part_notices import Notice
from broker.contract.presence import Presence
from broker.contract.signed import Envelope, Keys
from broker.contract.trace import Trace
from broker.store.snapshot import PRIORITIES, Health
from broker.truth.ground_truth import GroundTruth

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
ARROW: Final = "application/vnd.apache.arrow.stream"
MSGPACK: Final = "application/vnd.msgpack"


@dataclass(frozen=True)
class Sent:
    """One kind of message on a channel: its name, title, the type of its payload, and what it is encoded as.

    `signed` are the types that a signed message may hold; `form` is how the type is sent: one, an array of them, one
    per line, or a table; a message of form "empty" has no content, and what "private" ones hold is nobody else's.
    """

    name: str
    title: str
    kind: Any
    content: str = JSON
    form: str = "one"
    signed: tuple[type, ...] = ()


@dataclass(frozen=True)
class Channel:
    """One topic: a row of `CHANNELS`. `address` has its parameters in braces; `reply` names the channel of answers."""

    name: str
    address: str
    title: str
    meaning: str
    sent: tuple[Sent, ...]
    retained: bool = False
    reply: str = ""


PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "shard": {
        "description": f"Two digits, 00 to {topics.SHARDS - 1}. A gateway may choose its shard, but must keep it.",
        "examples": ["00", "19", f"{topics.SHARDS - 1}"],
    },
    "gateway": {"description": f"Name of the gateway: {topics.name_rule()}.", "examples": ["gw-0001", "mine"]},
    "priority": {"description": "Priority of the alarm (IEC 60601-1-8).", "enum": list(PRIORITIES)},
    "part": {"description": "Part of the system.", "enum": ["processor"]},
    "worker": {"description": "Name of the worker: its gateway's login.", "examples": ["load-1"]},
    "processor": {"description": "MQTT client id of the processor.", "examples": ["pumpwatch-processor"]},
}
"""What stands for the braces of an address."""


def _of_gateway(leaf: str, title: str, *sent: Sent, reply: str = "") -> Channel:
    row = next(row for row in topics.LEAVES if row.name == leaf)
    return Channel(leaf, f"itb/{{shard}}/{{gateway}}/{leaf}", title, row.meaning, sent, row.retained, reply)


def _of_workers(leaf: str, title: str, meaning: str, *, retained: bool = False, reply: str = "") -> Channel:
    name = f"worker{leaf.title()}"
    sent = (Sent(name, title, None, MSGPACK, form="private"),)
    return Channel(name, topics.load_topic("{worker}", leaf), title, meaning, sent, retained, reply)


CHANNELS: Final = (
    _of_gateway(
        "telemetry",
        "Samples of pumps",
        Sent("sample", "One sample", WITH_SIGNALS),
        Sent("samples", "Samples of one or many pumps, as an array", WITH_SIGNALS, form="array"),
        Sent("sampleLines", "Samples, one per line", WITH_SIGNALS, LINES, "lines"),
        Sent("sampleTable", "Samples as one Arrow IPC stream", WITH_SIGNALS, ARROW, "table"),
    ),
    _of_gateway("birth", "Introduction of a gateway", Sent("birth", "Birth", Birth)),
    _of_gateway("status", "Presence of a gateway", Sent("status", "Status", Status)),
    _of_gateway(
        "command",
        "Commands to a gateway",
        Sent("signedCommand", "Signed command", Envelope, signed=get_args(GatewayCommand)),
        reply="reply",
    ),
    _of_gateway("reply", "Results of commands", Sent("reply", "Reply", Reply)),
    Channel(
        "alarms",
        topics.alarm_topic("{priority}"),
        "Changes of alarms",
        "each change of an annunciated alarm of that priority, for pagers and other systems",
        (Sent("alarmEvent", "Alarm event", AlarmEvent),),
    ),
    Channel(
        "actions",
        topics.COMMAND,
        "Operator actions",
        "operator actions on alarms and pumps, signed, for the processor",
        (Sent("signedAction", "Signed operator action", Envelope, signed=get_args(Action)),),
        reply="outcomes",
    ),
    Channel(
        "outcomes",
        topics.OUTCOME,
        "Outcomes of operator actions",
        "outcomes of operator actions",
        (Sent("outcome", "Outcome", Outcome),),
    ),
    Channel(
        "confirmations",
        topics.confirmed_topic("{gateway}"),
        "Confirmations to a gateway",
        "the `sent` up to which the samples of a gateway are durable",
        (Sent("confirmation", "Confirmation", Confirmation),),
        retained=True,
    ),
    Channel(
        "resend",
        topics.RESEND,
        "Request to resend",
        "request to all gateways to resend unconfirmed samples, after the broker has lost them",
        (Sent("resend", "Request to resend", None, form="empty"),),
    ),
    Channel(
        "keys",
        topics.KEYS,
        "Public keys",
        "public keys that commands and actions are signed with",
        (Sent("keys", "Public keys", Keys),),
        retained=True,
    ),
    Channel(
        "health",
        topics.health_topic("{part}"),
        "Health of a part",
        "health of a part of the system",
        (Sent("health", "Health of the processor", Health),),
        retained=True,
    ),
    Channel(
        "processors",
        "pumpwatch/processor/{processor}",
        "Presence of a processor",
        "which processor uses the broker; a second one refuses to run",
        (Sent("presence", "Presence", Presence),),
        retained=True,
    ),
    Channel(
        "parts",
        topics.PART,
        "Starts and ends of parts",
        "starts and ends of parts of the system, for the journal",
        (Sent("notice", "Notice of a part", Notice),),
    ),
    Channel(
        "truth",
        topics.TRUTH,
        "Ground truth",
        "ground truth: the faults injected into each simulated pump; the processor never reads it",
        (Sent("groundTruth", "Changes of faults", GroundTruth),),
    ),
    Channel(
        "trace",
        topics.TRACE,
        "Trace of messages",
        "when the processor handled each message; only with `pumpwatch process --trace`",
        tuple(Sent(f"trace{kind.__name__}", f"Trace: {kind.__name__.lower()}", kind) for kind in get_args(Trace)),
    ),
    _of_workers("state", "State of a worker", "which workers of load tests there are", retained=True),
    _of_workers("orders", "Orders to a worker", "orders of `pumpwatch load` to a worker", reply="workerAnswers"),
    _of_workers("answers", "Answers of a worker", "what a worker sent, and pings of its clock"),
)
"""Every topic, in the order of the reference."""
