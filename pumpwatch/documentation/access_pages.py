"""Reference of who may publish and subscribe to what at the broker."""

from __future__ import annotations

from typing import Final

from broker.mqtt import topic_access
from pumpwatch.documentation.markdown import code, page, table

USERS: Final = {
    topic_access.GATEWAY: "every gateway, by its name",
    topic_access.PROCESSOR: "the processor",
    topic_access.DASHBOARD: "the dashboard",
    topic_access.OPERATOR: "the command line",
    topic_access.SIMULATOR: "the simulator, for ground truth; each simulated gateway logs in as itself",
    topic_access.SUPERVISOR: "`pumpwatch run`",
    topic_access.LOAD: "`pumpwatch load` with workers",
    topic_access.MONITOR: "tools that watch the broker",
}


def broker_access_page() -> str:
    """Return the reference of the access table."""
    rows = (
        (
            code(row.user) if row.user != topic_access.GATEWAY else "gateway",
            "publishes" if row.action == "write" else "reads",
            code(row.topic.replace(topic_access.OWN, "{gateway}")),
            row.why,
        )
        for row in topic_access.PERMISSIONS
    )
    users = ((code(user) if user != topic_access.GATEWAY else "gateway", meaning) for user, meaning in USERS.items())
    return page(
        "Broker access",
        "Who may do what at the broker that Pumpwatch starts. Everything else is refused. [Access](../access.md) says "
        "how gateways and parts log in.",
        table(("user", "who"), users),
        table(("user", "may", "topic", "for"), rows),
    )
