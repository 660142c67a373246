"""A column file gives back what was written, page by page, and refuses what is damaged."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.store import column_file
from broker.store.column_file import ColumnFile

SCHEMA = {"flag": pl.Boolean(), "count": pl.Int64(), "share": pl.Float32()}


def frame(*counts: int | None) -> pl.DataFrame:
    rows = len(counts)
    flags, shares = ([True, False, None] * rows)[:rows], ([0.5, None, float("inf")] * rows)[:rows]
    return pl.DataFrame({"flag": flags, "count": counts, "share": shares}, SCHEMA)


@pytest.mark.parametrize(
    "written",
    [
        frame(),
        frame(0, 1, 2),
        frame(-128, 127, None),
        frame(None, None),
        frame(-(2**63), 5),
        frame(2**63 - 1, None, -(2**63) + 1),
        pl.concat([frame(1, 2, 3), frame(40_000, None)], rechunk=False),
    ],
    ids=["no rows", "small", "nulls beside the smallest byte", "nulls", "smallest", "largest", "chunks"],
)
def test_what_was_written_is_read_with_its_nulls_and_types(tmp_path, written):
    column_file.write(tmp_path / "a.columns", written)
    found = ColumnFile(tmp_path / "a.columns", SCHEMA)
    assert pl.DataFrame([found.column(name) for name in SCHEMA]).equals(written)
    assert found.take(np.arange(written.height)[::-1]).equals(written.reverse())


def test_small_numbers_take_little_room(tmp_path):
    column_file.write(tmp_path / "a.columns", pl.DataFrame({"count": np.arange(100_000) % 100}))
    assert (tmp_path / "a.columns").stat().st_size < 110_000


def test_a_column_that_an_older_version_did_not_write_is_unknown(tmp_path):
    column_file.write(tmp_path / "a.columns", frame(1, 2).drop("count"))
    found = ColumnFile(tmp_path / "a.columns", SCHEMA)
    assert found.column("count").to_list() == [None, None]
    assert found.take(np.array([1]))["share"].to_list() == [None]


@pytest.mark.parametrize("kept", [0, 4, 20, 300])
def test_a_truncated_file_is_refused_with_its_name(tmp_path, kept):
    column_file.write(tmp_path / "a.columns", frame(*range(1000)))
    (tmp_path / "a.columns").write_bytes((tmp_path / "a.columns").read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"a\.columns"):
        ColumnFile(tmp_path / "a.columns", SCHEMA)


def test_text_cannot_be_written(tmp_path):
    with pytest.raises(TypeError, match="name is of type String"):
        column_file.write(tmp_path / "a.columns", pl.DataFrame({"name": ["a"]}))
