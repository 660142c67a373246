"""What a generator sends, and when: parcels that know their due time, and the records of it as tables."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from simulator.gateway.outbox import Outbox, Parcel

SENT = {
    "gateway": pl.String(),
    "digest": pl.UInt32(),
    "samples": pl.Int32(),
    "due": pl.Float64(),
    "sampled": pl.Float64(),
}
"""One row per message: its gateway, CRC-32 and samples, when it was due and when it was made (wall ms)."""
CONFIRMED = {"gateway": pl.String(), "digest": pl.UInt32(), "published": pl.Float64(), "confirmed": pl.Float64()}
"""One row per message that the broker confirmed: when it was handed to the connection first, and when confirmed."""


@dataclass(frozen=True, slots=True)
class TimedParcel(Parcel):
    """A parcel with the CRC-32 of its payload; `published` gets the time when it is first handed to the connection."""

    digest: int = 0
    published: list[float] = field(default_factory=list)


@dataclass
class Recorder:
    """Collects rows of `SENT` and `CONFIRMED` until `take`; `now` is wall ms with fractions."""

    now: Callable[[], float]
    sent: list[tuple[str, int, int, float, float]] = field(default_factory=list)
    confirmed: list[tuple[str, int, float, float]] = field(default_factory=list)

    def parcel(self, gateway: str, payload: bytes, samples: int, stamp: int, due: float) -> TimedParcel:
        """Return a parcel and record that it was made now."""
        digest = zlib.crc32(payload)
        self.sent.append((gateway, digest, samples, due, self.now()))
        return TimedParcel(payload, samples, stamp, None, digest)

    def take(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows since the last call, as `SENT` and as `CONFIRMED`."""
        sent, confirmed = self.sent, self.confirmed
        self.sent, self.confirmed = [], []
        return pl.DataFrame(sent, SENT, orient="row"), pl.DataFrame(confirmed, CONFIRMED, orient="row")


@dataclass(slots=True)
class TimedOutbox(Outbox):
    """An outbox that tells a recorder when its parcels were published first and when the broker confirmed them."""

    gateway: str = ""
    recorder: Recorder | None = None

    def sent(self, mid: int) -> None:
        """Note that the next parcel is in flight."""
        parcel = self._waiting[0]
        Outbox.sent(self, mid)
        if self.recorder and isinstance(parcel, TimedParcel) and not parcel.published:
            parcel.published.append(self.recorder.now())

    def confirmed(self, mid: int, *, delivered: bool) -> None:
        """Note that the broker answered for a parcel."""
        parcel = self._in_flight.get(mid)
        Outbox.confirmed(self, mid, delivered=delivered)
        if self.recorder and delivered and isinstance(parcel, TimedParcel):
            self.recorder.confirmed.append((self.gateway, parcel.digest, parcel.published[0], self.recorder.now()))


def packed(frame: pl.DataFrame) -> bytes:
    """Return a table as an Arrow stream."""
    target = io.BytesIO()
    frame.write_ipc_stream(target)
    return target.getvalue()


def unpacked(payload: bytes) -> pl.DataFrame:
    """Return the table of an Arrow stream."""
    return pl.read_ipc_stream(io.BytesIO(payload))
