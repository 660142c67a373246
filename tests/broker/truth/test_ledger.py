"""The truth is read as it grows, and from its beginning when another run begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.contract.messages import encode
from broker.truth import ledger
from broker.truth.ground_truth import FILE, Expected, Story, Wrong

STORY = Story(time=1000, pumps=3, expected=[Expected(fault="stall", right=["motor"])])


def begun(pump: str, since: int, severity: float = 0.5) -> Wrong:
    return Wrong(kind="begun", pump=pump, fault="stall", severity=severity, since=since, time=since)


def ended(pump: str, since: int, time: int) -> Wrong:
    return Wrong(kind="ended", pump=pump, fault="stall", severity=0.5, since=since, time=time)


def write(folder: Path, *lines: Wrong | Story | bytes, anew: bool = False) -> None:
    with (folder / FILE).open("wb" if anew else "ab") as file:
        file.writelines(line if isinstance(line, bytes) else encode(line) + b"\n" for line in lines)


def test_nothing_is_told_where_there_is_no_file_or_only_half_a_line(tmp_path):
    reader = ledger.TruthReader(tmp_path)
    assert reader.read() is None
    write(tmp_path, encode(STORY))
    assert reader.read() is None


def test_injections_are_known_from_their_beginning_and_end_when_that_is_told(tmp_path):
    reader = ledger.TruthReader(tmp_path)
    write(tmp_path, STORY, begun("A", 2000), begun("B", 3000), begun("C", 4000, severity=0.0))
    assert reader.read().injections.select("pump", "onset", "end").rows() == [("A", 2000, None), ("B", 3000, None)]
    write(tmp_path, ended("A", 2000, 5000), encode(ended("B", 3000, 6000))[:20])
    assert reader.read().injections.select("pump", "onset", "end").rows() == [("A", 2000, 5000), ("B", 3000, None)]
    assert reader.read() is reader.read()


def test_a_line_that_is_none_is_passed_over(tmp_path):
    write(tmp_path, STORY, b"nonsense\n", b"\xff\n", begun("A", 2000))
    assert ledger.TruthReader(tmp_path).read().injections.height == 1


def test_another_run_begins_anew_even_where_its_file_is_longer(tmp_path):
    reader = ledger.TruthReader(tmp_path)
    write(tmp_path, STORY, begun("A", 2000))
    assert reader.read().story.time == 1000
    write(tmp_path, Story(time=9000, pumps=5), begun("B", 9500), begun("C", 9600), anew=True)
    told = reader.read()
    assert (told.story.time, told.story.pumps) == (9000, 5)
    assert told.injections["pump"].to_list() == ["B", "C"]


def test_a_file_that_tells_no_story_is_no_truth(tmp_path):
    write(tmp_path, begun("A", 2000), begun("B", 2000))
    assert ledger.TruthReader(tmp_path).read() is None


def test_only_so_many_injections_are_kept_and_the_others_counted(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger, "MAX_INJECTIONS", 2)
    write(tmp_path, STORY, *(begun(pump, 2000) for pump in "ABCD"))
    told = ledger.TruthReader(tmp_path).read()
    assert told.injections["pump"].to_list() == ["C", "D"]
    assert told.left_out == 2
