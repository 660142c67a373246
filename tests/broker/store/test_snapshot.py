"""Readers see a complete snapshot, the old one or the new one."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from broker.store import snapshot_files
from broker.store.pump_table import MARKS_SCHEMA, PUMPS_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, Health, Snapshot
from broker.store.snapshot_files import KEPT_VERSIONS, SMALL, SnapshotReader, SnapshotWriter, TableFiles

PARTS = 3 + len(SMALL)
"""Files of one snapshot: facts, values, forecasts and the small ones."""


def numbered(version: int, *, pumps: int = 3, started: int = 1) -> Snapshot:
    """A snapshot in which every frame bears its version."""
    columns = {
        "pump": [f"P-{at}" for at in range(pumps)],
        **dict.fromkeys(("priority", "alarms", "unacknowledged"), [0] * pumps),
        "seq": np.full(pumps, version),
        "samples": np.full(pumps, started),
    }
    pump_frame = pl.DataFrame({name: columns.get(name, [None] * pumps) for name in PUMPS_SCHEMA}, PUMPS_SCHEMA)
    alarm = {"alarm": "a", "pump": "P-0", "onset": version, "raised": started}
    alarms = pl.DataFrame([{**dict.fromkeys(ALARMS_SCHEMA), **alarm}], ALARMS_SCHEMA)
    gateway = {"gateway": "ward", "therapy_ms": version}
    gateways = pl.DataFrame([{**dict.fromkeys(GATEWAYS_SCHEMA), **gateway}], GATEWAYS_SCHEMA)
    return Snapshot.of(pump_frame, alarms, gateways, Health(version=version, started=started))


def torn(seen: Snapshot) -> set[int]:
    """The versions in one picture: one, if it is whole."""
    return {seen.version, *seen.pumps["seq"], *seen.alarms["onset"], *seen.gateways["therapy_ms"]}


def test_what_was_written_is_read(tmp_path):
    written = numbered(1)
    snapshot_files.write(tmp_path, written)
    read = snapshot_files.read(tmp_path)
    assert (read.pumps.equals(written.pumps), read.alarms.equals(written.alarms)) == (True, True)
    assert read.gateways.equals(written.gateways)
    assert read.health == written.health


def test_before_the_first_there_is_an_empty_one_and_no_stamp(tmp_path):
    assert snapshot_files.read(tmp_path / "nowhere").version == 0
    assert snapshot_files.stamp(tmp_path) is None


def test_the_stamp_changes_with_every_snapshot(tmp_path):
    stamps = set()
    for version in range(1, 6):
        snapshot_files.write(tmp_path, numbered(version))
        stamps.add(snapshot_files.stamp(tmp_path))
    assert len(stamps) == 5


def test_frames_of_old_versions_are_removed(tmp_path):
    for version in range(1, 10):
        snapshot_files.write(tmp_path, numbered(version))
    assert len(list(tmp_path.glob("*-*"))) == PARTS * KEPT_VERSIONS
    assert torn(snapshot_files.read(tmp_path)) == {9}


def test_a_processor_that_starts_again_leaves_readers_their_picture_and_no_files_behind(tmp_path):
    for version in range(1, 6):
        snapshot_files.write(tmp_path, numbered(version, started=1))
    before = snapshot_files.read(tmp_path)
    for version in range(1, 6):
        snapshot_files.write(tmp_path, numbered(version, started=2, pumps=2))
        assert before.pumps["samples"].to_list() == [1] * 3
        assert before.alarms["raised"].to_list() == [1]
        assert snapshot_files.read(tmp_path).pumps["samples"].to_list() == [2] * 2
    assert len(list(tmp_path.glob("*-*"))) == PARTS * KEPT_VERSIONS


def test_a_first_snapshot_after_a_restart_is_not_written_into_the_files_of_the_one_before(tmp_path):
    snapshot_files.write(tmp_path, numbered(1, started=1))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.arrow")}
    snapshot_files.write(tmp_path, numbered(1, started=2, pumps=2))
    left = {path.name: path.read_bytes() for path in tmp_path.glob("*.arrow") if path.name in before}
    assert all(left[name] == before[name] for name in left)
    assert snapshot_files.read(tmp_path).pumps["samples"].to_list() == [2, 2]


@pytest.fixture
def writing(tmp_path) -> Iterator[threading.Thread]:
    snapshot_files.write(tmp_path, numbered(1, pumps=2000))
    thread = threading.Thread(
        target=lambda: [snapshot_files.write(tmp_path, numbered(v, pumps=2000)) for v in range(2, 120)]
    )
    thread.start()
    yield thread
    thread.join()


def test_readers_never_see_a_torn_snapshot(tmp_path, writing):
    versions = []
    while writing.is_alive():
        seen = snapshot_files.read(tmp_path)
        assert torn(seen) == {seen.version}
        versions.append(seen.version)
    assert versions == sorted(versions)
    assert len(set(versions)) > 3


def test_on_a_full_disk_the_older_pictures_make_room_for_the_new_one(tmp_path, monkeypatch):
    for version in range(1, 5):
        snapshot_files.write(tmp_path, numbered(version))
    whole, room = SnapshotWriter._publish, []

    def crowded(writer, *given):
        room.append(len(list(tmp_path.glob("*-*"))))
        if room[-1] > PARTS + 3:
            raise OSError("No space left on device")
        whole(writer, *given)

    monkeypatch.setattr(SnapshotWriter, "_publish", crowded)
    snapshot_files.write(tmp_path, numbered(5))
    assert torn(snapshot_files.read(tmp_path)) == {5}
    assert room == [3 * PARTS + 3, PARTS + 3]


def test_columns_that_an_older_version_did_not_write_are_unknown(tmp_path):
    snapshot_files.write(tmp_path, numbered(1))
    for path in tmp_path.glob("alarms-*.arrow"):
        kept = pl.read_ipc(path.read_bytes()).drop("subject_kind")
        path.unlink()
        kept.write_ipc(path)
    alarms = snapshot_files.read(tmp_path).alarms
    assert dict(alarms.schema) == ALARMS_SCHEMA
    assert alarms["subject_kind"].to_list() == [None]


def test_a_part_that_has_not_changed_is_not_written_again(tmp_path):
    writer, first = SnapshotWriter(tmp_path), numbered(1)
    writer.write(first)
    files = TableFiles("facts-1-1.arrow", "values-1-1.columns", "forecasts-1-1.columns", 5, 5)
    small = {"marks": first.table.marks, "alarms": numbered(2).alarms, "gateways": first.gateways}
    small |= {"orders": first.orders, "retired": first.retired}
    for version in (2, 3, 4, 5, 6):
        writer.publish(files, small, Health(version=version, started=1))
    names = {path.name for path in tmp_path.glob("*-*")}
    assert names >= {*files.names, "alarms-1-2.arrow", "gateways-1-1.arrow"}
    seen = snapshot_files.read(tmp_path)
    assert (seen.version, seen.alarms["onset"].to_list(), seen.pumps["seq"].to_list()) == (6, [2], [1] * 3)


def test_a_reader_keeps_what_stays_the_same(tmp_path):
    writer, reader = SnapshotWriter(tmp_path), SnapshotReader(tmp_path)
    writer.write(numbered(1))
    before = reader.read()
    writer.publish(
        writer.write_table(
            {}, TableFiles("facts-1-1.arrow", "values-1-1.columns", "forecasts-1-1.columns"), at=0, run=1, version=2
        ),
        {"marks": before.table.marks, **{name: getattr(before, name) for name in SMALL if name != "marks"}},
        Health(version=2, started=1),
    )
    after = reader.read()
    assert after.version == 2
    assert (after.table.facts is before.table.facts, after.table.values is before.table.values) == (True, True)


@pytest.mark.parametrize(
    "manifest", ['{"version":7,"pumps":"pumps-1-7.arrow","alarms":"a","gateways":"g","health":{}}']
)
def test_the_snapshot_of_an_older_version_counts_as_none_yet_and_its_files_are_removed(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    (tmp_path / "pumps-1-7.arrow").write_bytes(b"old")
    assert snapshot_files.read(tmp_path).version == 0
    snapshot_files.write(tmp_path, numbered(1))
    assert torn(snapshot_files.read(tmp_path)) == {1}
    assert not (tmp_path / "pumps-1-7.arrow").exists()


def test_rows_of_the_table_are_those_of_the_whole_with_their_alarms(tmp_path):
    whole = numbered(1, pumps=9)
    marks = pl.DataFrame(
        {"row": [2, 7], "priority": [1, 3], "alarms": [2, 1], "unacknowledged": [0, 1], "worst": ["stall", "low"]},
        MARKS_SCHEMA,
    )
    snapshot_files.write(tmp_path, dataclasses.replace(whole, table=dataclasses.replace(whole.table, marks=marks)))
    table = snapshot_files.read(tmp_path).table
    assert table.frame["priority"].to_list() == [0, 0, 1, 0, 0, 0, 0, 3, 0]
    rows = np.array([7, 0, 2])
    assert table.take(rows).equals(table.frame[rows])
    assert table.take(rows)["worst"].to_list() == ["low", None, "stall"]
    assert (table.row("P-7"), table.row("P-99")) == (7, None)
