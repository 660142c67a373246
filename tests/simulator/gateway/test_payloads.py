"""Payloads of a tick are the same as if each gateway had encoded its samples alone."""

from __future__ import annotations

import itertools
import json

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import decode, encode_json
from simulator.gateway import payloads
from simulator.gateway.payloads import TickPayloads
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

STAMP = 1_790_000_000_123
EDGES = [0, 1, 2, 5, 5, 12]


@pytest.fixture(scope="module")
def samples() -> pl.DataFrame:
    fleet = Simulation(default(pumps=12), start_ms=1_767_225_600_000)
    fleet.inject("sensor_stuck", np.arange(3), severity=1.0)
    frame = fleet.tick().drop("index")
    gaps = pl.when(pl.int_range(pl.len()) % 3 == 1).then(None).otherwise(pl.col("battery_v")).alias("battery_v")
    return frame.with_columns(gaps)


@pytest.mark.parametrize("chunk", [1, 3, 4096])
@pytest.mark.parametrize("form", ["json", "arrow"])
def test_each_gateway_sends_its_own_samples_with_its_stamp(samples, form, chunk, monkeypatch):
    monkeypatch.setattr(payloads, "CHUNK_ROWS", chunk)
    tick = TickPayloads(samples, EDGES[:-1], EDGES[1:])
    for number, (first, end) in enumerate(itertools.pairwise(EDGES)):
        if tick.count(number):
            found = decode(getattr(tick, form)(number, STAMP + number)).samples
            alone = samples[first:end].with_columns(pl.lit(STAMP + number).alias("sent"))
            expected = decode(encode_json(alone)).samples if form == "json" else alone
            assert found.equals(expected)
    assert samples["sent"].null_count() == samples.height


def test_a_sample_as_json_leaves_out_what_is_unknown_and_keeps_odd_names(samples):
    odd = 'a,"battery_v":null,}\n'
    row = samples[1:2].with_columns(pl.lit(odd).alias("pump"), pl.lit(float("nan"), pl.Float32).alias("motor_ma"))
    fields = json.loads(encode_json(row))
    assert fields["pump"] == odd
    assert {"sent", "battery_v", "motor_ma"}.isdisjoint(fields)
    assert fields["flow_ul_h"] == pytest.approx(row["flow_ul_h"].item(), abs=1e-4)
