"""A message that ends the processor is set aside, and the samples around it are judged."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from broker.mqtt.address import parse_url
from broker.store import snapshot_files
from broker.store.snapshot import Snapshot
from processor.service.in_hand import REASON
from pumpwatch.supervision import supervisor
from pumpwatch.supervision.part_process import Part
from pumpwatch.supervision.supervisor import Supervisor
from tests.conftest import ROOT

SCRIPT = Path(__file__).with_name("poisonable_processor.py")
TIMEOUT_S = 60.0
GOOD = '{{"pump":"MY-{0}","time":"2026-01-01T00:00:0{0}Z","seq":1,"flow_ul_h":8.1}}'


async def publish(url: str, payloads: list[str]) -> None:
    import aiomqtt

    address = parse_url(url)
    async with aiomqtt.Client(address.host, address.port) as client:
        for payload in payloads:
            await client.publish("itb/00/mine/telemetry", payload, qos=1)


@pytest.mark.broker
async def test_a_message_that_ends_the_processor_is_quarantined_after_at_most_three_restarts(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MIN_WAIT_S", 0.05)
    ends: list[str] = []

    def note(state: str, _part: str, text: str) -> None:
        if state == "ended":
            ends.append(text)

    command = (sys.executable, str(SCRIPT), "process", "--data", str(tmp_path), "--broker", mosquitto)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    system, stop = Supervisor([Part("processor", command)], print, environment, note), asyncio.Event()
    assert await system.start(stop)
    watching = asyncio.ensure_future(system.watch(stop))
    poison = '{"pump":"POISON","time":"2026-01-01T00:00:00Z","seq":1}'
    await publish(mosquitto, [*(GOOD.format(number) for number in range(4)), poison, GOOD.format(4), GOOD.format(5)])

    def seen() -> Snapshot | None:
        now = snapshot_files.read(tmp_path / "snapshot")
        settled = now.version and now.pumps.height == 6 and any(each.reason == REASON for each in now.health.refusals)
        return now if settled else None

    until = time.monotonic() + TIMEOUT_S
    while (now := seen()) is None and time.monotonic() < until:
        await asyncio.sleep(0.1)
    stop.set()
    await watching
    await system.stop()
    assert now is not None, ends
    assert now.pumps["pump"].sort().to_list() == [f"MY-{number}" for number in range(6)]
    assert now.health.refusals[0].topic == "itb/00/mine/telemetry"
    assert "POISON" in (tmp_path / "quarantine.jsonl").read_text()
    assert ends == ["was killed (SIGKILL)"] * len(ends)
    assert len(ends) <= 3
