"""What the processor finds wrong with itself, for its own rules and for the screens."""

from __future__ import annotations

import pytest

from broker.store.history import DEFAULT_MAX_BYTES
from processor.intake.message_queue import Intake
from processor.pipeline import Pipeline
from processor.service.health import LOOK_S, HealthMonitor
from processor.service.metering import Meter
from processor.service.store import Store
from processor.watch.readings import FULLNESS, TROUBLE

START_MS = 1_767_225_600_000


@pytest.fixture
def checkup(tmp_path):
    """A processor that has not begun to run."""
    pipeline = Pipeline(tmp_path)
    store = Store(tmp_path, pipeline.quarantine, DEFAULT_MAX_BYTES)
    meter, intake = Meter(started=START_MS, broker="mqtt://127.0.0.1:1"), Intake(2_000, 1_000_000, 100_000)
    yield HealthMonitor(tmp_path, meter, pipeline, store, intake, receive_maximum=1_000, max_rows=10_000)
    store.close()


def bounds_of(checkup):
    return checkup.health(START_MS, protocol="MQTT 5", connected=False).bounds


def test_every_bound_is_told_with_its_limit_and_how_often_it_was_reached(checkup):
    checkup.pipeline.quarantine.put("a", 1, "x")
    checkup.intake.overflows = 2
    bounds = {bound.name: bound for bound in bounds_of(checkup)}
    assert all(bound.limit > 0 and bound.value <= bound.limit for bound in bounds.values())
    assert bounds["messages waiting"].reached == 2
    assert {"samples not yet written", "history on disk", "quarantine file", "pumps known"} <= set(bounds)


def test_what_fails_and_how_full_everything_is_is_read_once_a_second_for_the_systems_rules(checkup):
    checkup.meter.trouble("storage", "the disk is full")
    read = checkup.readings(0.0)
    assert read.filter(what=TROUBLE)["text"].to_list() == ["the disk is full"]
    named = [bound.name for bound in bounds_of(checkup) if bound.warn_at is not None]
    assert read.filter(what=FULLNESS)["part"].to_list() == named
    assert "disk" in named
    assert checkup.readings(0.99 * LOOK_S) is None
    assert checkup.readings(LOOK_S) is not None


def test_what_was_moved_aside_is_trouble_until_somebody_takes_it_away(checkup):
    aside = checkup.data / "checkpoint.unreadable-1"
    aside.mkdir()
    checkup.look_for_unreadable()
    assert "checkpoint.unreadable-1" in checkup.meter.troubles["stored records"]
    aside.rename(checkup.data / "elsewhere")
    checkup.look_for_unreadable()
    assert checkup.meter.troubles == {}
