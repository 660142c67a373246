"""The end of a silence is announced once, whoever notices it first."""

from __future__ import annotations

from pathlib import Path

from broker.contract.silences import HOUR_MS
from broker.store import journal_query, silence_expiry
from broker.store.journal_query import Query
from broker.store.silences import SilenceStore
from tests.broker.contract.test_silences import NOW, silence


def announced(data: Path) -> list[str]:
    return journal_query.entries(data, Query(kinds=(silence_expiry.KIND,)))["text"].to_list()


def test_a_silence_whose_time_is_over_is_announced_once(tmp_path: Path) -> None:
    store = SilenceStore(tmp_path)
    store.add(silence())
    assert silence_expiry.settle(store, NOW + HOUR_MS, []) == [], "its time is not over"
    assert [one.id for one in silence_expiry.settle(store, NOW + 5 * HOUR_MS, [])] == ["S1"]
    assert silence_expiry.settle(SilenceStore(tmp_path), NOW + 6 * HOUR_MS, []) == []
    assert announced(tmp_path) == [
        "site Bern; priority low (pump clinic), by olga: its time is over; people are notified again"
    ]


def test_a_crash_after_the_announcement_does_not_announce_it_again(tmp_path: Path) -> None:
    store = SilenceStore(tmp_path)
    store.add(silence())
    before = (tmp_path / "silences.json").read_bytes()
    silence_expiry.settle(store, NOW + 5 * HOUR_MS, [])
    (tmp_path / "silences.json").write_bytes(before)
    assert silence_expiry.settle(SilenceStore(tmp_path), NOW + 6 * HOUR_MS, [])
    assert len(announced(tmp_path)) == 1


def test_a_silence_until_alarms_clear_waits_for_the_last_of_them(tmp_path: Path) -> None:
    store = SilenceStore(tmp_path)
    store.add(silence(kind="until_clear", alarms=("A", "B")))
    assert silence_expiry.settle(store, NOW, None) == [], "without a snapshot nothing is known to have cleared"
    assert silence_expiry.settle(store, NOW, ["B"]) == []
    assert silence_expiry.settle(store, NOW + 1, ["C"])
    assert "its alarms have cleared" in announced(tmp_path)[0]
    assert store.silences()[0].status(NOW + 1) == "expired"


def test_a_silence_that_somebody_ended_is_not_announced(tmp_path: Path) -> None:
    store = SilenceStore(tmp_path)
    store.add(silence())
    store.end("S1", who="vera", now=NOW + 1)
    assert silence_expiry.settle(store, NOW + 5 * HOUR_MS, []) == []
