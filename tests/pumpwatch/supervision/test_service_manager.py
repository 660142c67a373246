"""What systemd learns: ready when every part is, signs of life, trouble, stopping; parts do not speak to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pumpwatch.supervision.service_manager import ServiceManager, status_of


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as systemd has one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def manager_of(listener: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager.of({"NOTIFY_SOCKET": listener.getsockname(), **more}, 7)


def heard(listener: socket.socket) -> list[str]:
    return listener.recv(4096).decode().splitlines()


def test_systemd_hears_that_the_system_is_ready_in_trouble_and_stopping(systemd: socket.socket) -> None:
    manager = manager_of(systemd)
    manager.ready("all parts are running;\n dashboard at http://127.0.0.1:8050/")
    assert heard(systemd) == ["READY=1", "STATUS=all parts are running; dashboard at http://127.0.0.1:8050/"]
    manager.status(status_of({"processor": "was killed", "broker": "exited"}))
    assert heard(systemd) == ["STATUS=in trouble: broker, processor"]
    manager.stopping()
    assert heard(systemd) == ["STOPPING=1"]


async def test_systemd_gets_signs_of_life_while_parts_start_and_as_often_as_it_wants_them_later(
    systemd: socket.socket,
) -> None:
    systemd.setblocking(False)
    manager = manager_of(systemd, WATCHDOG_USEC="60000", WATCHDOG_PID="7")

    async def next_one() -> str:
        return (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(systemd, 4096), 5)).decode()

    living = asyncio.ensure_future(manager.live())
    assert await next_one() == "EXTEND_TIMEOUT_USEC=60000000"
    manager.ready("")
    assert await next_one() == "READY=1\nSTATUS="
    for _ in range(3):
        assert await next_one() == "WATCHDOG=1"
    living.cancel()


def test_a_watchdog_for_another_process_and_one_that_is_no_number_are_none(systemd: socket.socket) -> None:
    assert manager_of(systemd, WATCHDOG_USEC="60000", WATCHDOG_PID="8").watchdog_s == 0
    assert manager_of(systemd, WATCHDOG_USEC="soon").watchdog_s == 0
    assert manager_of(systemd, WATCHDOG_USEC="60000000").watchdog_s == 60


def test_parts_get_nothing_with_which_they_could_speak_to_systemd() -> None:
    variables = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "7", "PATH": "/bin"}
    ServiceManager.of(variables, 7)
    assert variables == {"PATH": "/bin"}


def test_without_systemd_and_with_one_that_went_away_the_system_runs_on(tmp_path: Path) -> None:
    for address in ("", "vsock:2:1", str(tmp_path / "gone"), "@gone", "/" + "x" * 300):
        manager = ServiceManager(address)
        manager.ready("all parts are running")
        manager.stopping()
