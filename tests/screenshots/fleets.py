"""Made-up fleets that look like real ones: alarms of every priority and state, with the texts of our rules."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl

from broker.contract.silence_requests import Request, window
from broker.contract.silences import HOUR_MS, Silence
from broker.store import notification_files
from broker.store.history import History
from broker.store.notification_files import Failing, Status
from broker.store.silences import SilenceStore
from broker.store.snapshot import PRIORITY_CODE, Snapshot
from broker.store.snapshot_files import write
from dashboard.access.accounts import add_account
from notifier.queue import Queue
from notifier.state import Message, State
from processor.rules import RULES
from processor.view.rule_table import rule_table
from tests.dashboard.conftest import THERAPY_MS, make_fleet, make_samples

PUMP = "ITB-000001"
"""The pump whose page is shown: the first one, which has a high alarm."""
RULE = "motor_stall"
PERSON, PASSWORD = "maria", "correct horse"
HISTORY_MIN = 24 * 60
FRESH_S = 2.0
"""Time after which the same snapshot is written again, so that it does not grow old while pictures are taken."""
SHELVED_FROM = 7
MAX_ALARMS = 800


NOTIFICATIONS = """
[[service]]
name = "ward"
url = "ntfys://ward-topic"

[[service]]
name = "sms"
webhook = "https://sms.example/in"
secret = "0123456789abcdef"

[[rota]]
name = "nights"
time_zone = "Europe/Zurich"
otherwise = ["ward"]
  [[rota.shift]]
  days = ["sat", "sun"]
  from = "22:00"
  to = "06:00"
  services = ["sms"]

[[route]]
name = "urgent"
match = { priority = ["high", "medium"] }
services = ["ward"]
  [[route.escalation]]
  after = "10m"
  services = ["sms"]
"""


@contextlib.contextmanager
def prepared(data: Path, pumps: int) -> Iterator[None]:
    """Fill a data directory: a person who may see every page, a fleet of this size, a day of samples of one pump.

    The fleet stays fresh as long as this lasts.
    """
    (data / "snapshot").mkdir(parents=True, exist_ok=True)
    add_account(data, PERSON, "admin", PASSWORD)
    if not pumps:
        yield
        return
    History(data).append(make_samples(PUMP, HISTORY_MIN, until_ms=THERAPY_MS), 1)
    for request in (_asked("low", "Pump clinic at this site"), _asked("night", "Maintenance nights")):
        SilenceStore(data).add(request)
    _notified(data)
    made, ended = snapshot(pumps, _now_ms()), threading.Event()
    write(data / "snapshot", made)

    def keep() -> None:
        version = made.health.version
        while not ended.wait(FRESH_S):
            version += 1
            write(
                data / "snapshot",
                replace(made, health=msgspec.structs.replace(made.health, version=version, written=_now_ms())),
            )

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def _notified(data: Path) -> None:
    """Write a configuration of notifications, the status of a notifier, and its record with a dead letter."""
    now = _now_ms()
    (data / notification_files.CONFIG).write_text(NOTIFICATIONS)
    failing = (Failing("sms", now - 600_000, 7, "answered with status 503"),)
    notification_files.write_status(
        data, Status(at=now, waiting=1, oldest=now - 90_000, sent=12, dead=1, failing=failing)
    )
    queue, alarm = Queue(data), f"{PUMP}/rule"
    messages = [
        Message(number=number, route="urgent", kind=kind, services=(service,), values=(), at=now, raised=((alarm, 1),))
        for number, (service, kind) in enumerate((("sms", "raised"), ("ward", "raised"), ("ward", "repeated")), start=1)
    ]
    queue.save(State(), messages, now)
    for number, service, state in ((1, "sms", "dead"), (2, "ward", "sent")):
        queue.begin(queue.key(number, service), f"HIGH: Motor stall: {PUMP} [Site 0]", [alarm])
        reason = "gave up after 9 attempts: answered with status 503" if state == "dead" else ""
        queue.finish(queue.key(number, service), state, now, reason)
    queue.close()


def _asked(name: str, reason: str) -> Silence:
    """Return a silence for a time, or one that recurs (`name` "night")."""
    night = name == "night"
    match: dict[str, str | list[str]] = (
        {"rule": "gateway_*"} if night else {"site": "Site 1", "priority": ["low", "medium"]}
    )
    request = Request(name, match, reason, PERSON, _now_ms())
    return request.recurring([window("Sat-Sun 22:00-06:00")], "UTC") if night else request.for_time(4 * HOUR_MS)


def snapshot(pumps: int, written: int) -> Snapshot:
    """Return a fleet whose alarms have the titles and texts of our rules, in every state."""
    made = make_fleet(pumps, alarms=min(MAX_ALARMS, pumps // 12 + 1), written=written)
    count = made.alarms.height
    rules = [RULES[number % len(RULES)] for number in range(count)]
    rules.sort(key=lambda rule: PRIORITY_CODE[rule.priority])
    fields = {
        "rule": [rule.name for rule in rules],
        "title": [rule.title for rule in rules],
        "priority": [PRIORITY_CODE[rule.priority] for rule in rules],
        "meaning": [rule.meaning for rule in rules],
        "action": [rule.action for rule in rules],
        "deadline": [rule.time_to_respond for rule in rules],
        "raised_wall": [written - 20_000 * (number + 1) for number in range(count)],
    }
    alarms = made.alarms.with_columns(
        pl.Series(name, values, made.alarms[name].dtype) for name, values in fields.items()
    )
    shelved = pl.int_range(pl.len()) % SHELVED_FROM == SHELVED_FROM - 1
    alarms = alarms.with_columns(
        state=pl.when(shelved).then(pl.lit("shelved")).otherwise("state"),
        shelved_left_s=pl.when(shelved).then(5400.0).cast(pl.Float32),
        shelved_wall=pl.when(shelved).then(pl.lit(written - 60_000)),
        shelved_by=pl.when(shelved).then(pl.lit("maria")),
        shelved_why=pl.when(shelved).then(pl.lit("Refill this afternoon")),
        acknowledged_by=pl.when(pl.col("state") == "acknowledged").then(pl.lit("maria")),
        acknowledged_wall=pl.when(pl.col("state") == "acknowledged").then(pl.lit(written - 60_000)),
    )
    worst = alarms.select("pump", pl.col("priority").alias("new"), pl.col("rule").alias("new_rule"))
    marked = made.pumps.join(worst, on="pump", how="left", maintain_order="left").with_columns(
        priority=pl.coalesce("new", "priority").cast(made.pumps["priority"].dtype),
        worst=pl.coalesce("new_rule", "worst"),
    )
    return Snapshot.of(marked.select(made.pumps.columns), alarms, made.gateways, made.health, rules=rule_table(RULES))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
