"""`pumpwatch notifications`: the configuration is checked, a service is tried, and the record is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.contract import notification_config
from broker.store.notification_files import CONFIG
from notifier.queue import Queue
from notifier.state import Message, State
from pumpwatch.__main__ import app

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FILE = """
[[service]]
name = "pager"
webhook = "http://127.0.0.1:1/secret-path"
secret = "0123456789abcdef"

[[route]]
name = "all"
services = ["pager"]
when = ["raised"]
"""


def notifications(data: Path, *words: str, fails: str = "") -> str:
    """Run `pumpwatch notifications` and return its output; `fails` is what its one sentence says."""
    result = CliRunner().invoke(app, ["notifications", *words, "--data", str(data)])
    if fails:
        assert result.exit_code != 0
        assert fails in f"{result.exception} {result.output}"
    else:
        assert result.exit_code == 0, result.output
    return result.output


def test_a_configuration_is_checked(tmp_path: Path) -> None:
    notifications(tmp_path, "check", fails=f"there is no file {tmp_path / CONFIG}")
    (tmp_path / CONFIG).write_text(FILE)
    shown = notifications(tmp_path, "check")
    assert "pager (webhook)" in shown
    assert "secret-path" not in shown
    assert json.loads(notifications(tmp_path, "check", "--json"))["routes"][0]["to"] == ["pager"]
    (tmp_path / CONFIG).write_text(FILE.replace('"all"', "7"))
    notifications(tmp_path, "check", fails="line 8: route 1.name is 7; allowed is a text")
    (tmp_path / CONFIG).write_text('[[service]]\nname = "x"\nurl = "no-such-service://x"\n')
    notifications(tmp_path, "check", fails="apprise cannot use the address of the service 'x'")


def test_a_service_is_tried(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(FILE)
    notifications(tmp_path, "test", "nobody", fails="there is no service 'nobody'; the file has pager")
    notifications(tmp_path, "test", "pager", fails="pager did not accept the test message")


def test_the_record_shows_dead_letters_with_their_reason(tmp_path: Path) -> None:
    assert "0 dead" in notifications(tmp_path, "show")
    (tmp_path / CONFIG).write_text(FILE)
    queue = Queue(tmp_path)
    message = Message(number=1, route="all", kind="raised", values=(), services=("pager",), at=1)
    queue.save(State(number=1), [message], 1)
    queue.finish(queue.key(1, "pager"), "dead", 2, "gave up after 50 attempts")
    queue.close()
    shown = json.loads(notifications(tmp_path, "show", "--state", "dead", "--json"))
    assert shown["deliveries"][0]["reason"] == "gave up after 50 attempts"
    assert shown["counts"]["dead"] == 1
    assert shown["trouble"] == "the notifier is not running; nobody is notified of alarms"
    notifications(tmp_path, "show", "--state", "lost", fails="'lost' is no state")
    assert notification_config.parse(FILE).by_name["pager"].kind == "webhook"
