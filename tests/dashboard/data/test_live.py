"""A screen that stands still says why, as far as the disk tells."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from dashboard.data.live import MIN_BYTES, Live, disk_refuses


@pytest.mark.parametrize(
    ("free", "flags", "said"),
    [
        (10 * MIN_BYTES, 0, ""),
        (MIN_BYTES - 1, 0, "The disk of the processor is full."),
        (10 * MIN_BYTES, os.ST_RDONLY, "The disk of the processor is read-only."),
    ],
)
def test_a_full_or_read_only_disk_is_named(tmp_path, monkeypatch, free, flags, said):
    disk = SimpleNamespace(f_flag=flags, f_bavail=free, f_frsize=1)
    monkeypatch.setattr("dashboard.data.live.os.statvfs", lambda _: disk)
    assert disk_refuses(tmp_path) == said


def test_a_disk_that_is_gone_is_named(tmp_path):
    assert disk_refuses(tmp_path / "nowhere").startswith("The directory of the snapshots cannot be reached")


def test_while_data_is_fresh_no_reason_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("dashboard.data.live.os.statvfs", lambda _: pytest.fail("looked"))
    assert Live(tmp_path, lambda: 0).beat()["why"] == ""
