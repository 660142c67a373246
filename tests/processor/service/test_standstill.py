"""Standstill: a processor that was not running raises one alarm about itself, and none about silent pumps."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from broker.store import journal_query
from processor.pipeline import Pipeline
from processor.service import loop, standstill
from processor.service.settings import Settings
from processor.service.standstill import Standstill

TIMEOUT_S = 60.0


@pytest.mark.parametrize(("gap_s", "caught_up_s"), [(2.0, 3.0), (22.0, 22.0), (3600.0, 30.0)])
def test_catching_up_takes_as_long_as_the_standstill_within_limits(gap_s: float, caught_up_s: float) -> None:
    reported: list[float] = []
    pulse = Standstill(reported.append)
    assert pulse.over(100.0)
    clock = 100.0 + gap_s
    assert not pulse.over(clock)
    ticks = [step * 0.5 for step in range(1, 80)]
    first = next(tick for tick in ticks if pulse.over(clock + tick))
    assert first == caught_up_s
    assert reported == ([gap_s] if gap_s >= standstill.REPORTED_S else [])


def test_a_late_pulse_is_no_standstill() -> None:
    pulse = Standstill(lambda gap_s: pytest.fail(f"reported {gap_s} s"))
    assert all(pulse.over(1.9 * beat) for beat in range(20))


@pytest.mark.broker
async def test_a_processor_that_stood_still_judges_no_pump_silent_and_reports_it_once(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standstill, "NOTICED_S", 0.8)
    monkeypatch.setattr(standstill, "REPORTED_S", 0.8)
    take, judged = Pipeline.take, list[tuple[float, bool]]()

    def taken(pipeline: Pipeline, *args: Any, **kwargs: Any) -> Any:
        judged.append((time.monotonic(), kwargs["current"]))
        return take(pipeline, *args, **kwargs)

    monkeypatch.setattr(Pipeline, "take", taken)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(loop.run(Settings(broker=mosquitto, data=tmp_path), stop, lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), TIMEOUT_S)
    await asyncio.sleep(0.6)
    time.sleep(1.5)
    resumed = time.monotonic()
    async with asyncio.timeout(TIMEOUT_S):
        while not judged or judged[-1][0] < resumed:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.1)
    stop.set()
    await asyncio.wait_for(running, TIMEOUT_S)
    assert next(current for at, current in judged if at >= resumed) is False
    entries = journal_query.entries(tmp_path, journal_query.Query(limit=100))
    texts = entries.filter(kind="stopped")["text"].to_list()
    assert [text for text in texts if "was not running for" in text] == ["the processor was not running for 2 s"]
    assert entries.filter(rule="processor_stood_still", kind="raised").height == 1
