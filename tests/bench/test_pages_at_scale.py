"""What snapshots and pages cost with 1,000, 100,000 and 1,000,000 pumps: prints two tables.

A thousandth of the fleet has an open alarm. Snapshots: CPU of the part with the alarms, which every snapshot has anew,
and of the values and forecasts of all pumps, which large fleets renew more seldom. Pages: the answer to a signed-in
browser, made and sent, in ms and kB; the first after a renewal of the values is among them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from broker.contract.codec import encode_arrow
from broker.contract.gateway_messages import Birth
from broker.contract.messages import encode
from broker.contract.topics import topic_of
from broker.mqtt.link import Message
from broker.store.snapshot import Health
from dashboard.app import build
from dashboard.settings import Settings
from processor.alarms import lifecycle
from processor.pipeline import Pipeline
from processor.service.snapshots import MAX_INLINE_PUMPS, SnapshotPublisher
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

SIZES = (1_000, 100_000, 1_000_000)
GATEWAY_PUMPS = 1_000
START_MS = 1_767_225_600_000
ROUNDS = 20
KEY = "the-right-key"
Row = dict[str, Any]


def watched_fleet(pumps: int) -> Pipeline:
    """Return a pipeline that has judged two samples of every pump, with alarms on a thousandth of them."""
    simulation, pipeline = Simulation(default(pumps=pumps, seed=1), start_ms=START_MS, on_wire=True), Pipeline()
    parts = [range(first, min(first + GATEWAY_PUMPS, pumps)) for first in range(0, pumps, GATEWAY_PUMPS)]
    births = [
        Birth(gateway=f"gateway-{at:04d}", pumps=simulation.describe(part), sent=START_MS, time=START_MS, speed=60.0)
        for at, part in enumerate(parts)
    ]
    pipeline.take([_message(birth.gateway, "birth", encode(birth)) for birth in births], START_MS)
    for second in (1, 2):
        frame = simulation.tick().drop("index")
        messages = [
            _message(birth.gateway, "telemetry", encode_arrow(frame[part.start : part.stop]))
            for birth, part in zip(births, parts, strict=True)
        ]
        pipeline.take(messages, START_MS + 1000 * second)
    pipeline.alarms = alarms_on(np.arange(0, pumps, 1000, dtype=np.uint32))
    return pipeline


def alarms_on(pumps: np.ndarray) -> pl.DataFrame:
    alarms: dict[str, Any] = {
        "alarm": [f"{pump}/motor_stall/1" for pump in pumps],
        "pump": pumps,
        "rule": ["motor_stall"] * len(pumps),
        "priority": np.arange(len(pumps)) % 3 + 1,
        **{name: np.full(len(pumps), START_MS) for name in ("onset", "raised", "raised_wall")},
    }
    columns = [
        pl.Series(name, alarms.get(name, [None] * len(pumps)), dtype) for name, dtype in lifecycle.SCHEMA.items()
    ]
    return pl.DataFrame(columns)


def _message(gateway: str, kind: str, payload: bytes) -> Message:
    return Message(topic_of(gateway, kind), payload, 0, 1, False)


def cost_ms(act: Callable[[], object], rounds: int = 5) -> float:
    """Return the CPU time of an act in ms: the median."""
    costs = []
    for _ in range(rounds):
        began = time.process_time()
        act()
        costs.append(1000 * (time.process_time() - began))
    return float(np.median(costs))


def grid(sorting: str | None = None, start: int = 0) -> Row:
    model = [{"colId": sorting, "sort": "desc"}] if sorting else []
    return {"startRow": start, "endRow": start + 100, "sortModel": model, "filterModel": {}}


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "overview, counts": ("counts", {}),
    "overview, map": ("map-cells", {}),
    "pumps": ("pump-grid", {"pump-grid.getRowsRequest": grid()}),
    "pumps, far below": ("pump-grid", {"pump-grid.getRowsRequest": grid(start=700)}),
    "pumps, sorted": ("pump-grid", {"pump-grid.getRowsRequest": grid("battery_v")}),
    "pumps, searched": ("pump-grid", {"pump-grid.getRowsRequest": grid(), "pump-search.value": "0045"}),
    "pump": ("pump-head", {"pump-serial.data": "ITB-000777"}),
    "pipeline": ("pipe-facts", {}),
}
"""Outputs of the callbacks that pages ask, with the values of their inputs."""
FEEDS = {"overview, alarms": "/rows/worst", "alarms, all": "/rows/alarms"}
"""Lists that pages follow: here from their beginning, as a page asks that was just opened."""


def callback_request(callbacks: list[Row], output: str, values: Row) -> Row:
    """Return what a browser asks of the first callback that has this output and an input."""
    found = next(one for one in callbacks if one["output"].strip(".").split(".")[0] == output and one["inputs"])
    outputs = [
        dict(zip(("id", "property"), one.rsplit(".", 1), strict=True))
        for one in found["output"].strip(".").split("...")
    ]

    def filled(wires: list[Row]) -> list[Row]:
        return [{**wire, "value": values.get(f"{wire['id']}.{wire['property']}")} for wire in wires]

    return {
        "output": found["output"],
        "outputs": outputs if found["output"].startswith("..") else outputs[0],
        "inputs": filled(found["inputs"]),
        "state": filled(found["state"]),
        "changedPropIds": [f"{found['inputs'][0]['id']}.{found['inputs'][0]['property']}"],
    }


async def answers(data: Path, renew: Callable[[], object]) -> dict[str, tuple[list[float], int]]:
    """Return the ms of each answer and the bytes of the longest."""
    application, measured = build(Settings("mqtt://127.0.0.1:1", data, key=KEY)), {}
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
    async with httpx.AsyncClient(
        transport=transport, base_url="http://pumpwatch", headers={"Origin": "http://pumpwatch"}
    ) as client:
        await client.get(f"/?key={KEY}", follow_redirects=True)
        callbacks = (await client.get("/_dash-dependencies")).json()
        asked = {
            name: ("/_dash-update-component", json.dumps(callback_request(callbacks, output, values)))
            for name, (output, values) in ASKED.items()
        }
        for name, (path, request) in {**asked, **{name: (path, "") for name, path in FEEDS.items()}}.items():
            times, longest = [], 0
            for at in range(ROUNDS):
                if at % 5 == 0:
                    renew()
                began = time.perf_counter()
                answer = await client.post(path, content=request, headers={"Content-Type": "application/json"})
                times.append(1000 * (time.perf_counter() - began))
                assert answer.status_code == 200, answer.text[:500]
                longest = max(longest, len(answer.content))
            measured[name] = times, longest
    return measured


@pytest.mark.parametrize("pumps", SIZES)
def test_the_cost_of_snapshots_and_pages(pumps: int, tmp_path: Path) -> None:
    pipeline, version = watched_fleet(pumps), 0
    now = START_MS + 3000
    publisher, view = SnapshotPublisher(tmp_path / "snapshot", pipeline), pipeline.fleet_view(now)

    def publish() -> None:
        nonlocal version
        version += 1
        health = Health(version=version, started=1, written=now, connected=True, therapy_ms=START_MS)
        publisher.write(publisher.make(health, now))

    def renew() -> None:
        publisher._next_table = 0.0
        publish()
        if publisher._making:
            publisher._making.join()
        publish()

    publish()
    publisher._next_table = publisher._next_forecasts = float("inf")
    print(f"\n{pumps:,} pumps, {pipeline.alarms.height:,} alarms")
    forecasts, alarms = cost_ms(view.forecasts, 1), cost_ms(publish)
    values = "included" if pumps <= MAX_INLINE_PUMPS else f"{cost_ms(renew) - alarms:.0f} ms"
    print(f"  CPU of a snapshot: alarms {alarms:.0f} ms, values {values}, forecasts {forecasts:.0f} ms")
    for name, (times, longest) in asyncio.run(answers(tmp_path, renew)).items():
        p50, p95 = np.percentile(times, (50, 95))
        print(f"  {name:30} p50 {p50:5.0f} ms, p95 {p95:5.0f} ms, {longest / 1000:5.0f} kB")
