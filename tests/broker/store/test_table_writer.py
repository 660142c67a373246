"""Publishing in the history table: every sample once, whoever is killed, wakes up or loses an answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from broker.store.history import History
from broker.store.segments import DAY_MS, KEY
from broker.store.unpublished import Unpublished
from tests.broker.store.test_history_of_ranges import samples

pytest.importorskip("deltalake", reason="deltalake is not installed (pumpwatch[cluster])")

from broker.store import table_writer
from broker.store.delta_log import ConflictError, Log, Mark
from broker.store.table_writer import SETTLED_MS, SupersededError, TableWriter

NOW_MS = 1_700_000_000_000


class Owner:
    """A range's owner: its history on disk, and its writer; generation after generation."""

    def __init__(self, folder: Path, number: int = 0, epoch: int = 1, name: str = "owner") -> None:
        self.data = folder / f"{name}-{number}"
        self.data.mkdir(exist_ok=True)
        self.history = History(self.data)
        self.unpublished = Unpublished(self.data, 10**9)
        self.writer = TableWriter(Log(str(folder / "table")), number, epoch, self.unpublished)

    def take(self, frame: pl.DataFrame) -> None:
        """Take samples in, and put them on disk."""
        self.history.append(frame, NOW_MS, self.unpublished.keep)

    def publish(self) -> int:
        """Return how many samples were published."""
        before = self.writer.published
        self.writer.publish(NOW_MS)
        return self.writer.published - before

    def all_of(self, frame: pl.DataFrame) -> int:
        self.take(frame)
        return self.publish()


def table(folder: Path) -> pl.DataFrame:
    return pl.scan_delta(str(folder / "table")).sort("pump", "time", "boot", "seq").collect()


def test_samples_that_are_on_disk_are_published_once(tmp_path):
    owner = Owner(tmp_path)
    assert owner.publish() == 0
    owner.take(samples([1, 2]))
    assert owner.publish() == 2
    assert owner.publish() == 0
    assert table(tmp_path)["seq"].to_list() == [1, 2]
    assert table(tmp_path)["date"].cast(pl.String).unique().to_list() == ["2026-01-01"]


def test_samples_that_are_taken_in_again_after_a_crash_are_in_the_table_once(tmp_path):
    owner = Owner(tmp_path)
    owner.all_of(samples([1]))
    owner.take(samples([2, 3]))
    owner.publish()
    restarted = Owner(tmp_path, epoch=2)
    restarted.take(samples([2, 3]))
    restarted.publish()
    assert table(tmp_path)["seq"].to_list() == [1, 2, 3]


def test_samples_that_a_gateway_sends_again_are_in_the_table_once(tmp_path):
    owner = Owner(tmp_path)
    owner.all_of(pl.concat([samples([1, 2, 5]), samples([1], pump="B")]))
    assert owner.all_of(pl.concat([samples([2, 3, 5, 6]), samples([1, 2], pump="B")])) == 3
    assert table(tmp_path).filter(pl.col("pump") == "A")["seq"].to_list() == [1, 2, 3, 5, 6]
    assert table(tmp_path).filter(pl.col("pump") == "B")["seq"].to_list() == [1, 2]


def test_a_commit_whose_answer_was_lost_is_not_repeated(tmp_path, monkeypatch):
    owner = Owner(tmp_path)
    commit = Log.commit

    def loses_the_answer(log, *args, **kwargs):
        commit(log, *args, **kwargs)
        raise OSError("timed out")

    monkeypatch.setattr(Log, "commit", loses_the_answer)
    with pytest.raises(OSError, match="timed out"):
        owner.all_of(samples([1]))
    monkeypatch.undo()
    assert owner.publish() == 0
    assert owner.all_of(samples([2])) == 1
    assert table(tmp_path)["seq"].to_list() == [1, 2]


def test_a_commit_whose_answer_and_owner_were_lost_is_not_repeated(tmp_path):
    owner = Owner(tmp_path)
    owner.take(samples([1]))
    kept = [(path, path.read_bytes()) for path in (owner.data / "unpublished").iterdir()]
    owner.publish()
    for path, content in kept:
        path.write_bytes(content)
    restarted = Owner(tmp_path, epoch=2)
    assert restarted.publish() == 0
    restarted.all_of(samples([2]))
    assert table(tmp_path)["seq"].to_list() == [1, 2]


def test_a_former_owner_that_wakes_up_writes_nothing_more(tmp_path):
    former = Owner(tmp_path, epoch=1)
    former.all_of(samples([1]))
    successor = Owner(tmp_path, epoch=2, name="successor")
    successor.all_of(samples([2, 3]))
    former.take(samples([2]))
    for _ in range(10):
        with pytest.raises(SupersededError, match="epoch 2 of range 00"):
            former.publish()
    assert table(tmp_path)["seq"].to_list() == [1, 2, 3]


