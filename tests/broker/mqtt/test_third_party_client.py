"""Third-party clients: the programs that come with Mosquitto publish to a processor and read a gateway."""

from __future__ import annotations

import asyncio
import json
import os
import shutil

import pytest

from broker.contract.gateway_messages import read_birth
from broker.contract.signals import SIGNAL_NAMES
from broker.store import snapshot_files
from processor.service import loop
from processor.service.settings import Settings
from simulator.gateway import service

pytestmark = pytest.mark.broker
MY_PUMP = '{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}'


@pytest.fixture
def program():
    """Return where a program is; skip where it is not, fail where everything must be there."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not on this machine, and CI=true")
        if found is None:
            pytest.skip(f"{name} is not on this machine")
        return found

    return find


@pytest.fixture
async def running(own_broker):
    """Run parts beside the test until it ends; they must end well."""
    await own_broker.start()
    stop, tasks = asyncio.Event(), []

    async def begin(run, settings) -> None:
        ready = asyncio.Event()
        task = asyncio.create_task(run(settings, stop, lambda _: ready.set()))
        tasks.append(task)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()

    yield begin
    stop.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)


async def publish(program, broker, topic: str, payload: str) -> None:
    command = [program("mosquitto_pub"), "-p", str(broker.port), "-q", "1", "-t", topic, "-m", payload]
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def test_mosquitto_pub_makes_a_pump_appear(program, running, own_broker, tmp_path, until):
    await running(loop.run, Settings(own_broker.url, tmp_path / "data", tick_s=0.05))
    await publish(program, own_broker, "itb/00/mine/telemetry", MY_PUMP)
    pictures = tmp_path / "data" / "snapshot"
    await until(lambda: snapshot_files.read(pictures).pumps.height)
    pump = snapshot_files.read(pictures).pumps.row(0, named=True)
    assert (pump["pump"], pump["gateway"], pump["seq"]) == ("MY-1", "mine", 1)
    assert pump["flow_ul_h"] == pytest.approx(8.1)
    assert {pump[name] for name in SIGNAL_NAMES if name != "flow_ul_h"} == {None}


async def test_what_mosquitto_pub_gets_wrong_is_shown_with_its_reason(program, running, own_broker, tmp_path, until):
    await running(loop.run, Settings(own_broker.url, tmp_path / "data", tick_s=0.05))
    await publish(program, own_broker, "itb/00/mine/telemetry", MY_PUMP.replace("8.1", "8.1 ul"))
    await publish(program, own_broker, "itb/77/mine/telemetry", MY_PUMP)
    pictures = tmp_path / "data" / "snapshot"
    await until(lambda: snapshot_files.read(pictures).health.refused == 2)
    reasons = [refusal.reason for refusal in snapshot_files.read(pictures).health.refusals]
    assert reasons[0] == "shard '77' is not one of 00 to 63"
    assert reasons[1].startswith("not a JSON sample")


async def test_mosquitto_sub_reads_the_json_of_a_gateway_with_one_pump(program, running, own_broker):
    command = [program("mosquitto_sub"), "-p", str(own_broker.port), "-t", "itb/#", "-v", "-C", "6", "-W", "15"]
    reader = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    await running(service.run, service.Settings(own_broker.url, pumps=1, speed=600.0, name="mine"))
    lines, _ = await reader.communicate()
    words = [line.split(" ", 1) for line in lines.decode().splitlines()]
    assert len(words) == 6
    by_leaf = {topic.rpartition("/")[2]: payload for topic, payload in words}
    assert {"birth", "telemetry"} <= set(by_leaf)
    assert read_birth(by_leaf["birth"].encode()).pumps.serial == ["ITB-000000"]
    sample = json.loads(by_leaf["telemetry"])
    assert sample["pump"] == "ITB-000000"
    assert set(SIGNAL_NAMES) <= set(sample)
    assert all(isinstance(sample[name], int | float) for name in (*SIGNAL_NAMES, "time", "sent", "seq"))
