"""The benchmark of pages asks what pages ask: it fails here when a callback gets another name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.store.snapshot import Snapshot
from dashboard.app import assemble
from dashboard.data.services import DataService
from tests.bench import test_pages_at_scale as benchmark

DataOf = Callable[[Snapshot], DataService]


async def test_what_the_benchmark_asks_of_pages_is_what_pages_ask(fleet: Any, data_of: DataOf, browser_of: Any) -> None:
    async with browser_of(assemble(data_of(fleet(1))).server) as client:
        callbacks = (await client.get("/_dash-dependencies")).json()
        for output, values in benchmark.ASKED.values():
            request = benchmark.callback_request(callbacks, output, values)
            assert set(values) <= {f"{wire['id']}.{wire['property']}" for wire in request["inputs"] + request["state"]}
        for path in benchmark.FEEDS.values():
            assert (await client.post(path)).status_code == 200
