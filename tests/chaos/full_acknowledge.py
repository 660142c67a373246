"""Acknowledged anywhere: every screen and the notifier know within five seconds, and no further message goes out."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from broker.mqtt.endpoint import free_port
from broker.store import notification_record
from dashboard.access.api_key_file import add_key
from tests.e2e.conftest import PATIENCE_S, System, running, warmed_up

pytestmark = [pytest.mark.broker]
KNOWN_S = 5.0
QUIET_S = 30.0
SECRET = "0123456789abcdef"
ROUTES = """
[[service]]
name = "pager"
webhook = "http://127.0.0.1:{port}/pager"
secret = "{secret}"

[[service]]
name = "down"
webhook = "http://127.0.0.1:{port}/down"
secret = "{secret}"

[[route]]
name = "all"
match = {{ subject = "ITB-*" }}
services = ["pager", "down"]
when = ["raised", "escalated", "returned"]
group_by = ["alarm"]
group_wait = "0s"
group_interval = "1s"
repeat_interval = "1m"

[[route.escalation]]
after = "12s"
services = ["pager"]
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    """Notes what arrives by when; one of its services is always down."""

    got: ClassVar[list[tuple[float, str, list[str]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append((time.monotonic(), self.path, [one["alarm"] for one in body["alarms"]]))
        self.send_response(503 if self.path == "/down" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    data = tmp_path / "data"
    data.mkdir()
    (data / "notifications.toml").write_text(ROUTES.format(port=server.server_address[1], secret=SECRET))
    with running(data, "--port", str(free_port())) as found:
        yield found
    server.shutdown()
    server.server_close()


@dataclass
class Api:
    """The HTTP API, from which pages and programs have the same data."""

    address: str
    key: str

    def ask(self, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/v1{path}", content, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def stalled(self, serial: str, *, waiting: bool) -> list[str]:
        """Return the alarm of a stalled motor, if it does or does not wait for somebody."""
        found = self.ask(f"/alarms?pump={serial}&rule=motor_stall")["items"]
        return [one["alarm"] for one in found if (one["state"] == "unacknowledged") is waiting]


def until(seconds: float, seen: Callable[[], Any]) -> float:
    """Return after how many seconds it was seen."""
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize(("number", "by"), [(0, "command line"), (1, "API")])
def test_once_acknowledged_every_channel_and_screen_knows_and_nothing_more_is_sent(
    system: System, number: int, by: str
) -> None:
    token = add_key(system.data, "screen", "operator", 1, at=time.time_ns() // 1_000_000)[1]
    api, serial = Api(system.address, token), f"ITB-00000{number}"
    system.wait_for("the pumps have warmed up", lambda now: warmed_up(now, 3))
    assert system.command("inject", "motor_stall", "--pumps", str(number)).returncode == 0
    until(PATIENCE_S, lambda: api.stalled(serial, waiting=True))
    [alarm] = api.stalled(serial, waiting=True)
    until(PATIENCE_S, lambda: {path for _, path, names in Receiver.got if alarm in names} == {"/pager", "/down"})
    if by == "API":
        api.ask("/alarms/acknowledge", {"alarms": [alarm]})
    else:
        assert system.command("alarm", "acknowledge", "--alarms", alarm).returncode == 0
    began = time.monotonic()
    screens_s = until(KNOWN_S, lambda: api.stalled(serial, waiting=False))
    time.sleep(QUIET_S)
    later = [round(at - began, 1) for at, _, names in Receiver.got if alarm in names and at > began]
    states = [one.state for one in notification_record.deliveries(system.data, alarm=None, limit=20)]
    print(f"by {by}: screens know after {screens_s:.2f} s; sent later, after s: {later}; deliveries: {states}")
    assert later == []
    assert "cancelled" in states, "the service that was down is not sent it when it is back"
