"""Delivery to services that are up, down, slow or flapping: a real SMTP server and real HTTP receivers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from broker.store import notification_record
from broker.store.journal_query import Query, entries
from broker.store.notification_files import CONFIG, STUCK_MS, Status, read_status, trouble, write_status
from notifier import desk, senders, service, workers
from notifier.desk import Desk
from notifier.queue import Queue
from notifier.senders import Sender, SendError
from notifier.service import Notifier, Settings
from notifier.trial import trial
from tests.notifier.conftest import START, Ward, configured

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Of plugins of apprise for services that nobody uses here: it loads them all."""
SECRET = "0123456789abcdef"


@dataclass
class Receiver:
    """An HTTP server; `answer` decides by the number of the request: a status, or None for no answer at all."""

    answer: Callable[[int], int | None] = lambda _: 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    _server: asyncio.Server | None = None
    _tasks: list[Any] = field(default_factory=list)

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/in"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.got.append((headers, body))
        status = self.answer(len(self.got))
        if status is not None:
            writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        else:
            await asyncio.sleep(5)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
async def receivers() -> AsyncIterator[Callable[..., Any]]:
    made: list[Receiver] = []

    async def make(answer: Callable[[int], int | None] = lambda _: 200) -> Receiver:
        receiver = Receiver(answer)
        await receiver.start()
        made.append(receiver)
        return receiver

    yield make
    for receiver in made:
        await receiver.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "FIRST_WAIT_MS", 50)
    monkeypatch.setattr(workers, "IDLE_S", 0.02)
    monkeypatch.setattr(service, "TICK_S", 0.02)
    monkeypatch.setattr(service, "STATUS_MS", 100)
    monkeypatch.setattr(service, "STOP_S", 0.1)


