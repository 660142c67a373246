"""A gateway of a cluster may publish and read as itself alone, as at Mosquitto, by the same table."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from typer.testing import CliRunner

from broker.mqtt.endpoint import free_port
from broker.mqtt.topic_access import SYSTEM_USERS
from cluster.nats_server import Login, NatsError, Ports, configuration, find
from cluster.nats_users import authorization, subject_of
from pumpwatch.__main__ import app
from tests.server_process import running

NODES = Login("pumpwatch", "n-1")
PATIENCE_S = 20.0


class Client(mqtt.Client):
    """A client that keeps what it received, and the answers to its subscriptions."""

    def __init__(self, port: int, user: str, password: str) -> None:
        super().__init__(mqtt.CallbackAPIVersion.VERSION2, client_id=user, protocol=mqtt.MQTTv311)
        self.received: list[tuple[str, bytes]] = []
        self.refused: list[bool] = []
        self.let_in: bool | None = None
        self.on_connect = lambda *it: setattr(self, "let_in", not it[3].is_failure)
        self.on_message = lambda *it: self.received.append((it[2].topic, it[2].payload))
        self.on_subscribe = lambda *it: self.refused.append(it[3][0].is_failure)
        self.username_pw_set(user, password)
        self.connect("127.0.0.1", port)
        self.loop_start()
        until(lambda: self.let_in is not None)

    def reads(self, topic: str) -> bool:
        """Subscribe; return whether that was allowed."""
        before = len(self.refused)
        self.subscribe(topic, 1)
        until(lambda: len(self.refused) > before)
        return not self.refused[-1]


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < end, "not seen in time"
        time.sleep(0.01)


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[str, str], Client]]:
    """Return a function that connects a user to a real server with users of a processor and two gateways."""
    try:
        program = find()
    except NatsError as error:
        pytest.skip(str(error))
    ports = Ports(*(free_port("127.0.0.1") for _ in range(3)))
    text = configuration("one", tmp_path / "store", ports, NODES, 64 * 1024 * 1024, ranges=8)
    users = authorization(NODES, {"_processor": "p-1"}, {"ward-1": "w-1", "ward-2": "w-2"})
    config = tmp_path / "nats.conf"
    config.write_text(text[: text.index("authorization {")] + users)
    clients: list[Client] = []

    def client(user: str, password: str) -> Client:
        clients.append(Client(ports.mqtt, user, password))
        return clients[-1]

    with running([str(program), "-c", str(config)], ports.mqtt, tmp_path / "nats.log"):
        yield client
        for each in clients:
            each.disconnect()
            each.loop_stop()


def test_a_gateway_publishes_and_reads_as_itself_and_as_no_other(connect: Callable[[str, str], Client]) -> None:
    processor, gateway = connect("_processor", "p-1"), connect("ward-1", "w-1")
    assert processor.reads("itb/01/+/+")
    assert processor.reads("pumpwatch/command")
    assert gateway.reads("pumpwatch/confirmed/ward-1")
    assert gateway.reads("itb/01/ward-1/command")
    for foreign in ("pumpwatch/confirmed/ward-2", "itb/01/ward-2/telemetry", "itb/#", "#", "pumpwatch/outcome"):
        assert not gateway.reads(foreign), foreign

    # What is forbidden is acknowledged and dropped, as MQTT 3.1.1 has no refusal; what follows it arrives.
    for topic in (
        "itb/01/ward-2/telemetry",
        "itb/01/ward-1/command",
        "pumpwatch/command",
        "pumpwatch/confirmed/ward-1",
    ):
        gateway.publish(topic, b"forged", 1)
    gateway.publish("itb/01/ward-1/telemetry", b"own", 1)
    processor.publish("pumpwatch/confirmed/ward-1", b"durable", 1)
    until(lambda: bool(processor.received and gateway.received))
    assert processor.received == [("itb/01/ward-1/telemetry", b"own")]
    assert gateway.received == [("pumpwatch/confirmed/ward-1", b"durable")]

    assert connect("ward-1", "w-2").let_in is False
    assert connect("nobody", "").let_in is False


@pytest.mark.parametrize(
    ("names", "reason"),
    [("ward.1", "has a dot"), ("-x", "not a valid gateway name"), ("pumpwatch", "is the login of the nodes")],
)
def test_a_name_that_cannot_log_in_is_refused_in_a_sentence(names: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        authorization(NODES, {}, {names: "x"})
    with pytest.raises(ValueError, match="'_clerk' is no part"):
        authorization(NODES, {"_clerk": "x"}, {})


def test_the_command_prints_a_user_for_the_nodes_each_part_and_each_gateway_with_passwords_of_their_own() -> None:
    result = CliRunner().invoke(app, ["gateway", "nats-users", "ward-1", "ward-2"])
    assert result.exit_code == 0, result.output
    users = dict(re.findall(r'user: "([^"]+)", password: "([^"]+)"', result.output))
    assert set(users) == {"pumpwatch", "ward-1", "ward-2", *SYSTEM_USERS}
    assert len(set(users.values())) == len(users)
    assert CliRunner().invoke(app, ["gateway", "nats-users", "ward.1"]).exit_code == 2


def test_topics_are_subjects_of_nats() -> None:
    assert subject_of("itb/+/ward-1/#") == "itb.*.ward-1.>"