def test_a_former_owner_that_is_stopped_between_reading_and_writing_is_refused(tmp_path):
    former = Owner(tmp_path, epoch=1)
    former.all_of(samples([1]))
    log = former.writer.log
    log.read()
    added = log.put(0, 0, "2026-01-01", samples([2]))
    Owner(tmp_path, epoch=2, name="successor").all_of(samples([2]))
    with pytest.raises(ConflictError):
        log.commit(0, Mark(1, 1), [added], stamp=NOW_MS)
    assert table(tmp_path)["seq"].to_list() == [1, 2]


def test_what_a_former_owner_published_after_the_copy_of_its_directory_is_not_published_twice(tmp_path):
    former = Owner(tmp_path, epoch=1)
    former.all_of(samples([1]))
    successor = Owner(tmp_path, epoch=2, name="successor")
    former.all_of(samples([2, 3], pump="B"))
    successor.take(samples([2, 3], pump="B"))
    assert successor.all_of(samples([2])) == 1
    assert table(tmp_path).select("pump", "seq").rows() == [("A", 1), ("A", 2), ("B", 2), ("B", 3)]


def test_an_owner_that_lost_its_checkpoint_publishes_what_is_new(tmp_path):
    owner = Owner(tmp_path)
    for number in range(3):
        owner.all_of(samples([number]))
    again = Owner(tmp_path, epoch=1, name="lost")
    assert again.all_of(samples([1, 2, 3])) == 1
    assert again.all_of(samples([4])) == 1
    assert table(tmp_path)["seq"].to_list() == [0, 1, 2, 3, 4]


def test_owners_of_several_ranges_write_at_the_same_time(tmp_path):
    owners = [Owner(tmp_path, number) for number in range(2)]

    def work(owner: Owner) -> int:
        return sum(owner.all_of(samples([seq], pump=f"P{owner.writer.number}")) for seq in range(4))

    Owner(tmp_path, 9).all_of(samples([0], pump="first"))
    with ThreadPoolExecutor() as threads:
        assert list(threads.map(work, owners)) == [4, 4]
    found = table(tmp_path)
    assert found.height == found.select(KEY).n_unique() == 2 * 4 + 1


def test_many_small_files_become_one_and_no_sample_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(table_writer, "MERGED", 4)
    owner = Owner(tmp_path)
    for seq in range(5):
        owner.all_of(samples([seq]))
        owner.writer.merge(NOW_MS)
    assert sorted(owner.writer.log.files()["level"]) == [0, 1]
    assert table(tmp_path)["seq"].to_list() == list(range(5))
    assert owner.writer.log.vacuum(0) == 4
    assert table(tmp_path)["seq"].to_list() == list(range(5))


def test_a_day_that_is_over_becomes_one_file(tmp_path):
    owner = Owner(tmp_path)
    for seq in (1, 2, 3, 2_000):
        owner.all_of(samples([seq]))
    assert not owner.writer.merge(NOW_MS)
    assert owner.writer.merge(NOW_MS + SETTLED_MS)
    assert owner.writer.log.files().group_by("date").len().sort("date")["len"].to_list() == [1, 1]
    assert table(tmp_path)["seq"].to_list() == [1, 2, 3, 2_000]


def test_a_range_removes_its_own_old_days_and_no_others(tmp_path):
    owner, other = Owner(tmp_path), Owner(tmp_path, 1)
    other.all_of(samples([0], pump="B"))
    for day in range(4):
        owner.all_of(samples([1 + day * DAY_MS // 60_000]))
    clock = int(table(tmp_path)["time"].max())
    assert owner.writer.expire(NOW_MS, clock, 0) == []
    assert owner.writer.expire(NOW_MS, clock, 2) == ["2026-01-01"]
    assert table(tmp_path).select("pump").to_series().to_list() == ["A", "A", "A", "B"]


def test_samples_without_numbers_are_compared_all_the_same(tmp_path):
    unnumbered = samples([1]).with_columns(pl.lit(None, pl.Int64).alias("seq"), pl.lit(None, pl.Int64).alias("boot"))
    Owner(tmp_path).all_of(unnumbered)
    assert Owner(tmp_path, epoch=2, name="lost").all_of(unnumbered) == 0
    assert table(tmp_path).height == 1


def test_of_too_many_samples_that_wait_the_oldest_are_dropped_and_counted(tmp_path):
    owner = Owner(tmp_path)
    for seq in range(3):
        owner.take(samples([seq]))
    owner.unpublished.max_bytes = owner.unpublished.bytes * 2 // 3
    assert owner.unpublished.limit() == 1
    assert owner.unpublished.dropped == 1
    assert owner.publish() == 2
    assert owner.unpublished.bytes == 0
    assert table(tmp_path)["seq"].to_list() == [1, 2]


def test_a_table_of_something_else_is_left_alone(tmp_path):
    pl.DataFrame({"x": [1]}).write_delta(str(tmp_path / "table"))
    with pytest.raises(OSError, match="table of something else"):
        Owner(tmp_path).all_of(samples([1]))
    assert pl.scan_delta(str(tmp_path / "table")).collect().columns == ["x"]
