"""Alarms are in the next snapshot, however large the fleet; the values of its pumps may be older, and say so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from broker.store import column_file
from broker.store.snapshot import Health, Snapshot
from broker.store.snapshot_files import read
from processor.service import snapshots
from processor.service.snapshots import SnapshotPublisher


class Shown:
    """A pipeline and the snapshots that are published of it."""

    def __init__(self, watch: Any, directory: Path) -> None:
        self.watch, self.directory, self.version = watch, directory, 0
        self.publisher = SnapshotPublisher(directory, watch.pipeline)

    def show(self, *, last: bool = False) -> Snapshot:
        self.version += 1
        health = Health(version=self.version, started=1, written=self.watch.now)
        self.publisher.write(self.publisher.make(health, self.watch.now, last=last))
        return read(self.directory)

    def fall_silent(self) -> None:
        self.watch.wait_s(60)
        self.watch.take([])


@pytest.fixture
def shown(watch: Any, tmp_path: Path) -> Shown:
    watch.birth("A", "B")
    return Shown(watch, tmp_path)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_INLINE_PUMPS", 0)


def test_alarms_of_a_large_fleet_are_shown_at_once_beside_older_values(shown: Shown, large: None) -> None:
    before = shown.show()
    shown.publisher._next_table = math.inf
    shown.fall_silent()
    after = shown.show()
    assert after.alarms["rule"].to_list() == ["pump_silent"] * 2
    assert after.pumps["worst"].to_list() == ["pump_silent"] * 2
    assert after.table.values_at == before.table.values_at < after.health.written
    assert after.pumps["age_s"].equals(before.pumps["age_s"])


def test_values_of_a_large_fleet_follow_without_holding_up_the_alarms(shown: Shown, large: None) -> None:
    shown.show()
    shown.publisher._next_table = 0.0
    shown.fall_silent()
    shown.show()
    after = shown.show(last=True)
    assert after.table.values_at == after.health.written
    assert after.pumps["age_s"].to_list() == [3600.0] * 2


def test_a_small_fleet_is_shown_whole_with_every_snapshot(shown: Shown) -> None:
    for _ in range(3):
        shown.watch.wait_s(1)
        seen = shown.show()
        assert seen.table.values_at == seen.health.written


def test_the_table_of_a_small_fleet_waits_for_samples_or_a_second(shown: Shown) -> None:
    before = shown.show()
    shown.watch.wait_s(0.3)
    assert shown.show().table.values_at == before.table.values_at < shown.watch.now
    shown.watch.deliver(f'{{"pump":"A","time":{shown.watch.now_therapy}}}')
    seen = shown.show()
    assert (seen.table.values_at, seen.pumps["samples"].to_list()) == (shown.watch.now, [1, 0])


def test_an_alarm_is_shown_beside_values_that_are_not_made_anew(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "UNCHANGED_PAUSE_MS", math.inf)
    before = shown.show()
    shown.fall_silent()
    after = shown.show()
    assert after.table.values_at == before.table.values_at
    assert after.pumps["worst"].to_list() == ["pump_silent"] * 2


def test_new_and_retired_pumps_appear_and_leave_with_the_next_table(shown: Shown) -> None:
    assert shown.show().pumps["pump"].to_list() == ["A", "B"]
    shown.watch.birth("B", "C")
    seen = shown.show()
    assert (seen.pumps["pump"].to_list(), seen.retired["pump"].to_list()) == (["B", "C"], ["A"])
    shown.fall_silent()
    seen = shown.show()
    marked = seen.table.facts["pump"].gather(seen.table.marks["row"]).to_list()
    assert marked == sorted(seen.alarms["pump"].drop_nulls())


def test_a_table_that_cannot_be_written_is_reported_and_alarms_go_on(
    shown: Shown, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.show()
    monkeypatch.setattr(column_file, "write", lambda *_: (_ for _ in ()).throw(OSError("No space left on device")))
    shown.publisher._next_table = 0.0
    shown.show()
    assert shown.publisher._making is not None
    shown.publisher._making.join()
    with pytest.raises(OSError, match="No space"):
        shown.show()
    shown.fall_silent()
    assert shown.show().alarms.height