def written(data: Path, services: dict[str, str], *, timeout: str = "1s") -> Ward:
    """Return a ward that tells every service of each alarm at once."""
    text = "".join(
        f'[[service]]\nname = "{name}"\ntimeout = "{timeout}"\n'
        + (f'webhook = "{url}"\nsecret = "{SECRET}"\n' if url.startswith("http") else f'url = "{url}"\n')
        for name, url in services.items()
    )
    text += (
        f'[[route]]\nname = "all"\nservices = {json.dumps(list(services))}\nwhen = ["raised"]\ngroup_wait = "0s"\n'
        'group_interval = "1s"\n'
    )
    ward = Ward(data, configured(text, ""), now=time.time_ns() // 1_000_000)
    (data / CONFIG).write_text(text)
    ward.desk.queue.close()
    return ward


class Running:
    """A notifier in this process, on the real clock."""

    def __init__(self, ward: Ward) -> None:
        self.queue = Queue(ward.data)
        made = Desk(ward.data, self.queue)
        self.notifier = Notifier(Settings(ward.data), made, lambda: time.time_ns() // 1_000_000)
        self.stop = asyncio.Event()

    async def __aenter__(self) -> Running:
        self.notifier.begin()
        self.task = asyncio.create_task(self.notifier.run(self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.task
        self.queue.close()


async def until(holds: Callable[[], bool], timeout_s: float = 50.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("quick")
async def test_services_that_are_down_slow_or_flap_hold_no_other_up(
    tmp_path: Path, receivers: Any, free_port: int
) -> None:
    up, flapping = await receivers(), await receivers(lambda number: 200 if number % 3 == 0 else 503)
    slow = await receivers(lambda number: None if number == 1 else 200)
    down = Receiver()
    port = free_port
    ward = written(
        tmp_path,
        {"up": up.url, "flapping": flapping.url, "slow": slow.url, "down": f"http://127.0.0.1:{port}/in"},
    )
    ward.happens("raised")
    async with Running(ward):
        await until(lambda: len(up.got) >= 1)
        await until(lambda: len(flapping.got) >= 3)
        await until(lambda: len(slow.got) >= 2)
        await until(lambda: "down" in [each.service for each in (read_status(tmp_path) or Status(at=0)).failing])
        await down.start(port)
        await until(lambda: notification_record.counts(tmp_path)["sent"] == 4)
        await asyncio.sleep(0.2)
    await down.stop()
    for receiver in (up, flapping, slow, down):
        assert len({headers["idempotency-key"] for headers, _ in receiver.got}) == 1, "the same key at each attempt"
    assert up.events[0]["alarms"][0]["subject"] == "P1"
    notified = entries(tmp_path, Query(kinds=("notified",)))
    assert sorted(notified["origin"]) == ["down", "flapping", "slow", "up"]
    assert set(notified["alarm"]) == {"P1/motor_stall/1"}, "part of the alarm's story"


@pytest.mark.usefixtures("quick")
async def test_an_alarm_reaches_a_mailbox(tmp_path: Path, free_port: int) -> None:
    mails: list[Any] = []

    class Mailbox:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
            mails.append(envelope)
            return "250 OK"

    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port)
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{controller.port}?from=pumps@ward.example&to=nurse@ward.example"
        ward = written(tmp_path, {"mail": url}, timeout="20s")
        ward.happens("raised", "P<b>1")
        async with Running(ward):
            await until(lambda: len(mails) >= 1)
    finally:
        await asyncio.to_thread(controller.stop)
    assert mails[0].rcpt_tos == ["nurse@ward.example"]
    assert b"Motor_stall" in mails[0].content
    assert b"<b>1" not in mails[0].content, "a name from outside is text"


async def test_a_service_that_does_not_accept_says_why_without_its_address(receivers: Any) -> None:
    refusing = await receivers(lambda _: 401)
    for url in (refusing.url, f"json://127.0.0.1:{refusing.url.split(':')[2]}/token-4711"):
        field_ = f'webhook = "{url}"\nsecret = "{SECRET}"' if url.startswith("http") else f'url = "{url}"'
        config = configured(f'[[service]]\nname = "x"\n{field_}', "")
        sender = Sender(config.services[0], lambda: START)
        with pytest.raises(SendError, match="401") as failure:
            await sender.send(trial(START))
        assert "4711" not in str(failure.value)
        sender.close()


async def test_an_attempt_that_hangs_is_left_and_none_is_started_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured('[[service]]\nname = "x"\nurl = "json://127.0.0.1"\ntimeout = "1s"', "")
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(*_: Any) -> None:
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result()

    monkeypatch.setattr(senders, "notify", hang)
    sender = Sender(config.services[0], lambda: START)
    with pytest.raises(SendError, match="no answer within 1 s"):
        await sender.send(trial(START))
    with pytest.raises(SendError, match="still hangs"):
        await sender.send(trial(START))
    released.set()
    sender.close()


def test_a_message_that_is_never_accepted_becomes_a_dead_letter_with_its_reason(ward: Callable[..., Ward]) -> None:
    found = ward('[[route]]\nname = "all"\nservices = ["pager"]\nwhen = ["raised"]\nrepeat_interval = "never"')
    found.happens("raised")
    found.later(5 * 3600_000, lambda *_: False)
    (dead,) = notification_record.deliveries(found.data, state="dead")
    assert "gave up after" in dead.reason
    assert "503" in dead.reason
    assert 40 < dead.attempts < 60, "the wait grows to five minutes"


@pytest.mark.parametrize(
    ("service_", "state"),
    [('url = "json://127.0.0.1"', "waiting"), ('url = "json://127.0.0.1"\nin_doubt = "drop"', "dead")],
)
def test_what_was_being_sent_when_the_notifier_was_killed_is_decided_by_the_service(
    ward: Callable[..., Ward], service_: str, state: str
) -> None:
    found = ward(
        '[[route]]\nname = "all"\nservices = ["mail"]\nwhen = ["raised"]\ngroup_wait = "0s"',
        f'[[service]]\nname = "mail"\n{service_}\n',
    )
    found.happens("raised")
    found.desk.advance(found.now)
    assert found.desk.claim(found.config.services[0], found.now) is not None
    found.kill()
    (delivery,) = notification_record.deliveries(found.data)
    assert delivery.state == state
    assert "nobody knows whether it arrived" in delivery.reason


def test_the_processor_is_told_of_a_notifier_that_is_gone_or_stuck(tmp_path: Path) -> None:
    assert trouble(tmp_path, START) is None, "nobody configured notifications"
    (tmp_path / CONFIG).write_text("")
    assert trouble(tmp_path, START) == "the notifier is not running; nobody is notified of alarms"
    write_status(tmp_path, Status(at=START))
    assert trouble(tmp_path, START) is None
    assert "not running" in str(trouble(tmp_path, START + 31_000))
    write_status(tmp_path, Status(at=START, waiting=7, oldest=START - STUCK_MS - 1))
    assert trouble(tmp_path, START) == "7 notifications wait to be delivered"


@pytest.mark.usefixtures("quick")
async def test_a_configuration_that_is_wrong_keeps_the_one_before_and_is_reported(
    tmp_path: Path, receivers: Any
) -> None:
    up = await receivers()
    ward = written(tmp_path, {"up": up.url})
    ward.happens("raised")
    async with Running(ward):
        await until(lambda: len(up.got) >= 1)
        (tmp_path / CONFIG).write_text("[[route]]\nname = 1\n")
        await until(lambda: "line 2" in (read_status(tmp_path) or Status(at=0)).problem)
        ward.happens("raised", "P2")
        await until(lambda: "P2" in str(up.events[-1]))
    assert (tmp_path / CONFIG).stat().st_mode & 0o777 == 0o600, "it holds passwords"
