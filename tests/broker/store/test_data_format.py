"""Format of a data directory: noted, brought up to date from an older one, refused from a newer one."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.store import data_format
from broker.store.data_format import FILE, FORMAT, DataFormatError


def test_a_directory_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    assert data_format.check(tmp_path) == 0
    data_format.bring_up_to_date(tmp_path)
    assert data_format.check(tmp_path) == FORMAT
    written = (tmp_path / FILE).stat().st_mtime_ns
    data_format.bring_up_to_date(tmp_path)
    assert (tmp_path / FILE).stat().st_mtime_ns == written


def test_a_directory_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    data_format.bring_up_to_date(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"format": 99}', "use the version that wrote it, restore a backup made by this one, or give another --data"),
        ("{", "restore it from a backup, or remove it"),
        ('{"format": "one"}', "cannot be read"),
    ],
)
def test_a_newer_or_unreadable_format_is_refused_with_what_to_do(content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(DataFormatError, match=sentence):
        data_format.bring_up_to_date(tmp_path)
    assert (tmp_path / FILE).read_text() == content
