"""Attacks of a signed-in viewer on the whole dashboard: memory, bad frames and bad callbacks."""

from __future__ import annotations

import contextlib
import gc
import http.client
import logging
import resource
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dashboard.settings import Settings
from tests.dashboard.ward import KEY, NO_BROKER, serving

CLOSING_FRAMES: tuple[str | bytes, ...] = (
    "no json",
    b"\x00\xff",
    "[1, 2]",
    "{}",
    '{"type": "callback_request", "requestId": "1", "payload": "text"}',
    '{"type": "callback_request", "requestId": "1", "payload": {"output": "nowhere.children"}}',
    '{"type": "callback_request", "requestId": "1", "payload": {"output": "page.children", "inputs": 7}}',
)
ANSWERED_FRAMES = (
    '{"type": "nothing"}',
    '{"type": "get_props_response", "requestId": "x", "payload": 5}',
)
BAD_CALLBACKS: tuple[str, ...] = (
    "",
    "no json",
    "[]",
    "{}",
    '{"output": "nowhere.children"}',
    '{"output": "page.children", "inputs": "x", "changedPropIds": 5}',
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(Settings(NO_BROKER, tmp_path_factory.mktemp("data"), port=0, key=KEY)) as address:
        yield httpx.URL(address).port or 80


@pytest.fixture
def cookie(port: int) -> str:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get(f"/?key={KEY}").status_code == 303
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def resident() -> int:
    """Return the memory of this process, in which the dashboard runs, too."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_300_mb_from_a_signed_in_viewer_take_no_memory(port: int, cookie: str) -> None:
    chunk, sent = b"x" * 2**16, 0
    gc.collect()
    before = resident()

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(300 * 2**20 // len(chunk)):
            sent += len(chunk)
            yield chunk

    headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/_dash-update-component", body(), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        assert sent < 300 * 2**20, "the server closed the connection of a client that does not stop to send"
    finally:
        connection.close()
    assert resident() - before < 20 * 2**20


def test_1000_bad_frames_and_callbacks_leave_no_traceback(
    port: int, cookie: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    origin = f"http://127.0.0.1:{port}"
    handshake = {"Cookie": cookie, "Origin": origin}
    url = f"ws://127.0.0.1:{port}/_dash-ws-callback"
    for frame in 3 * CLOSING_FRAMES:
        with contextlib.suppress(ConnectionClosed), connect(url, additional_headers=handshake) as socket:
            socket.send(frame)
            assert socket.recv(10) is None, "the WebSocket is closed, not answered"
    with connect(url, additional_headers=handshake) as socket:
        for number in range(1000):
            socket.send(ANSWERED_FRAMES[number % len(ANSWERED_FRAMES)])
        socket.send('{"type": "heartbeat"}')
        while "heartbeat_ack" not in str(socket.recv(20)):
            pass
    headers = {"Cookie": cookie, "Origin": origin, "Content-Type": "application/json"}
    with httpx.Client(base_url=origin, headers=headers) as client:
        for number in range(4 * len(BAD_CALLBACKS)):
            content = BAD_CALLBACKS[number % len(BAD_CALLBACKS)]
            answer = client.post("/_dash-update-component", content=content)
            assert answer.status_code in {400, 500}, content
            assert "Traceback" not in answer.text
        assert client.get("/healthz").text == "OK"
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    printed = "".join(capfd.readouterr())
    assert len(logged) <= 5, [record.message for record in logged]
    assert not any(record.exc_info for record in logged)
    assert "Traceback" not in printed, printed[:3000]


def until_closed(socket: ClientConnection) -> None:
    while True:
        socket.recv(10)


def test_frames_that_pages_do_not_send_end_the_push_and_leave_no_traceback(
    port: int, cookie: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    handshake = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}
    url = f"ws://127.0.0.1:{port}/push"
    for frame in (*CLOSING_FRAMES, *ANSWERED_FRAMES):
        with connect(url, additional_headers=handshake) as socket:
            socket.send(frame)
            with pytest.raises(ConnectionClosed):
                until_closed(socket)
    strange = {"Cookie": cookie, "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus), connect(url, additional_headers=strange):
        pass
    assert "Traceback" not in "".join(capfd.readouterr())
    assert not any(record.exc_info for record in caplog.records)


def test_cookies_and_headers_of_a_plain_listener_do_not_demand_https(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/")
    assert "strict-transport-security" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
