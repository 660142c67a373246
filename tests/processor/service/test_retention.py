"""Retention in the running processor: it goes by the fleet's clock, and what it removed is in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path

import polars as pl
import pytest

from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.topics import topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.store import journal_query, retention
from broker.store.history import History
from broker.store.segments import DAY_MS, trend
from processor.intake.gateway import Gateway
from processor.service import loop, store
from processor.service.compaction import fleet_clock
from processor.service.settings import Settings
from processor.service.store import Store

START_MS = 1_767_225_600_000
IN_2098 = 4_039_374_839_932
WALL_MS = 1_790_000_000_000
TIMEOUT_S = 60.0


def samples(*times: int) -> pl.DataFrame:
    rows = [dict.fromkeys(SAMPLE_SCHEMA) | {"pump": "R-1", "time": time, "seq": seq} for seq, time in enumerate(times)]
    return pl.DataFrame(rows, schema=SAMPLE_SCHEMA)


def removals(data: Path) -> list[str]:
    """Return what the journal says was removed from the history, the latest first."""
    entries = journal_query.entries(data, journal_query.Query())
    return entries.filter(pl.col("kind") == "removed", pl.col("title") == "history")["text"].to_list()


def gateway(name: str, therapy_ms: int, state: str = "online") -> Gateway:
    return Gateway(0, name, 0, state=state, heard_wall=WALL_MS, heard_therapy=therapy_ms)


def test_one_gateway_with_a_wrong_clock_does_not_move_the_fleets_clock() -> None:
    fleet = [gateway("a", START_MS), gateway("b", IN_2098), gateway("c", START_MS + 5_000)]
    assert fleet_clock(fleet, WALL_MS) == START_MS + 5_000
    assert fleet_clock(fleet[:2], WALL_MS) == START_MS


def test_without_a_gateway_that_is_online_the_fleet_has_no_clock() -> None:
    assert fleet_clock([gateway("a", IN_2098, "offline"), gateway("b", 0)], WALL_MS) is None


def test_what_went_for_its_size_is_in_the_journal_in_one_entry_a_minute_and_nothing_is_left_out(tmp_path: Path) -> None:
    days = [START_MS + day * DAY_MS for day in range(30)]
    History(tmp_path).append(samples(*days), 1)
    writer = Store(tmp_path, history_bytes=1)
    for minute in range(4):
        for second in range(2):
            now = WALL_MS + minute * store.REMOVALS_INTERVAL_MS + second
            writer.history.append(samples(days[-1] + 1), now)
            writer.write(now)
    assert len(removals(tmp_path)) == 4
    assert removals(tmp_path)[-1].startswith("2026-01-01")
    assert "--history-size" in removals(tmp_path)[0]
    writer.history.append(samples(days[-1] + 1), now + store.REMOVALS_INTERVAL_MS)
    writer.close()
    oldest = trend(tmp_path, "R-1", 0)["time"].min()
    gone = {day for day in map(day_of, days) if day < day_of(oldest)}
    assert len(gone) > 4
    assert all(any(day in text for text in removals(tmp_path)) for day in gone)


def removed_days(data: Path) -> set[str]:
    """Return the days that the journal says were removed: one entry may name several."""
    return {day for text in removals(data) for day in text.partition(":")[0].split(", ")}


def day_of(time_ms: int) -> str:
    return str(pl.Series([time_ms]).cast(pl.Datetime("ms")).dt.date()[0])


@pytest.mark.broker
async def test_a_processor_removes_old_days_but_no_others_because_of_a_sample_from_2098_and_says_so_in_the_journal(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [START_MS + day * DAY_MS for day in range(6)]
    History(tmp_path).append(samples(*days, IN_2098), 1)
    name = f"retention-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(loop, "CLIENT_ID", f"{name}-processor", raising=False)
    monkeypatch.setattr(retention, "PERIOD_MS", 100)
    monkeypatch.setattr(store, "REMOVALS_INTERVAL_MS", 100)
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = Settings(broker=mosquitto, data=tmp_path, history_days=3)
    running = asyncio.create_task(loop.run(settings, stop, lambda _: ready.set()))
    link = Link(parse_url(mosquitto), name)
    try:
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        await link.open()
        now = loop.wall_ms()
        birth = Birth(gateway=name, pumps=Pumps(serial=["R-1"]), sent=now, time=days[-1])
        link.publish(topic_of(name, "birth"), encode(birth))
        async with asyncio.timeout(TIMEOUT_S):
            while removed_days(tmp_path) < {"2026-01-01", "2026-01-02"}:
                await asyncio.sleep(0.1)
        # Time in which a wrong rule would remove more.
        await asyncio.sleep(2.5)
    finally:
        with contextlib.suppress(OSError):
            await link.close()
        stop.set()
        await asyncio.wait_for(running, TIMEOUT_S)
    assert trend(tmp_path, "R-1", 0)["time"].to_list() == [*days[2:], IN_2098]
    assert removed_days(tmp_path) == {"2026-01-01", "2026-01-02"}
    assert all("--history-days" in text for text in removals(tmp_path))
