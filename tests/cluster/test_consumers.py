"""Consumers that exist with another configuration keep a node from joining, with a sentence that names them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.consumers import existing
from cluster.nats_server import max_ack_pending
from cluster.preflight import existing_problems


def consumer(name: str, pending: int, subject: str = "$MQTT.msgs.itb.00.*.*") -> dict[str, Any]:
    return {"name": name, "config": {"filter_subject": subject, "max_ack_pending": pending}}


@dataclass
class Servers:
    """Servers that list these consumers, two a page; None if there is no log."""

    consumers: list[dict[str, Any]] | None
    asked: list[int] = field(default_factory=list)

    async def request(self, subject: str, payload: bytes = b"") -> bytes:
        assert subject == "$JS.API.CONSUMER.LIST.$MQTT_msgs"
        if self.consumers is None:
            return json.dumps({"error": {"code": 404, "description": "stream not found"}}).encode()
        offset = json.loads(payload)["offset"]
        self.asked.append(offset)
        page = self.consumers[offset : offset + 2]
        return json.dumps({"total": len(self.consumers), "offset": offset, "consumers": page}).encode()


async def test_consumers_as_they_should_be_keep_nobody_away() -> None:
    servers = Servers(
        [consumer("a", max_ack_pending(8)), consumer("b", 100), consumer("c", 65_535, "$MQTT.msgs.other")]
    )
    assert await existing(servers, 8) == []
    assert servers.asked == [0, 2]
    assert await existing(Servers(None), 8) == []


async def test_a_consumer_with_too_many_unacknowledged_messages_is_named_with_what_is_needed() -> None:
    servers = Servers([consumer("a", 100), consumer("b", 100), consumer("session_7", 65_535)])
    (sentence,) = existing_problems(await existing(servers, 8))
    assert sentence.startswith(
        "The consumer session_7 exists with max_ack_pending 65535, but max_ack_pending 5461 is needed; nothing was "
        "changed. Delete the consumer"
    )


@pytest.mark.parametrize("answer", [{}, {"consumers": None}, {"consumers": [{}], "total": 1}])
async def test_an_answer_without_consumers_is_none(answer: dict[str, Any]) -> None:
    class Strange:
        async def request(self, subject: str, payload: bytes = b"") -> bytes:
            return json.dumps(answer).encode()

    assert await existing(Strange(), 8) == []
