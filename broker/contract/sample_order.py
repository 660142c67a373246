"""Order of samples within one payload: each pump's by time, as the order in which a device lists them says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from broker.contract.json_plain import JsonSample

_ORDER: Final = ("boot", "time", "seq")
"""A restart counts more than the clock, which may be wrong after it."""


def in_order(samples: pl.DataFrame) -> pl.DataFrame:
    """Return the samples with those of each pump in order of time; each pump keeps the places that it had."""
    # Whole fleets have each pump once, recordings of one pump are sorted: then there is nothing to do.
    if samples.height < 2 or samples["pump"].n_unique() == samples.height:
        return samples
    keys = samples.select("pump", pl.col("boot").fill_null(0), "time", pl.col("seq").fill_null(-1)).with_row_index("at")
    by_pump = keys.sort("pump", *_ORDER, maintain_order=True)["at"]
    places = keys.sort("pump", maintain_order=True)["at"]
    if by_pump.equals(places):
        return samples
    order = pl.DataFrame({"at": places, "row": by_pump}).sort("at")["row"]
    return samples[order]


def rows_in_order(rows: list[JsonSample]) -> list[JsonSample]:
    """Return rows with those of each pump in order of time; each pump keeps the places that it had."""
    if len({row.pump for row in rows}) == len(rows):
        return rows
    newest: dict[str, tuple[int, int]] = {}
    for row in rows:
        key = (row.boot or 0, int(row.time))
        if key < newest.get(row.pump, key):
            break
        newest[row.pump] = key
    else:
        return rows
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.pump, []).append(place)
    ordered = list(rows)
    for own in places.values():
        for place, row in zip(own, sorted((rows[at] for at in own), key=_key), strict=True):
            ordered[place] = row
    return ordered


def _key(row: JsonSample) -> tuple[int, int, int]:
    return row.boot or 0, int(row.time), -1 if row.seq is None else row.seq
