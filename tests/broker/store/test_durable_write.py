"""A durable write leaves the complete file or none."""

from __future__ import annotations

import polars as pl
import pytest

from broker.store import durable_write


def test_a_file_is_put_in_place_with_its_folders_and_its_size_is_told(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    assert durable_write.replace(path, lambda fresh: fresh.write_text("twelve bytes")) == 12
    assert path.read_text() == "twelve bytes"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_failure_while_writing_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "file"
    durable_write.replace(path, lambda fresh: fresh.write_text("old"))

    def fail(fresh):
        fresh.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        durable_write.replace(path, fail)
    assert path.read_text() == "old"


def test_what_polars_says_of_a_full_disk_is_an_error_of_the_disk(tmp_path):
    def fail(fresh):
        fresh.write_text("half of a f")
        raise pl.exceptions.ComputeError("parquet: File out of specification: Invalid thrift: transport error")

    with pytest.raises(OSError, match="file could not be written"):
        durable_write.replace(tmp_path / "file", fail)
    assert list(tmp_path.iterdir()) == []
