"""Samples of a batch on their way into one frame, from messages of either encoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from broker.contract.actions import Action, Outcome
from broker.contract.codec import Decoded
from broker.contract.signals import SAMPLE_SCHEMA
from processor.engine.sequence import REDELIVERED
from processor.intake.json_rows import JsonRows

BATCH_SCHEMA = {**SAMPLE_SCHEMA, "pump": pl.UInt32(), REDELIVERED: pl.Boolean()}
_NO_SAMPLES: Final = pl.DataFrame(schema=BATCH_SCHEMA)


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples of one message, the numbers of their pumps (null: rejected), and whether they are redelivered."""

    samples: pl.DataFrame
    pumps: pl.Series
    message: int
    redelivered: bool


@dataclass
class Collected:
    """Samples on their way into one frame, each with the place of its message in the batch.

    `decoded` are the Arrow payloads by the place of their message; `refusals` answer actions that nobody signed.
    """

    json: JsonRows
    decoded: dict[int, Decoded]
    frames: list[Frame] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    refusals: list[Outcome] = field(default_factory=list)


def join(collected: Collected) -> pl.DataFrame:
    """Return the samples of a batch in order of arrival (`BATCH_SCHEMA`)."""
    parts = [_joined_frames(collected.frames)] if collected.frames else []
    rows = collected.json.frame()
    if rows is not None:
        parts.append(rows)
    if not parts:
        return _NO_SAMPLES
    joined = pl.concat(parts, rechunk=True)
    if len(parts) > 1:
        joined = joined.sort("message", maintain_order=True)
    return joined.drop("message")


def _joined_frames(frames: list[Frame]) -> pl.DataFrame:
    heights = [frame.samples.height for frame in frames]
    numbers = pl.concat([frame.pumps for frame in frames])
    columns = pl.concat([frame.samples for frame in frames], rechunk=False).drop("pump").rechunk()
    joined = pl.DataFrame(
        [
            numbers.alias("pump"),
            *columns.get_columns(),
            pl.Series(REDELIVERED, np.repeat([frame.redelivered for frame in frames], heights)),
            pl.Series("message", np.repeat(np.array([frame.message for frame in frames], np.uint32), heights)),
        ]
    )
    return joined.drop_nulls("pump") if numbers.has_nulls() else joined
