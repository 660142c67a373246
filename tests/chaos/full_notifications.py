"""A hundred SIGKILLs of `pumpwatch notify`: each message that was decided arrives once, none after an acknowledgement.

Run by `make chaos`. The receiver ignores keys that it knows, as docs/notifications.md says.
"""

from __future__ import annotations

import http.server
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import polars as pl

from broker.store import notification_record
from broker.store.journal import Journal

KILLS = 100
SECRET = "0123456789abcdef"
ROUTES = """
[[service]]
name = "pager"
webhook = "http://127.0.0.1:{port}/in"
secret = "{secret}"

[[route]]
name = "all"
services = ["pager"]
when = ["raised"]
group_by = ["pump"]
group_wait = "0s"
group_interval = "1s"
repeat_interval = "never"
max_per_hour = 3600
"""


class Receiver(http.server.ThreadingHTTPServer):
    """Takes each key once; now and then it refuses, hangs up or is slow."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.dice, self.lock = random.Random(3), threading.Lock()
        self.got: dict[str, tuple[float, list[str]]] = {}
        self.requests: Counter[str] = Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            fate = self.server.dice.random()
        if fate < 0.1:
            self.send_response(503)
            self.end_headers()
            return
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            self.server.requests[key] += 1
            self.server.got.setdefault(key, (time.time(), [each["alarm"] for each in body["alarms"]]))
        time.sleep(fate * 0.1)
        if fate > 0.95:
            return  # it hung up after it took the message
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def happens(journal: Journal, kind: str, pump: str) -> str:
    alarm = f"{pump}/motor_stall/1"
    row = {
        "at": time.time_ns() // 1_000_000,
        "time": 1,
        "kind": kind,
        "pump": pump,
        "rule": "motor_stall",
        "title": "Motor stall",
        "priority": 1,
        "alarm": alarm,
        "subject": pump,
        "subject_kind": "pump",
        "once": f"{alarm} {kind}",
    }
    journal.append(pl.DataFrame([row]))
    return alarm


def notifier(data: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pumpwatch", "notify", "--data", str(data)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"READY")
    return process


def killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_a_hundred_kills_of_the_notifier(tmp_path: Path) -> None:
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    (tmp_path / "notifications.toml").write_text(ROUTES.format(port=receiver.server_address[1], secret=SECRET))
    journal, dice = Journal(tmp_path), random.Random(5)
    raised: list[str] = []
    acknowledged: dict[str, float] = {}
    process = notifier(tmp_path)
    try:
        for kill in range(KILLS):
            until = time.monotonic() + dice.uniform(0.1, 3.0)
            while time.monotonic() < until:
                raised.append(happens(journal, "raised", f"P{len(raised)}"))
                time.sleep(dice.uniform(0.05, 0.4))
                if dice.random() < 0.3:
                    alarm = dice.choice(raised)
                    if alarm not in acknowledged:
                        happens(journal, "acknowledged", alarm.partition("/")[0])
                        acknowledged[alarm] = time.time()
            killed(process)
            process = notifier(tmp_path)
            print(f"kill {kill + 1}: {len(raised)} alarms, {len(receiver.got)} messages")
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            counts = notification_record.counts(tmp_path)
            pending = {alarm for alarm in raised if alarm not in acknowledged} - notified(receiver)
            if not counts["waiting"] and not counts["sending"] and not pending:
                break
            time.sleep(1)
    finally:
        killed(process)
        receiver.shutdown()
        receiver.server_close()
        journal.close()
    assert not pending, "every alarm that nobody acknowledged was sent"
    times = Counter(alarm for _, alarms in receiver.got.values() for alarm in alarms)
    assert set(times.values()) == {1}, "and once"
    late = [
        alarm
        for at, alarms in receiver.got.values()
        for alarm in alarms
        # What was being sent at that moment cannot be called back.
        if alarm in acknowledged and at > acknowledged[alarm] + 1.0
    ]
    assert late == []
    print(f"{len(raised)} alarms, {len(receiver.got)} messages, {sum(receiver.requests.values())} requests")


def notified(receiver: Receiver) -> set[str]:
    with receiver.lock:
        return {alarm for _, alarms in receiver.got.values() for alarm in alarms}
