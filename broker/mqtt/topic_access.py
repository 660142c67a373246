"""Topic access: who may publish and subscribe to what, as a table, and the access files of Mosquitto made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from broker.contract import topics

GATEWAY: Final = "GATEWAY"
"""The user of a row that holds for every gateway; its user name is the gateway's name."""
PROCESSOR: Final = "_processor"
DASHBOARD: Final = "_dashboard"
OPERATOR: Final = "_operator"
SIMULATOR: Final = "_simulator"
SUPERVISOR: Final = "_supervisor"
MONITOR: Final = "_monitor"
LOAD: Final = "_load"
SYSTEM_USERS: Final = (PROCESSOR, DASHBOARD, OPERATOR, SIMULATOR, SUPERVISOR, MONITOR, LOAD)
"""Users of the parts of the system; they begin with an underscore, which no gateway's name may."""
OWN: Final = "%u"
"""Mosquitto replaces it by the name of the user who is connected."""
ALL_COMMANDS: Final = "itb/+/+/command"
EVERY: Final = "+"


@dataclass(frozen=True)
class Permission:
    """One row: a user may `write` (publish) or `read` (subscribe to and receive) a topic filter."""

    user: str
    action: Literal["write", "read"]
    topic: str
    why: str


def _own(leaf: str) -> str:
    return f"itb/+/{OWN}/{leaf}"


PERMISSIONS: Final = (
    Permission(GATEWAY, "write", _own("telemetry"), "its samples"),
    Permission(GATEWAY, "write", _own("birth"), "its pumps"),
    Permission(GATEWAY, "write", _own("status"), "whether it is online"),
    Permission(GATEWAY, "write", _own("reply"), "results of its commands"),
    Permission(GATEWAY, "read", _own("command"), "its commands"),
    Permission(GATEWAY, "read", topics.confirmed_topic(OWN), "which of its samples are durable"),
    Permission(GATEWAY, "read", topics.RESEND, "when to resend"),
    Permission(GATEWAY, "read", topics.KEYS, "which keys sign its commands"),
    Permission(GATEWAY, "write", topics.load_topic(OWN, "state"), "that it is a worker of load tests"),
    Permission(GATEWAY, "write", topics.load_topic(OWN, "answers"), "what it sent as a worker of a load test"),
    Permission(GATEWAY, "read", topics.load_topic(OWN, "orders"), "its orders as a worker of a load test"),
    Permission(PROCESSOR, "read", topics.ALL, "telemetry, births, statuses, commands and replies"),
    Permission(PROCESSOR, "read", topics.COMMAND, "operator actions"),
    Permission(PROCESSOR, "read", topics.PART, "starts and ends of parts"),
    Permission(PROCESSOR, "read", topics.ALL_PROCESSORS, "whether another processor is online"),
    Permission(PROCESSOR, "write", topics.ALL_PROCESSORS, "that it is online"),
    Permission(PROCESSOR, "write", topics.confirmed_topic(EVERY), "which samples are durable"),
    Permission(PROCESSOR, "write", topics.KEYS, "which keys sign commands"),
    Permission(PROCESSOR, "write", topics.RESEND, "request to resend"),
    Permission(PROCESSOR, "write", topics.OUTCOME, "results of operator actions"),
    Permission(PROCESSOR, "write", topics.alarm_topic(EVERY), "changes of alarms"),
    Permission(PROCESSOR, "write", topics.TRACE, "when it handled each message, for load tests"),
    Permission(PROCESSOR, "write", topics.health_topic(EVERY), "its health"),
    *(
        permission
        for user in (DASHBOARD, OPERATOR)
        for permission in (
            Permission(user, "write", ALL_COMMANDS, "commands to gateways"),
            Permission(user, "write", topics.COMMAND, "operator actions"),
            Permission(user, "read", topics.ALL_BIRTHS, "which gateways there are"),
            Permission(user, "read", topics.ALL_REPLIES, "results of commands"),
            Permission(user, "read", topics.OUTCOME, "results of operator actions"),
            Permission(user, "read", topics.health_topic(EVERY), "health of the parts"),
        )
    ),
    Permission(SIMULATOR, "write", topics.TRUTH, "which faults are injected"),
    Permission(SUPERVISOR, "write", topics.PART, "starts and ends of parts"),
    Permission(LOAD, "read", topics.load_topic(EVERY, "state"), "which workers of load tests there are"),
    Permission(LOAD, "read", topics.load_topic(EVERY, "answers"), "what workers of load tests sent"),
    Permission(LOAD, "write", topics.load_topic(EVERY, "orders"), "orders to workers of load tests"),
    Permission(MONITOR, "read", "#", "everything, for tools that watch the broker"),
    Permission(MONITOR, "read", "$SYS/#", "counters of Mosquitto"),
)
"""Everything that is allowed; all else is refused."""


def gateway_access() -> str:
    """Return the access file for the listener of gateways."""
    lines = (f"pattern {row.action} {row.topic}" for row in PERMISSIONS if row.user == GATEWAY)
    return "".join(f"{line}\n" for line in lines)


def certificate_access(gateways: Iterable[str]) -> str:
    """Return the access file for the listener of gateways with certificates, each by its name.

    A gateway that is removed is so refused at its next message, although its connection stands.
    """
    rows = [row for row in PERMISSIONS if row.user == GATEWAY]
    return "\n".join(
        "".join([f"user {name}\n", *(f"topic {row.action} {row.topic.replace(OWN, name)}\n" for row in rows)])
        for name in gateways
    )


def system_access() -> str:
    """Return the access file for the listener of the parts of the system."""
    return "\n".join("".join(f"{line}\n" for line in _of(user)) for user in SYSTEM_USERS)


def _of(user: str) -> Iterator[str]:
    yield f"user {user}"
    yield from (f"topic {row.action} {row.topic}" for row in PERMISSIONS if row.user == user)
