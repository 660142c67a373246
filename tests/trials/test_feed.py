"""Samples of an offline run, played in this process and in a separate one."""

from __future__ import annotations

import pytest

from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault
from trials.feed import TICKS_PER_MESSAGE, Feed, FeedError

START_MS = 1_767_571_200_000
SCENARIO = Scenario(
    pumps=5,
    interval_s=300.0,
    faults=(
        ScheduledFault("silent_pump", "1", None, 600.0, 0.0, 900.0, (1.0,)),
        ScheduledFault("link_corrupted", "2", None, 600.0, 0.0, None, (1.0,)),
        ScheduledFault("pocket_fill", "3", None, 600.0, 0.0, None, (0.5,)),
        ScheduledFault("pocket_fill", "4", None, 600.0, 0.0, None, (0.5,)),
        ScheduledFault("motor_stall", "0", None, 600.0, 0.0, None, (0.0,)),
    ),
    events=(ScheduledEvent("refill", "3", None, 3600.0), ScheduledEvent("fever", "0", None, 0.0, hold_s=1800.0)),
)
TICKS = 2 * TICKS_PER_MESSAGE + 3


@pytest.fixture(scope="module")
def played() -> tuple[Feed, list]:
    feed = Feed(SCENARIO, START_MS, TICKS)
    return feed, list(feed.play())


def test_a_fleet_in_a_separate_process_gives_the_same_samples(played):
    feed, ticks = played
    other = Feed(SCENARIO, START_MS, TICKS)
    separate = list(other.play_in_process())
    assert [(tick.now, tick.rejected) for tick in separate] == [(tick.now, tick.rejected) for tick in ticks]
    assert all(a.samples.equals(b.samples) for a, b in zip(ticks, separate, strict=True))
    assert other.injections.equals(feed.injections)
    assert other.events.equals(feed.events)


def test_an_early_end_of_the_separate_process_is_an_error_not_a_short_run():
    broken = Feed(Scenario(pumps=5, faults=(ScheduledFault("motor_stall", "7", None, 0.0, 0.0, None, (1.0,)),)), 0, 5)
    with pytest.raises(FeedError, match="ended early"):
        list(broken.play_in_process())


def test_implausible_samples_are_rejected_and_a_silent_pump_sends_none(played):
    _, ticks = played
    assert [tick.samples.height for tick in ticks[:7]] == [5, 5, 3, 3, 3, 4, 4]
    assert [tick.rejected for tick in ticks[:4]] == [0, 0, 1, 1]
    assert ticks[0].now == START_MS + 300_000


def test_an_injection_starts_when_it_takes_effect_and_one_of_severity_zero_does_not_count(played):
    feed, _ = played
    rows = feed.injections.with_columns(onset=(feed.injections["onset"] - START_MS) // 1000)
    onsets = {(row["pump"], row["fault"]): row["onset"] for row in rows.iter_rows(named=True)}
    assert onsets == {
        ("ITB-000001", "silent_pump"): 600,
        ("ITB-000002", "link_corrupted"): 600,
        ("ITB-000003", "pocket_fill"): 3600,
    }


def test_events_on_pumps_are_recorded(played):
    rows = played[0].events.sort("event").select("pump", "event").rows()
    assert rows == [("ITB-000000", "fever"), ("ITB-000003", "refill")]
