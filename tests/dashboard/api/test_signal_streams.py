"""Signals as CSV and Arrow: sent as they are read, chunk by chunk, and together what they are as a whole."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import segments
from broker.store.history import History
from dashboard.api import signals
from dashboard.data.services import DataService
from tests.broker.interop import rows

PUMP = "ITB-000001"
MINUTES = 2 * 24 * 60
LAST_MS = MINUTES * 60_000
Parts = Callable[[DataService, Any], Iterator[bytes]]


@pytest.fixture
def sampled(data: DataService) -> DataService:
    """Two days of samples, one a minute."""
    one = pl.DataFrame([rows.sample(pump=PUMP, flow_ul_h=8.1, reservoir_ml=12.5)], SAMPLE_SCHEMA)
    times = pl.DataFrame({"time": range(60_000, LAST_MS + 1, 60_000), "seq": range(MINUTES)})
    made = times.join(one.drop("time", "seq"), how="cross").cast({"seq": SAMPLE_SCHEMA["seq"]})
    History(data.settings.data).append(made.select(*SAMPLE_SCHEMA), LAST_MS)
    return data


def choice(resolution: str = "sample") -> Any:
    return signals._Choice(PUMP, 60_000, LAST_MS, resolution)


async def test_a_stream_is_one_file_of_all_rows(client: httpx.AsyncClient, sampled: DataService) -> None:
    for resolution, height in (("sample", MINUTES), ("minute", MINUTES), ("hour", 49)):
        asked = {"from": "1970-01-01T00:01:00Z", "to": "1970-01-03T00:00:00Z", "resolution": resolution}
        where = f"/pumps/{PUMP}/signals"
        items = (await client.get(where, params=asked)).json()["items"]
        csv = pl.read_csv((await client.get(where, params={**asked, "format": "csv"})).content)
        arrow = pl.read_ipc_stream((await client.get(where, params={**asked, "format": "arrow"})).content)
        assert [one["time"] for one in items] == csv["time"].to_list() == arrow["time"].to_list()
        assert arrow["time"].is_sorted()
        assert (arrow.height, arrow["time"].n_unique()) == (height, height)


@pytest.mark.parametrize("parts", [signals._csv, signals._arrow])
def test_a_slow_client_holds_one_chunk_in_memory(
    parts: Parts, sampled: DataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[weakref.ref[pl.DataFrame]] = []
    trend = segments.trend

    def watched(*asked: Any) -> pl.DataFrame:
        found = trend(*asked)
        read.append(weakref.ref(found))
        return found

    monkeypatch.setattr(segments, "trend", watched)
    lengths = []
    for number, part in enumerate(parts(sampled, choice()), start=1):
        lengths.append(len(part))
        gc.collect()
        assert len(read) <= number, "nothing is read before the client has taken what was read"
        assert sum(one() is not None for one in read) <= 1
    assert len(read) == 8
    assert max(lengths) < sum(lengths) / 6


def test_a_pump_without_samples_has_the_columns_alone(data: DataService) -> None:
    assert pl.read_csv(io.BytesIO(b"".join(signals._csv(data, choice())))).columns[:2] == ["time", "seq"]
    arrow = pl.read_ipc_stream(io.BytesIO(b"".join(signals._arrow(data, choice("hour")))))
    assert (arrow.height, arrow.columns[:2]) == (0, ["time", "samples"])


async def test_a_client_that_has_the_same_files_already_is_told_so(
    client: httpx.AsyncClient, sampled: DataService
) -> None:
    where = f"/pumps/{PUMP}/signals?to=1970-01-03T00:00:00Z&format=csv"
    tag = (await client.get(where)).headers["etag"]
    assert (await client.get(where, headers={"If-None-Match": tag})).status_code == 304
    added = pl.DataFrame([rows.sample(pump=PUMP, time=LAST_MS - 30_000)], SAMPLE_SCHEMA)
    History(sampled.settings.data).append(added, LAST_MS)
    assert (await client.get(where, headers={"If-None-Match": tag})).status_code == 200
    assert (await client.get(where.replace("csv", "arrow"), headers={"If-None-Match": tag})).status_code == 200
