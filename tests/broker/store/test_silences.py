"""The file of silences: changed by one at a time, bounded, and never a reason to stay silent if it is broken."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest
from msgspec.structs import replace

from broker.contract import alarm_matchers
from broker.contract.alarm_matchers import FIELDS
from broker.contract.silences import HOUR_MS, SilenceError
from broker.store import silenced_alarms, silences
from broker.store.silences import SilenceFileError, SilenceStore
from tests.broker.contract.test_silences import ALARM, NOW, silence


def test_a_silence_is_found_by_another_process_and_ends_when_somebody_says_so(tmp_path: Path) -> None:
    SilenceStore(tmp_path).add(silence())
    other = SilenceStore(tmp_path)
    found = other.silenced(ALARM, NOW + 1)
    assert found is not None
    assert found.silence == silence()
    assert (tmp_path / silences.FILE).stat().st_mode & 0o077 == 0
    SilenceStore(tmp_path).end("S1", who="vera", now=NOW + HOUR_MS)
    assert other.silenced(ALARM, NOW + 2 * HOUR_MS) is None
    assert [(one.ended_by, one.status(NOW + HOUR_MS)) for one in other.silences()] == [("vera", "expired")]
    with pytest.raises(SilenceError, match="no silence 'S1' is active or coming; list them"):
        other.end("S1", who="vera", now=NOW + 2 * HOUR_MS)


def test_a_broken_file_silences_nothing_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SilenceStore(tmp_path)
    store.add(silence())
    (tmp_path / silences.FILE).write_text('{"silences": [{"id": 5}]}')
    with caplog.at_level(logging.WARNING):
        assert store.silenced(ALARM, NOW) is None
        assert store.silenced(ALARM, NOW) is None
    assert len(caplog.messages) == 1
    assert "so nothing is silenced" in caplog.messages[0]
    with pytest.raises(SilenceFileError, match="restore it from a backup, or remove it"):
        store.silences()


def test_open_silences_are_limited_and_old_ones_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silences, "MAX_OPEN", 2)
    monkeypatch.setattr(silences, "MAX_OVER", 1)
    store = SilenceStore(tmp_path)
    store.add(silence(id="S1"))
    store.add(silence(id="S2"))
    with pytest.raises(SilenceError, match="2 silences are active or coming; allowed are 2: end some first"):
        store.add(silence(id="S3"))
    store.end("S1", who="vera", now=NOW + 1)
    store.end("S2", who="vera", now=NOW + 2)
    assert [one.id for one in store.silences()] == ["S2"]


def test_the_preview_of_a_frame_and_one_alarm_agree() -> None:
    frame = pl.DataFrame(
        [{name: ALARM.get(name) for name in FIELDS} | {"age_s": 5.0, "title": "Stall", "priority_code": 3}],
        {**dict.fromkeys(FIELDS, pl.String), "age_s": pl.Float64, "title": pl.String, "priority_code": pl.Int8},
    )
    longer = replace(silence(id="S2"), ends=NOW + 9 * HOUR_MS)
    [mark] = silenced_alarms.marks(frame, [silence(), longer], NOW).to_dicts()
    assert (mark["silence"], mark["silenced_until"], mark["silenced_by"]) == ("S2", NOW + 9 * HOUR_MS, "olga")
    other = replace(longer, kind="until_clear", alarms=("else",))
    assert silenced_alarms.marks(frame, [other], NOW).is_empty()
    assert silenced_alarms.matching(frame, alarm_matchers.read({"rule": "sta*"})).height == 1
