"""A gateway of somebody's own: the line that `pumpwatch gateway add` prints works as it stands."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess

import pytest
from typer.testing import CliRunner

from broker.contract import topics
from broker.mqtt.topic_access import MONITOR
from pumpwatch.__main__ import app
from tests.broker.access.conftest import Client, Guarded
from tests.server_process import program_of

pytestmark = pytest.mark.broker


async def test_the_printed_mosquitto_pub_line_publishes_a_sample(guarded: Guarded) -> None:
    answer = CliRunner().invoke(app, ["gateway", "add", "mine", "--json", "--data", str(guarded.data)])
    assert answer.exit_code == 0, answer.output
    login = json.loads(answer.stdout)
    assert login["user"] == "mine"
    assert login["url"].startswith("mqtts://ward.example:")
    assert login["password"] not in answer.stderr
    program, *words = shlex.split(login["example"])
    command = [program_of(program), *(word.replace("ward.example", "localhost") for word in words)]
    monitor = Client.at(guarded.part(MONITOR))
    await monitor.link.open()
    monitor.link.subscribe(topics.ALL)
    async with asyncio.timeout(20):
        while not monitor.received:
            # Once more until the running broker has read its new password.
            await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)
    await monitor.link.close()
    assert monitor.topics()[0] == login["topic"]
    assert json.loads(monitor.received[0].payload)["pump"] == "MY-1"
    listed = CliRunner().invoke(app, ["gateway", "list", "--json", "--data", str(guarded.data)])
    assert [(row["name"], row["login"], row["expires"]) for row in json.loads(listed.stdout)] == [
        ("mine", "password", None)
    ]
    journal = CliRunner().invoke(app, ["journal", "--json", "--data", str(guarded.data)])
    assert "gateway mine may log in" in journal.output
