"""Messages are followed by what they are: losses, duplicates and swaps are counted exactly, hop by hop."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from broker.contract.trace import Durable, Shown, Taken
from trials.load.followed import Followed
from trials.load.latencies import Histogram
from trials.load.sent import CONFIRMED, SENT

GATEWAYS, TICKS, SAMPLES = 100, 100, 100
"""A million samples in ten thousand messages."""


def messages() -> pl.DataFrame:
    tick, gateway = np.divmod(np.arange(GATEWAYS * TICKS), GATEWAYS)
    due = 1000.0 * tick + 10.0 * gateway
    return pl.DataFrame(
        {
            "gateway": [f"load-{number:05d}" for number in gateway],
            "digest": np.arange(len(due)),
            "samples": np.full(len(due), SAMPLES),
            "due": due,
            "sampled": due + 1.0,
        },
        SENT,
    )


def taken(rows: pl.DataFrame, batch: int = 1) -> Taken:
    at = rows["due"] + 20.0
    return Taken(
        batch=batch,
        gateways=rows["gateway"].to_list(),
        digests=rows["digest"].to_list(),
        received=at.to_list(),
        decoded=float(at.max()) + 5.0,  # type: ignore[arg-type]
        judged=float(at.max()) + 10.0,  # type: ignore[arg-type]
    )


def followed(sent: pl.DataFrame, arrived: pl.DataFrame) -> Followed:
    found = Followed()
    found.add_sent(sent)
    confirmed = sent.select("gateway", "digest", published="sampled", confirmed=pl.col("sampled") + 1.0)
    found.add_confirmed(confirmed.cast(CONFIRMED))  # type: ignore[arg-type]
    found.add_trace(taken(arrived), 200_000.0)
    found.add_trace(Durable(batch=1, at=200_000.0), 200_001.0)
    found.add_trace(Shown(batch=1, version=7, at=200_001.0), 200_002.0)
    found.add_painted(7, 200_002.0)
    return found


def test_all_that_arrives_is_followed_to_the_screen():
    sent = messages()
    settled = followed(sent, sent).settled(math.inf)
    assert (settled.lost, settled.repeated, settled.disordered) == (0, 0, 0)
    row = settled.rows.filter(pl.col("gateway") == "load-00042").sort("due").row(3, named=True)
    assert (row["sampled"], row["received"]) == (row["due"] + 1.0, row["due"] + 20.0)
    assert (row["durable"], row["shown"], row["painted"]) == (200_000.0, 200_001.0, 200_002.0)


@pytest.mark.parametrize("place", [0, 4_711, GATEWAYS * TICKS - 1])
def test_one_message_lost_of_a_million_samples_is_counted_where_it_was_lost(place):
    sent = messages()
    settled = followed(sent, sent.filter(pl.col("digest") != place)).settled(math.inf)
    assert settled.lost == SAMPLES
    assert settled.lost_before("confirmed") == 0
    assert settled.lost_before("received") == SAMPLES


def test_a_message_that_arrives_twice_is_a_duplicate_and_not_a_loss():
    sent = messages()
    settled = followed(sent, pl.concat([sent, sent[500:501]])).settled(math.inf)
    assert (settled.lost, settled.repeated, settled.disordered) == (0, SAMPLES, 0)


def test_two_messages_of_a_gateway_that_change_places_are_one_out_of_order():
    sent = messages()
    swapped = pl.concat([sent[:300], sent[400:401], sent[301:400], sent[300:301], sent[401:]])
    settled = followed(sent, swapped).settled(math.inf)
    assert (settled.lost, settled.repeated, settled.disordered) == (0, 0, 1)


def test_messages_stay_until_their_time_is_over_and_are_counted_once():
    sent = messages()
    found = followed(sent, sent)
    early = found.settled(50_000.0)
    late = found.settled(math.inf)
    assert early.rows["samples"].sum() + late.rows["samples"].sum() == GATEWAYS * TICKS * SAMPLES
    assert (early.lost, late.lost) == (0, 0)
    assert early.rows["due"].max() < 50_000.0 <= late.rows["due"].min()  # type: ignore[operator]


def test_percentiles_agree_with_numpy_to_three_digits():
    latencies = pl.Series(np.random.default_rng(1).lognormal(4.0, 1.0, 20_000))
    histogram = Histogram()
    histogram.add(latencies, pl.Series(np.full(20_000, 3)))
    assert histogram.count == 60_000
    for percentile in (50, 90, 99, 99.9):
        assert histogram.at(percentile) == pytest.approx(np.percentile(latencies, percentile) / 1000, rel=0.005)
