"""Path of every signal: simulator, payload, engine window, snapshot, history.

`tests/test_new_signal.py` repeats these tests with signals added to the table.
"""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from broker.contract.codec import decode, encode_arrow, encode_json
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES, SIGNALS
from broker.store import rollup, segments
from broker.store.history import History
from simulator.fleet.sensors import LANE, LANES, SENSORS
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

START_MS = 1_767_225_600_000
SIMULATED = [sensor.signal for sensor in SENSORS]


@pytest.fixture(scope="module")
def samples() -> pl.DataFrame:
    """Two hours of three simulated pumps, which end within a window."""
    simulation = Simulation(default(pumps=3, interval_s=60, seed=4), start_ms=START_MS)
    return pl.concat([simulation.tick() for _ in range(122)]).select(*SAMPLE_SCHEMA)


def test_every_sensor_measures_a_known_signal_with_its_own_noise(samples):
    assert set(SIMULATED) <= set(SIGNAL_NAMES)
    assert sorted(LANE.values()) == list(range(1, LANES))
    for sensor in SENSORS:
        assert samples[sensor.signal].null_count() == 0
        if sensor.noise:
            steps = samples.filter(pl.col("pump") == "ITB-000001")[sensor.signal].diff()
            assert (steps != 0).mean() > 0.1, sensor.signal


def test_a_signal_without_a_sensor_is_unknown_in_simulated_samples(samples):
    for name in set(SIGNAL_NAMES) - set(SIMULATED):
        assert samples[name].null_count() == samples.height


def test_every_signal_survives_an_arrow_and_a_json_payload(samples):
    for encoded, tolerance in ((encode_arrow(samples), 0.0), (encode_json(samples), 1e-4)):
        decoded = decode(encoded)
        assert decoded.rejected == ()
        assert_frame_equal(decoded.samples, samples, rel_tol=0, abs_tol=tolerance)


def test_every_signal_of_a_foreign_json_client_reaches_window_and_snapshot_and_is_rejected_if_out_of_range(
    watch, json_sample
):
    values = {signal.name: (signal.low + signal.high) / 2 for signal in SIGNALS}
    watch.deliver(json_sample(time=START_MS, seq=1, boot=1))
    watch.deliver(json_sample(time=START_MS + 60_000, seq=2, boot=1, **values))
    state = watch.pipeline.state.row(0, named=True)
    pump = watch.snapshot().pumps.row(0, named=True)
    for name, value in values.items():
        assert state[name] == state[f"window.{name}"] == pump[name] == pytest.approx(value)
    for signal in SIGNALS:
        watch.deliver(json_sample(time=START_MS + 120_000, **{signal.name: signal.high + 1}))
        assert f"{signal.name} is {signal.high + 1:g}; allowed is {signal.low:g}" in watch.reasons[-1]


def test_every_simulated_signal_reaches_window_snapshot_and_history_unchanged(watch, samples, tmp_path):
    accepted = watch.samples(samples)
    last = samples.group_by("pump", maintain_order=True).last()
    pumps = watch.snapshot().pumps
    history = History(tmp_path)
    history.append(accepted.select(*SAMPLE_SCHEMA), stamp=START_MS)
    kept = pl.concat([segments.trend(tmp_path, pump, START_MS, START_MS + 10**8) for pump in last["pump"]])
    short = rollup.rolled(tmp_path, "ITB-000001", START_MS, START_MS + 10**8)
    sent = samples.sort("pump", "time")
    one = sent.filter(pl.col("pump") == "ITB-000001")
    for name in SIGNAL_NAMES:
        assert pumps[name].equals(last[name]), name
        assert watch.pipeline.state[f"window.{name}"].null_count() == last[name].null_count(), name
        assert kept[name].equals(sent[name]), name
        if name in SIMULATED:
            assert (short[f"{name}.min"].min(), short[f"{name}.max"].max()) == (one[name].min(), one[name].max()), name
