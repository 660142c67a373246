"""Users of a NATS server with an MQTT listener, and what each may do: Mosquitto's table of access as NATS reads it.

An MQTT topic is a subject of NATS (`/` is `.`, `+` is `*`, `#` is `>`), so that the same table holds for both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from broker.contract.topics import NAME, name_rule
from broker.mqtt.topic_access import GATEWAY, OWN, PERMISSIONS, SYSTEM_USERS
from cluster.nats_server import Login

INTERNAL: Final = ("$MQTT.sub.>",)
"""What an MQTT client must be able to subscribe to: messages of QoS 1 reach its sessions by these subjects."""


def authorization(nodes: Login, parts: Mapping[str, str], gateways: Mapping[str, str]) -> str:
    """Return the block `authorization` of a server's configuration.

    `nodes` is the login of the nodes, which may do all; `parts` and `gateways` are passwords by user. A gateway's
    user name is its name in the topic: it can publish as no other. Raises `ValueError` for a name that a gateway
    cannot have or a part that is none.
    """
    for name in gateways:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is not a valid gateway name: {name_rule()}")
        if "." in name:
            raise ValueError(f"{name[:80]!r} has a dot, which a NATS server accepts in no client id; use - instead")
        if name == nodes.user:
            raise ValueError(f"{name!r} is the login of the nodes; choose another name for this gateway")
    unknown = [name for name in parts if name not in SYSTEM_USERS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no part of the system; parts are {', '.join(SYSTEM_USERS)}")
    users = [
        f"    {{ user: {json.dumps(nodes.user)}, password: {json.dumps(nodes.password)} }}",
        *(_user(name, password, name) for name, password in parts.items()),
        *(_user(name, password, GATEWAY) for name, password in gateways.items()),
    ]
    return "\n".join(("authorization {", "  users: [", *users, "  ]", "}", ""))


def subject_of(topic: str) -> str:
    """Return the subject of NATS that an MQTT topic filter is."""
    return ".".join({"+": "*", "#": ">"}.get(level, level) for level in topic.split("/"))


def _user(name: str, password: str, row: str) -> str:
    publish, subscribe = (json.dumps(sorted(_subjects(name, row, action))) for action in ("write", "read"))
    return (
        f"    {{ user: {json.dumps(name)}, password: {json.dumps(password)}, permissions: {{\n"
        f"      publish: {publish}\n      subscribe: {subscribe}\n    }} }}"
    )


def _subjects(name: str, row: str, action: str) -> Iterator[str]:
    for permission in PERMISSIONS:
        if permission.user == row and permission.action == action and not permission.topic.startswith("$"):
            yield subject_of(permission.topic.replace(OWN, name))
    if action == "read":
        yield from INTERNAL
