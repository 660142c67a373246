"""`pumpwatch broker`: both kinds deliver, retain, publish wills, and stop cleanly."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.mqtt import mosquitto_config
from broker.mqtt.address import parse_url
from broker.mqtt.conversation import conversation
from broker.mqtt.link import Link, Message, Will
from broker.mqtt.local_broker import ServerError, Settings, run
from pumpwatch.__main__ import app
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.own_broker import warn_of_anonymous

ROOT = Path(__file__).resolve().parents[3]
KINDS = (pytest.param("mosquitto", marks=pytest.mark.broker), "amqtt")
TIMEOUT_S = 20.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.02)


def url_of(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("mosquitto" if kind == "mosquitto" else "embedded_broker"))


def start(kind: str, data: Path) -> tuple[subprocess.Popen[str], str]:
    command = [
        sys.executable,
        "-m",
        "pumpwatch",
        "broker",
        "--kind",
        kind,
        "--anonymous",
        "--port",
        "0",
        "--data",
        str(data),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    ready = process.stdout.readline().split()
    assert ready[:2] == ["READY", "broker"]
    return process, ready[2]


def stop(process: subprocess.Popen[str], number: signal.Signals) -> int:
    process.send_signal(number)
    code = process.wait(TIMEOUT_S)
    assert process.stdout is not None
    process.stdout.close()
    return code


def listens(url: str) -> bool:
    address = parse_url(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.host, address.port)) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_carries_samples_retained_messages_and_wills(kind: str, request: pytest.FixtureRequest) -> None:
    address, root = parse_url(url_of(kind, request)), f"test/{os.getpid()}"
    messages: list[Message] = []
    confirmed: list[int] = []
    gateway = Link(
        address, "gateway", on_published=lambda mid, _: confirmed.append(mid), will=Will(f"{root}/status", b"offline")
    )
    reader = Link(address, "reader", on_message=messages.append)
    await gateway.open()
    gateway.publish(f"{root}/birth", b"pumps", retain=True)
    await until(lambda: confirmed)
    await reader.open()
    reader.subscribe(f"{root}/#")
    await until(lambda: messages)
    gateway.publish(f"{root}/telemetry", b"x" * 5_000_000)
    await until(lambda: len(messages) == 2)
    gateway._client.socket().shutdown(socket.SHUT_RDWR)
    await until(lambda: len(messages) == 3)
    await reader.close()
    await gateway.close()
    leaves = [(message.topic.rpartition("/")[2], message.qos, message.retained) for message in messages]
    assert leaves == [("birth", 1, True), ("telemetry", 1, False), ("status", 1, False)]
    assert len(messages[1].payload) == 5_000_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_stops_on_a_signal_and_frees_its_port(kind: str, number: signal.Signals, tmp_path: Path) -> None:
    if kind == "mosquitto" and mosquitto_config.find(os.environ.get("PATH")) is None:
        pytest.skip("mosquitto is not installed")
    process, url = start(kind, tmp_path)
    assert listens(url)
    assert stop(process, number) == 0
    assert not listens(url)


@pytest.mark.broker
@pytest.mark.skipif(sys.platform != "linux", reason="on other systems the supervisor stops it")
def test_mosquitto_stops_when_its_parent_process_is_killed(mosquitto: str, tmp_path: Path) -> None:
    process, url = start("mosquitto", tmp_path)
    stop(process, signal.SIGKILL)
    for _ in range(200):
        if not listens(url):
            return
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "600"], timeout=0.05, check=False)
    pytest.fail("mosquitto is still listening")


@pytest.mark.broker
def test_retained_messages_survive_a_restart_of_mosquitto(mosquitto: str, tmp_path: Path) -> None:
    async def publish(url: str) -> None:
        confirmed: list[int] = []
        link = Link(parse_url(url), "one", on_published=lambda mid, _: confirmed.append(mid))
        await link.open()
        link.publish("itb/00/g/birth", b"retained", retain=True)
        await until(lambda: confirmed)
        await link.close()

    async def read(url: str) -> bytes:
        messages: list[Message] = []
        link = Link(parse_url(url), "two", on_message=messages.append)
        await link.open()
        link.subscribe("itb/#")
        await until(lambda: messages)
        await link.close()
        return messages[0].payload

    process, url = start("mosquitto", tmp_path)
    asyncio.run(publish(url))
    stop(process, signal.SIGTERM)
    process, url = start("mosquitto", tmp_path)
    assert asyncio.run(read(url)) == b"retained"
    stop(process, signal.SIGTERM)


async def test_a_missing_mosquitto_is_an_error_with_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosquitto_config, "SYSTEM_PLACES", (str(tmp_path),))
    with pytest.raises(ServerError, match="mosquitto is not installed"):
        await run(Settings(tmp_path, kind="mosquitto", path=str(tmp_path)), asyncio.Event(), print)


@pytest.mark.broker
async def test_the_message_of_mosquitto_about_an_invalid_configuration_is_quoted(
    mosquitto: str, tmp_path: Path
) -> None:
    config = tmp_path / "own.conf"
    config.write_text("listener 18999 127.0.0.1\nnonsense true\n")
    with pytest.raises(ServerError, match=r"mosquitto exited with code \d+: .*nonsense"):
        await run(Settings(tmp_path, config=config, path=os.environ["PATH"]), asyncio.Event(), print)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("listener 1884", ("127.0.0.1", 1884)),
        ("# a comment\nlistener 1884 0.0.0.0\nlistener 9001", ("127.0.0.1", 1884)),
        ("listener 1884 192.0.2.7", ("192.0.2.7", 1884)),
        ("port 1885", ("127.0.0.1", 1885)),
        ("persistence true", ("127.0.0.1", 1883)),
        ("listener 1884 ::1", ("::1", 1884)),
        ("listener 1884 ::", ("::1", 1884)),
    ],
)
def test_the_listener_is_read_from_the_configuration(text: str, place: tuple[str, int]) -> None:
    assert mosquitto_config.listener_of(text) == place


@pytest.mark.parametrize("host", ["::1", "[::1]"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_serves_ipv6(
    kind: str, host: str, ipv6: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url_of(kind, request)
    addresses: asyncio.Queue[str] = asyncio.Queue()
    stopped = asyncio.Event()
    settings = Settings(tmp_path, kind=kind, host=host, path=os.environ.get("PATH"))  # type: ignore[arg-type]
    serving = asyncio.create_task(run(settings, stopped, addresses.put_nowait))
    url = await asyncio.wait_for(addresses.get(), TIMEOUT_S)
    assert url.startswith(f"mqtt://[{ipv6}]:")
    link = Link(parse_url(url), "reader")
    await link.open()
    await link.close()
    async with conversation(url, ["itb/#"]):
        pass
    stopped.set()
    await serving


@pytest.mark.broker
async def test_a_configuration_of_your_own_may_listen_on_ipv6(
    mosquitto: str, ipv6: str, free_port: int, tmp_path: Path
) -> None:
    config = tmp_path / "own.conf"
    config.write_text(f"listener {free_port} {ipv6}\nallow_anonymous true\nuser root\n")
    addresses: asyncio.Queue[str] = asyncio.Queue()
    stopped = asyncio.Event()
    serving = asyncio.create_task(
        run(Settings(tmp_path, config=config, path=os.environ["PATH"]), stopped, addresses.put_nowait)
    )
    assert await asyncio.wait_for(addresses.get(), TIMEOUT_S) == f"mqtt://[{ipv6}]:{free_port}"
    stopped.set()
    await serving


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--host", "0.0.0.0"), "does not listen at 0.0.0.0 without TLS"),
        (("--host", "0.0.0.0", "--anonymous"), "does not listen at 0.0.0.0 without TLS"),
        (("--host", "0.0.0.0", "--anonymous", "--tls"), "does not listen at 0.0.0.0 without TLS"),
        (("--tls",), "pumpwatch keys init --host NAME"),
        (("--kind", "amqtt", "--host", "0.0.0.0"), "listens on loopback only, not at 0.0.0.0"),
        (("--kind", "amqtt", "--tls"), "listens on loopback only, not with TLS"),
    ],
)
def test_passwords_do_not_cross_a_network_in_clear_text(
    flags: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pumpwatch", "broker", "--port", "0", *flags, "--data", str(tmp_path)])
    with pytest.raises(CommandError, match=re.escape(sentence)):
        app(standalone_mode=False)


async def test_the_embedded_broker_refuses_a_network_itself(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="checks no passwords"):
        await run(Settings(tmp_path, kind="amqtt", host="0.0.0.0"), asyncio.Event(), print)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("mqtt://broker.example", True),
        ("mqtts://broker.example", True),
        ("mqtts://anna:secret@broker.example", False),
        ("mqtts://broker.example?client_cert=/x.pem", False),
    ],
)
def test_a_broker_without_logins_is_used_with_a_warning(
    url: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_anonymous(url)
    assert ["docs/access.md" in record.getMessage() for record in caplog.records] == [True] * warned
