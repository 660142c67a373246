"""Store: keeps what could not be written until the disk recovers, and counts what it has to drop."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import journal_query
from broker.store.history import History
from broker.store.journal import ENTRIES_SCHEMA, EVENTS_SCHEMA
from broker.store.segments import trend
from broker.store.snapshot import Refusal
from processor.batch_result import BatchResult
from processor.intake.journal_recorder import JournalRecorder
from processor.service import store as store_module
from processor.service.store import Store

START_MS = 1_790_000_000_000


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path, 10**9)
    yield store
    store.close()


def result(seq: int, *alarms: str, rejected: tuple[Refusal, ...] = ()) -> BatchResult:
    """Return the result of a batch with one sample, in which these alarms were raised."""
    sample = dict.fromkeys(SAMPLE_SCHEMA) | {"pump": "A-1", "time": START_MS + seq * 1000, "seq": seq}
    event = dict.fromkeys(EVENTS_SCHEMA) | {"at": 1, "time": 2, "kind": "raised"}
    return BatchResult(
        samples=pl.DataFrame([sample], schema=SAMPLE_SCHEMA),
        events=pl.DataFrame([event | {"alarm": alarm} for alarm in alarms], schema=EVENTS_SCHEMA),
        entries=pl.DataFrame(schema=ENTRIES_SCHEMA),
        rejected=rejected,
        outcomes=(),
        announcements=(),
    )


def test_samples_and_events_that_could_not_be_written_are_written_when_the_disk_recovers(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(result(1, "a"))

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(History, "append", disk_full)
        with pytest.raises(OSError, match="No space"):
            store.write(1)
    store.add(result(2, "b"))
    assert (store.rows, store.entries) == (2, 2)
    store.write(2)
    assert (store.rows, store.entries) == (0, 0)
    assert trend(tmp_path, "A-1", 0)["seq"].to_list() == [1, 2]
    assert journal_query.events(tmp_path)["alarm"].to_list() == ["b", "a"]


def test_samples_are_written_once(store: Store) -> None:
    store.add(result(1, "a"))
    store.write(1)
    written = store.history.bytes
    store.write(2)
    assert store.history.bytes == written > 0


def test_entries_beyond_the_limit_are_counted_and_the_newest_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_ENTRIES", 2)
    store.add(result(1, "a", "b", "c"))
    store.add(result(2, "d"))
    assert (store.entries, store.entries_dropped) == (2, 2)


def test_an_entry_written_twice_after_a_crash_is_one_entry(store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        store.add(result(1, "a"))
        store.write(1)
    assert journal_query.events(tmp_path).height == 1


def test_an_end_in_a_hurry_leaves_entries_of_alarms_to_the_message_log_and_keeps_the_others(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "ENTRIES_AT_ONCE", 1)
    store.add(result(1, "a", "b", "c"))
    recorder = JournalRecorder()
    recorder.part("stopped", "processor", "on purpose", 1)
    store.add_entries(recorder.take())
    limits = iter([math.inf, 0.0])
    assert not store.write(1, lambda: next(limits)), "it is not complete"
    assert store.entries == 3, "what was begun is written"
    assert not store.write(2, lambda: 0.0), "nothing more is begun"
    store.leave_to_log()
    assert store.write(3)
    assert journal_query.events(tmp_path)["alarm"].to_list() == ["a"]
    assert journal_query.entries(tmp_path, journal_query.Query())["kind"].to_list() == ["stopped", "raised"]


def test_rejections_of_a_batch_go_into_the_quarantine_file(store: Store, tmp_path: Path) -> None:
    store.add(result(1, rejected=(Refusal("itb/00/mine/telemetry", 1, "no pump"),)))
    store.write(1)
    assert b"no pump" in (tmp_path / "quarantine.jsonl").read_bytes()
    assert store.quarantine.unwritten == 0


def test_what_is_added_while_the_store_writes_waits_for_the_next_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = History.append

    def meanwhile(history: History, samples: pl.DataFrame, now: int, _written: object) -> None:
        append(history, samples, now)
        store.add(result(2, "b"))
        assert store.rows == 2

    store.add(result(1, "a"))
    with monkeypatch.context() as patch:
        patch.setattr(History, "append", meanwhile)
        store.write(1)
    assert store.rows == 1
    store.write(2)
    assert store.rows == 0
    assert trend(tmp_path, "A-1", 0)["seq"].to_list() == [1, 2]
