"""Expected bands of the trend charts: what is drawn behind a pump's curves, and where none is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.signals import FLAG_BIT, SIGNAL_NAMES
from dashboard.data import replays, trend_bands, trends
from dashboard.data.replays import Replays
from pumpwatch.commands.history_judge import replayed

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


def history(hours: int, **values: object) -> pl.DataFrame:
    """Return a pump's samples a minute apart, steady but for `values`."""
    count = hours * 60
    steady = {"flow_ul_h": 10.0, "commanded_ul_h": 10.0, "motor_ul_h": 10.0, "pressure_mmhg": 12.0, "pulse_mmhg": 3.0}
    noise = np.random.default_rng(3).normal(0, 0.02, count)
    columns = {name: steady.get(name, 3.4) + noise for name in SIGNAL_NAMES} | values
    return pl.DataFrame(
        {
            "time": 1_000 * HOUR_MS + MINUTE_MS * np.arange(count),
            **dict.fromkeys(("seq", "flags"), np.zeros(count, dtype=np.int64)),
            **{name: np.broadcast_to(np.asarray(column, np.float32), count) for name, column in columns.items()},
        }
    )


@pytest.fixture
def reader():
    samples, asked = history(60), []

    def read(_pump: str, since: int, until: int) -> pl.DataFrame:
        asked.append((since, until))
        return samples.filter(pl.col("time").is_between(since, until))

    return read, asked, samples


def test_catheter_pressure_and_battery_have_the_band_that_their_detectors_learned(reader) -> None:
    read, _, samples = reader
    since, until = 1_050 * HOUR_MS, 1_060 * HOUR_MS
    judged = Replays(replayed).of(read, "P", (since, until), windows=72)
    seen = samples.filter(pl.col("time") >= since)
    found = trend_bands.bands(trends.curves(seen), seen, judged, 20.0)
    pressure, battery = found["pressure_mmhg"], found["battery_v"]
    assert np.allclose(pressure.low, 10.0, atol=0.1)
    assert np.allclose(pressure.high, 14.5, atol=0.1)
    assert np.allclose((battery.high - battery.low) / 2, 0.06, atol=0.001)
    assert battery.time[0] - since <= 3 * HOUR_MS


def test_the_reservoir_is_expected_at_the_computed_volume_give_or_take_what_the_flow_may_differ() -> None:
    falling = np.linspace(15, 14, 600)
    falling[300:] += 5.0  # a refill
    seen = history(10, computed_ml=falling)
    band = trend_bands.bands(trends.curves(seen), seen, None, 20.0)["reservoir_ml"]
    assert (band.high - band.low)[0] == pytest.approx(2 * 0.145 * 5.0, rel=0.01), "5 mL of 20 were delivered"
    assert (band.high - band.low)[300] == pytest.approx(0.0, abs=0.01), "just filled"
    assert "reservoir_ml" not in trend_bands.bands(trends.curves(seen), seen, None, None), "capacity unknown"


def test_no_band_is_drawn_after_the_end_of_service() -> None:
    flags = np.zeros(600, dtype=np.int64)
    flags[400:] = FLAG_BIT["eos"]
    seen = history(10).with_columns(pl.Series("flags", flags))
    flow = trend_bands.bands(trends.curves(seen), seen)["commanded_ul_h"]
    assert flow.time[-1] == seen["time"][400]


def test_a_range_that_moves_on_is_judged_only_where_it_is_new(reader) -> None:
    read, asked, _ = reader
    past = Replays(replayed)
    past.of(read, "P", (1_050 * HOUR_MS, 1_054 * HOUR_MS), ["under_delivery"])
    asked.clear()
    later = past.of(read, "P", (1_050 * HOUR_MS, 1_055 * HOUR_MS), ["under_delivery"])
    assert later is not None
    assert later["under_delivery"].max() < 0.5
    assert len(asked) == 1
    assert asked[0][0] > 1_053 * HOUR_MS
    assert later["time"].is_sorted()
    assert later["time"].is_unique().all()


def test_only_the_latest_ranges_are_kept(reader) -> None:
    read, _, _ = reader
    past = Replays(replayed)
    for pump in range(replays.KEPT + 3):
        past.of(read, f"P-{pump}", (1_000 * HOUR_MS, 1_000 * HOUR_MS + 600_000))
    assert len(past._known) == replays.KEPT
    assert Replays().of(read, "P", (0, HOUR_MS)) is None, "a dashboard alone knows no detectors"
