"""Order of delivery: finds messages of a gateway that arrived before earlier ones of it, by the numbers of its pumps.

A broker that delivers again what a former session left unacknowledged may do so seconds after it has delivered newer
messages. Judged in that order, the earlier samples would be late: in the history, but in no window. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract import codec
from broker.contract.codec import Decoded
from broker.mqtt.link import Message

AHEAD_SHARE: Final = 0.5
"""A message is ahead of earlier ones if more than this share of its pumps skips a number; a lossy pump skips alone."""
NEWEST_SCHEMA: Final[dict[str, pl.DataType]] = {"pump": pl.String(), "last_boot": pl.Int64(), "last_seq": pl.Int64()}
"""The newest sample of each pump: serial, boot and number."""
_FIELDS: Final = ("pump", "boot", "seq", "sent")


@dataclass(frozen=True)
class Arrangement:
    """Places of messages: those to be taken, in the order in which to take them, and those that are ahead."""

    taken: list[int]
    ahead: list[int]


def arrange(messages: Sequence[Message], frames: Sequence[Decoded | None], newest: pl.DataFrame) -> Arrangement:
    """Return in which order to take messages, and which to hold back because earlier ones are still missing.

    `frames` are their Arrow payloads; of JSON, messages of one sample are looked at. Only messages with stamps change
    places, among those of their gateway. `newest` (`NEWEST_SCHEMA`) is what was taken before.
    """
    samples = _samples(messages, frames)
    everything = list(range(len(messages)))
    if samples.is_empty():
        return Arrangement(everything, [])
    by_message = _skipping(samples, newest).group_by("topic", "sent", "place", maintain_order=True).agg(
        pl.col("skips").mean()
    )  # fmt: skip
    ahead = (pl.col("skips") > AHEAD_SHARE).cast(pl.Int8).cum_max().over("topic").cast(pl.Boolean)
    ordered = by_message.select("topic", "place", ahead.alias("ahead"))
    # The messages of a gateway share the places that they have, in order of their stamps.
    ordered = ordered.with_columns(pl.col("place").sort().over("topic").alias("slot"))
    source = dict(ordered.select("slot", "place").iter_rows())
    held = set(ordered.filter("ahead")["place"])
    taken = [place for slot in everything if (place := source.get(slot, slot)) not in held]
    return Arrangement(taken, sorted(held))


def _samples(messages: Sequence[Message], frames: Sequence[Decoded | None]) -> pl.DataFrame:
    """Return the samples that have a stamp, with place and topic of their message."""
    parts = [
        frame.samples.select(*_FIELDS).with_columns(pl.lit(place, pl.Int64).alias("place"))
        for place, frame in enumerate(frames)
        if frame is not None and frame.samples.height
    ]
    json = [
        place
        for place, message in enumerate(messages)
        if frames[place] is None and message.topic.endswith("/telemetry") and not message.retained
    ]
    if json:
        plain = codec.plain_samples([messages[place].payload for place in json])
        places = pl.Series("place", [json[at] for at in plain.places], pl.Int64)
        parts.append(plain.samples.select(*_FIELDS).with_columns(places))
    if not parts:
        return pl.DataFrame(schema={"place": pl.Int64})
    topics = pl.Series("topic", [message.topic for message in messages])
    found = pl.concat(parts).drop_nulls("sent")
    # The stamp is that of the message: its last sample's.
    return found.with_columns(
        topics.gather(found["place"]).alias("topic"), pl.col("sent").last().over("place").alias("sent")
    )


def _skipping(samples: pl.DataFrame, newest: pl.DataFrame) -> pl.DataFrame:
    """Return the samples in order of their stamps, and whether each `skips` numbers of its pump."""
    ordered = samples.sort("topic", "sent", "place", maintain_order=True).join(
        newest, on="pump", how="left", maintain_order="left"
    )
    before = pl.max_horizontal(
        pl.when(pl.col("last_boot") == pl.col("boot")).then("last_seq"),
        pl.col("seq").cum_max().shift(1).over("pump", "boot"),
    )
    return ordered.with_columns((pl.col("seq") > before + 1).fill_null(value=False).alias("skips"))
