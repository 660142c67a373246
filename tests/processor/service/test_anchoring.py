"""Anchoring: how far the journal was is known apart from it, and what was altered since then is an alarm."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from broker.store import journal_anchor
from broker.store.journal import EVENTS_SCHEMA
from broker.store.journal_file import FILE
from broker.store.journal_verification import anchored, verify
from dashboard.access.accounts import accounts_path, add_account
from processor.service.anchoring import INTERVAL_S, LOG_INTERVAL_S, Anchoring
from processor.service.health import HealthMonitor
from processor.service.metering import Meter
from processor.service.store import Store
from tests.processor.watch.monitored_processor import MonitoredProcessor


def open_at(data: Path) -> Anchoring:
    return Anchoring(Store(data, 10**9), Meter(started=1, broker="mqtt://127.0.0.1:1"))


def raise_alarm(anchoring: Anchoring, name: str) -> None:
    row = dict.fromkeys(EVENTS_SCHEMA) | {"at": 1, "time": 2, "kind": "raised", "alarm": name}
    anchoring.store.add_entries(pl.DataFrame([row], schema=EVENTS_SCHEMA))
    anchoring.store.write(1)


@pytest.fixture
def anchoring(tmp_path: Path):
    anchoring = open_at(tmp_path)
    yield anchoring
    anchoring.store.close()


async def test_the_anchor_follows_the_journal_and_the_log_has_its_head_once_an_hour(
    tmp_path: Path, anchoring: Anchoring, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for hour in range(3):
            raise_alarm(anchoring, f"A/x/{hour}")
            await anchoring.advance(hour * LOG_INTERVAL_S)
            head = anchoring.store.head
            assert journal_anchor.read(tmp_path) == head
            raise_alarm(anchoring, f"B/x/{hour}")
            await anchoring.advance(hour * LOG_INTERVAL_S + INTERVAL_S - 1)
            assert journal_anchor.read(tmp_path) == head, "the disk is spared in between"
            await anchoring.advance(hour * LOG_INTERVAL_S + INTERVAL_S)
    assert journal_anchor.read(tmp_path) == anchoring.store.head
    assert [record.message.partition(" has")[0] for record in caplog.records] == [
        f"journal: entry {n}" for n in (1, 3, 5)
    ]
    assert head.hash.hex() in caplog.text
    assert anchoring.meter.troubles == {}


async def test_a_journal_that_was_replaced_is_an_alarm_and_its_anchor_stays_for_doctor(
    tmp_path: Path, anchoring: Anchoring
) -> None:
    raise_alarm(anchoring, "A/x/1")
    raise_alarm(anchoring, "A/x/2")
    await anchoring.advance(0.0)
    before = journal_anchor.read(tmp_path)
    for path in tmp_path.glob(f"{FILE}*"):
        path.unlink()
    again = open_at(tmp_path)
    for number in range(5):
        raise_alarm(again, f"B/y/{number}")
        await again.advance(number * INTERVAL_S)
    again.store.close()
    assert journal_anchor.read(tmp_path) == before
    assert "entry 2 is not the one that the processor wrote" in str(verify(tmp_path, anchored(tmp_path))[1])
    processor = MonitoredProcessor().read(troubles=again.meter.troubles)
    processor.check("raised journal_altered", journal_altered="unacknowledged")
    assert processor.texts == ["The journal does not contain entry 2 as it was: it was altered"]


async def test_a_journal_that_is_removed_while_it_is_written_is_noticed(tmp_path: Path, anchoring: Anchoring) -> None:
    raise_alarm(anchoring, "A/x/1")
    await anchoring.advance(0.0)
    (tmp_path / FILE).unlink()
    raise_alarm(anchoring, "A/x/2")
    await anchoring.advance(INTERVAL_S)
    assert "was removed or replaced" in anchoring.meter.troubles["journal"]
    assert journal_anchor.read(tmp_path) != anchoring.store.head


async def test_an_anchor_that_was_removed_is_made_again_but_not_in_silence(
    tmp_path: Path, anchoring: Anchoring
) -> None:
    raise_alarm(anchoring, "A/x/1")
    journal_anchor.path(tmp_path).unlink()
    await anchoring.advance(0.0)
    assert "journal.anchor was missing" in anchoring.meter.troubles["journal"]
    await anchoring.advance(INTERVAL_S)
    assert journal_anchor.read(tmp_path) == anchoring.store.head
    assert "journal.anchor was missing" in anchoring.meter.troubles["journal"], "only a person ends that"


def accounts_trouble(monitor: HealthMonitor) -> str | None:
    monitor.check_accounts()
    return monitor.meter.troubles.get("accounts")


def test_accounts_that_cannot_be_read_are_an_alarm_until_they_can(tmp_path: Path, anchoring: Anchoring) -> None:
    monitor = HealthMonitor(
        tmp_path, anchoring.meter, None, anchoring.store, None, None, receive_maximum=1, max_rows=1  # type: ignore[arg-type]
    )  # fmt: skip
    assert accounts_trouble(monitor) is None, "nobody has made accounts yet"
    add_account(tmp_path, "vera", "viewer", "correct horse battery")
    assert accounts_trouble(monitor) is None
    path = accounts_path(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    assert f"{path} cannot be read" in str(accounts_trouble(monitor))
    processor = MonitoredProcessor().read(troubles=monitor.meter.troubles).read(5, troubles=monitor.meter.troubles)
    processor.check("raised accounts_unreadable", accounts_unreadable="unacknowledged")
    path.unlink()
    assert f"{path} is gone" in str(accounts_trouble(monitor))
    path.write_bytes(whole)
    assert accounts_trouble(monitor) is None
