"""The fleet of an offline run, in this process and in one beside it."""

from __future__ import annotations

import pytest

from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault
from trials.feed import BATCH, Feed, FeedError

START_MS = 1_767_571_200_000
STORY = Scenario(
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
TICKS = 2 * BATCH + 3


@pytest.fixture(scope="module")
def here() -> tuple[Feed, list]:
    feed = Feed(STORY, START_MS, TICKS)
    return feed, list(feed.here())


def test_a_fleet_in_another_process_says_the_same_sample_by_sample(here):
    feed, heard = here
    other = Feed(STORY, START_MS, TICKS)
    beside = list(other.beside())
    assert [(each.now, each.refused) for each in beside] == [(each.now, each.refused) for each in heard]
    assert all(one.samples.equals(two.samples) for one, two in zip(heard, beside, strict=True))
    assert other.injections.equals(feed.injections)
    assert other.events.equals(feed.events)


def test_an_end_of_the_other_process_is_an_error_and_not_a_short_run():
    broken = Feed(Scenario(pumps=5, faults=(ScheduledFault("motor_stall", "7", None, 0.0, 0.0, None, (1.0,)),)), 0, 5)
    with pytest.raises(FeedError, match="ended too early"):
        list(broken.beside())


def test_what_cannot_be_is_refused_and_what_is_silent_is_not_heard(here):
    _, heard = here
    assert [each.samples.height for each in heard[:7]] == [5, 5, 3, 3, 3, 4, 4]
    assert [each.refused for each in heard[:4]] == [0, 0, 1, 1]
    assert heard[0].now == START_MS + 300_000


def test_an_injection_is_known_from_when_it_bit_and_one_of_severity_zero_is_none(here):
    rows = here[0].injections.with_columns(onset=(here[0].injections["onset"] - START_MS) // 1000)
    told = {(row["pump"], row["fault"]): row["onset"] for row in rows.iter_rows(named=True)}
    assert told == {
        ("ITB-000001", "silent_pump"): 600,
        ("ITB-000002", "link_corrupted"): 600,
        ("ITB-000003", "pocket_fill"): 3600,
    }


def test_what_happens_to_healthy_pumps_is_noted(here):
    rows = here[0].events.sort("event").select("pump", "event").rows()
    assert rows == [("ITB-000000", "fever"), ("ITB-000003", "refill")]
