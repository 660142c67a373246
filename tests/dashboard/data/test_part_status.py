"""What pages say about parts that keep exiting."""

from __future__ import annotations

from pathlib import Path

from broker.store import file_lock, part_troubles
from broker.store.part_troubles import PartTrouble
from dashboard.data.live import Live
from dashboard.data.part_status import READ_INTERVAL_MS, PartStatus

NOW = 1_790_000_000_000


def test_a_page_says_which_part_keeps_exiting_and_when_it_is_tried_again(tmp_path: Path) -> None:
    told = [
        PartTrouble("processor", "was killed (SIGKILL) 6 times in a row", NOW + 30_000),
        PartTrouble("simulator", "refuses to run: another simulator uses it."),
    ]
    with file_lock.hold(tmp_path / part_troubles.RUN_LOCK):
        part_troubles.write(tmp_path, told)
        beat = Live(tmp_path / "snapshot", lambda: NOW).beat()
        later = PartStatus(tmp_path, lambda: NOW + 31_000).text()
    assert beat["parts"] == (
        "The processor was killed (SIGKILL) 6 times in a row; next try in 30 s. "
        "The simulator refuses to run: another simulator uses it."
    )
    assert later.startswith("The processor was killed (SIGKILL) 6 times in a row; it is starting.")


def test_without_a_running_system_nothing_is_said(tmp_path: Path) -> None:
    part_troubles.write(tmp_path, [PartTrouble("processor", "was killed")])
    assert PartStatus(tmp_path, lambda: NOW).text() == ""


def test_a_damaged_or_oversized_file_says_nothing(tmp_path: Path) -> None:
    now = [NOW]
    status = PartStatus(tmp_path, lambda: now[0])
    with file_lock.hold(tmp_path / part_troubles.RUN_LOCK):
        for content in (b"[{", b"[" + b" " * part_troubles.MAX_FILE_BYTES + b"]"):
            (tmp_path / part_troubles.FILE).write_bytes(content)
            assert status.text() == ""
            now[0] += READ_INTERVAL_MS
