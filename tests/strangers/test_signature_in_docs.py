"""The verification that docs/ingest.md shows to strangers accepts and refuses what our own does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from broker.contract.commands import Stop
from broker.contract.messages import encode
from tests.signing import STRANGER, keys, signed

NOW = 1_790_000_000_000
TOPIC = "itb/00/ward/command"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "ingest.md"


@pytest.fixture
def command_of() -> Callable[..., dict[str, Any]]:
    [snippet] = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    known = json.loads(encode(keys()))
    return lambda topic, message, now=NOW: names["command_of"](topic, message, known, now)


def stop(name: str = "7", *pumps: str) -> Stop:
    return Stop(id=name, pumps=list(pumps), who="anna", at=NOW)


def test_it_accepts_what_the_dashboard_sends(command_of: Any) -> None:
    message = signed(TOPIC, stop("7", "A"))
    assert [command_of(TOPIC, message)["pumps"] for _ in range(2)] == [["A"], ["A"]]


def test_it_refuses_what_processor_and_simulator_refuse(command_of: Any) -> None:
    message = signed(TOPIC, stop())
    command_of(TOPIC, message)
    for topic, payload, now, error in (
        ("itb/00/other/command", message, NOW, InvalidSignature),
        (TOPIC, message.replace(b"anna", b"hans"), NOW, InvalidSignature),
        (TOPIC, message, NOW + 60_001, ValueError),
        (TOPIC, message, NOW - 10_001, ValueError),
        (TOPIC, signed(TOPIC, stop("7", "B")), NOW, ValueError),
        (TOPIC, signed(TOPIC, stop(), STRANGER), NOW, StopIteration),
        (TOPIC, encode(stop()), NOW, KeyError),
    ):
        with pytest.raises(error):
            command_of(topic, payload, now)
