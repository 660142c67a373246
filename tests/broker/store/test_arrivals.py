"""Arrivals: samples as they came are arranged so that one pump is found in few row groups."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.store import arrivals
from broker.store.segments import HOUR_MS

from .days import START_MS

PUMPS_A_RUN = 200


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "FEW", 100)


def runs(*gateways: int, time: int = START_MS) -> pl.DataFrame:
    """Return the samples of gateways, each of which names its own pumps in order."""
    numbers = np.concatenate([np.arange(PUMPS_A_RUN) + gateway * PUMPS_A_RUN for gateway in gateways])
    sent = np.repeat([time + gateway for gateway in gateways], PUMPS_A_RUN)
    return pl.DataFrame({"pump": [f"P-{number:06d}" for number in numbers], "time": time, "sent": sent})


def test_gateways_are_put_in_the_order_of_their_pumps() -> None:
    arrived = runs(3, 0, 2, 1)
    found = arrivals.gathered(arrived)
    assert found.equals(arrived.sort("pump"))


def test_samples_of_two_ticks_stay_near_each_other_and_none_is_lost() -> None:
    arrived = pl.concat([runs(1, 0, 3), runs(0, 2, 1, time=START_MS + 1)])
    found = arrivals.gathered(arrived)
    assert found.sort("pump", "time").equals(arrived.sort("pump", "time"))
    places = found.with_row_index("at").group_by("pump").agg((pl.col("at").max() - pl.col("at").min()).alias("apart"))
    assert places["apart"].max() <= PUMPS_A_RUN


def test_samples_in_no_order_are_sorted_by_pump_and_time() -> None:
    arrived = runs(0, 1, 2).sample(fraction=1.0, shuffle=True, seed=1)
    assert arrivals.gathered(arrived).equals(arrived.sort("pump", "time"))


def test_each_hour_comes_by_itself() -> None:
    ahead = runs(0, time=START_MS + HOUR_MS)
    parts = dict(arrivals.by_hour(pl.concat([runs(0), ahead])))
    assert list(parts) == [START_MS // HOUR_MS, START_MS // HOUR_MS + 1]
    assert parts[START_MS // HOUR_MS + 1].equals(ahead)
    assert [part.height for _, part in arrivals.by_hour(runs(0))] == [PUMPS_A_RUN]
    assert not list(arrivals.by_hour(runs(0).clear()))
