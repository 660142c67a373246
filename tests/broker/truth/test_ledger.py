"""The ground truth file is read as it grows, and from its start when a new run rewrites it."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.contract.messages import encode
from broker.truth import ledger
from broker.truth.ground_truth import FILE, FaultChange, FaultFacts, RunHeader

HEADER = RunHeader(time=1000, pumps=3, faults=[FaultFacts(fault="stall")])


def begun(pump: str, since: int, severity: float = 0.5) -> FaultChange:
    return FaultChange(kind="begun", pump=pump, fault="stall", severity=severity, since=since, time=since)


def ended(pump: str, since: int, time: int) -> FaultChange:
    return FaultChange(kind="ended", pump=pump, fault="stall", severity=0.5, since=since, time=time)


def write(folder: Path, *lines: FaultChange | RunHeader | bytes, anew: bool = False) -> None:
    with (folder / FILE).open("wb" if anew else "ab") as file:
        file.writelines(line if isinstance(line, bytes) else encode(line) + b"\n" for line in lines)


def test_there_is_no_ground_truth_without_a_file_or_with_only_half_a_line(tmp_path):
    reader = ledger.LedgerReader(tmp_path)
    assert reader.read() is None
    write(tmp_path, encode(HEADER))
    assert reader.read() is None


def test_injections_are_known_when_they_begin_and_end_when_their_end_is_read(tmp_path):
    reader = ledger.LedgerReader(tmp_path)
    write(tmp_path, HEADER, begun("A", 2000), begun("B", 3000), begun("C", 4000, severity=0.0))
    assert reader.read().injections.select("pump", "onset", "end").rows() == [("A", 2000, None), ("B", 3000, None)]
    write(tmp_path, ended("A", 2000, 5000), encode(ended("B", 3000, 6000))[:20])
    assert reader.read().injections.select("pump", "onset", "end").rows() == [("A", 2000, 5000), ("B", 3000, None)]
    assert reader.read() is reader.read()


def test_a_line_that_is_no_fault_change_is_skipped(tmp_path):
    write(tmp_path, HEADER, b"nonsense\n", b"\xff\n", begun("A", 2000))
    assert ledger.LedgerReader(tmp_path).read().injections.height == 1


def test_a_new_run_starts_over_even_if_its_file_is_longer(tmp_path):
    reader = ledger.LedgerReader(tmp_path)
    write(tmp_path, HEADER, begun("A", 2000))
    assert reader.read().header.time == 1000
    write(tmp_path, RunHeader(time=9000, pumps=5), begun("B", 9500), begun("C", 9600), anew=True)
    found = reader.read()
    assert (found.header.time, found.header.pumps) == (9000, 5)
    assert found.injections["pump"].to_list() == ["B", "C"]


def test_a_file_without_a_run_header_is_no_ground_truth(tmp_path):
    write(tmp_path, begun("A", 2000), begun("B", 2000))
    assert ledger.LedgerReader(tmp_path).read() is None


def test_the_newest_injections_are_kept_and_the_others_counted(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger, "MAX_INJECTIONS", 2)
    write(tmp_path, HEADER, *(begun(pump, 2000) for pump in "ABCD"))
    found = ledger.LedgerReader(tmp_path).read()
    assert found.injections["pump"].to_list() == ["C", "D"]
    assert found.dropped == 2


def test_a_file_of_an_older_version_is_incompatible_until_a_new_run_rewrites_it(tmp_path):
    reader = ledger.LedgerReader(tmp_path)
    assert (reader.read(), reader.incompatible) == (None, False)
    write(tmp_path, b'{"kind":"story","time":1000,"pumps":3,"expected":[]}\n', begun("A", 2000))
    assert (reader.read(), reader.incompatible) == (None, True)
    write(tmp_path, HEADER, begun("A", 2000), anew=True)
    assert reader.read().injections.height == 1
    assert not reader.incompatible


def test_a_file_that_was_removed_is_not_incompatible_and_is_read_again_when_it_is_back(tmp_path):
    reader = ledger.LedgerReader(tmp_path)
    write(tmp_path, b'{"kind":"story"}\n')
    assert (reader.read(), reader.incompatible) == (None, True)
    (tmp_path / FILE).unlink()
    assert (reader.read(), reader.incompatible) == (None, False)
    write(tmp_path, HEADER, begun("A", 2000))
    assert reader.read().injections.height == 1
