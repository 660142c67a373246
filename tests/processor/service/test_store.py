"""What could not be written is kept and written later; what is too much is counted."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import journal_query
from broker.store.history import History
from broker.store.journal import EVENTS_SCHEMA
from broker.store.segments import trend
from processor.intake.quarantine import Quarantine
from processor.service import store as store_module
from processor.service.store import Store

START_MS = 1_790_000_000_000


@pytest.fixture
def store(tmp_path: Path):
    found = Store(tmp_path, Quarantine(tmp_path), 10**9)
    yield found
    found.close()


def samples(seq: int) -> pl.DataFrame:
    row = dict.fromkeys(SAMPLE_SCHEMA) | {"pump": "A-1", "time": START_MS + seq * 1000, "seq": seq}
    return pl.DataFrame([row], schema=SAMPLE_SCHEMA)


def entries(*alarms: str) -> pl.DataFrame:
    row = dict.fromkeys(EVENTS_SCHEMA) | {"at": 1, "time": 2, "kind": "raised"}
    return pl.DataFrame([row | {"alarm": alarm} for alarm in alarms], schema=EVENTS_SCHEMA)


def test_what_the_disk_refused_is_written_when_it_recovers(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(samples(1), entries("a"))

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(History, "append", no_room)
        with pytest.raises(OSError, match="No space"):
            store.write(1)
    store.put(samples(2), entries("b"))
    assert (store.rows, store.entries) == (2, 2)
    store.write(2)
    assert (store.rows, store.entries) == (0, 0)
    assert trend(tmp_path, "A-1", 0)["seq"].to_list() == [1, 2]
    assert journal_query.events(tmp_path)["alarm"].to_list() == ["b", "a"]


def test_what_was_written_is_not_written_again(store: Store) -> None:
    store.put(samples(1), entries("a"))
    store.write(1)
    written = store.history.bytes
    store.write(2)
    assert store.history.bytes == written > 0


def test_entries_beyond_the_bound_are_counted_and_the_newest_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_ENTRIES", 2)
    store.put(samples(1), entries("a", "b", "c"))
    store.put(samples(2), entries("d"))
    assert (store.entries, store.entries_dropped) == (2, 2)


def test_the_same_entry_again_as_after_a_crash_is_one_entry(store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        store.put(samples(1), entries("a"))
        store.write(1)
    assert journal_query.events(tmp_path).height == 1
