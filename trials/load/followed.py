"""Messages followed from the generator to the screen: the records of all parts put together, and what they say."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.trace import Durable, Shown, Taken, Trace
from trials.load.clock_offset import Bounds
from trials.load.metrics import HOPS
from trials.load.sent import CONFIRMED, SENT

MAX_ROWS: Final = 5_000_000
"""Messages that are followed at once; more are counted and not followed."""
TAKEN: Final = {
    "gateway": pl.String(),
    "digest": pl.UInt32(),
    "received": pl.Float64(),
    "decoded": pl.Float64(),
    "judged": pl.Float64(),
    "batch": pl.Int64(),
}
MARKS: Final = {"batch": pl.Int64(), "at": pl.Float64()}
VERSIONS: Final = {"batch": pl.Int64(), "shown": pl.Float64(), "version": pl.Int64()}
KEY: Final = ["gateway", "digest"]


@dataclass
class Followed:
    """Collects the records of a run. Rows stay until they are taken by `settled`.

    `excess` counts messages that are not followed because too many were on their way. If the processor runs on another
    machine (`processor_elsewhere`), its times are corrected by the offset of its clock, for which `bounds` are kept.
    """

    excess: int = 0
    processor_elsewhere: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    _sent: list[pl.DataFrame] = field(default_factory=list)
    _confirmed: list[pl.DataFrame] = field(default_factory=list)
    _taken: list[pl.DataFrame] = field(default_factory=list)
    _durable: list[tuple[int, float]] = field(default_factory=list)
    _shown: list[tuple[int, float, int]] = field(default_factory=list)
    _painted: list[tuple[int, float]] = field(default_factory=list)
    _rows: int = 0

    def add_sent(self, rows: pl.DataFrame) -> None:
        """Add rows of `SENT`."""
        self._rows += rows.height
        if self._rows > MAX_ROWS:
            self.excess += rows.height
            return
        self._sent.append(rows)

    def add_confirmed(self, rows: pl.DataFrame) -> None:
        """Add rows of `CONFIRMED`."""
        self._confirmed.append(rows)

    def add_trace(self, trace: Trace, at: float) -> None:
        """Add a message of the processor's trace, which arrived `at` (wall ms)."""
        self.bounds.received_here(trace.judged if isinstance(trace, Taken) else trace.at, at)
        match trace:
            case Taken():
                columns = {"gateway": trace.gateways, "digest": trace.digests, "received": trace.received}
                rest = {"decoded": trace.decoded, "judged": trace.judged, "batch": trace.batch}
                self._taken.append(pl.DataFrame({**columns, **rest}, TAKEN))
            case Durable():
                self._durable.append((trace.batch, trace.at))
            case Shown():
                self._shown.append((trace.batch, trace.at, trace.version))

    def add_painted(self, version: int, at: float) -> None:
        """Add that a browser had painted the snapshot of that version at `at` (wall ms)."""
        self._painted.append((version, at))

    def recent(self, first_ms: float, last_ms: float) -> dict[str, float | None]:
        """Return p99 in s of the messages due between two times at the hops that say most, for a look while it runs."""
        sent = _joined(_since(self._sent, "due", first_ms), SENT).filter(pl.col("due").is_between(first_ms, last_ms))
        taken = _joined(_since(self._taken, "received", first_ms), TAKEN)
        rows = self._with_marks(
            sent.join(taken.unique(KEY, keep="first"), on=KEY, how="left").with_columns(
                pl.lit(None, pl.Float64()).alias(name) for name in ("published", "confirmed")
            )
        )
        shown = {}
        for hop in ("received", "judged", "shown", "painted"):
            late = (rows[hop] - rows["due"]).drop_nulls()
            value = late.quantile(0.99) if late.len() else None
            shown[hop] = None if value is None else round(value / 1000, 3)
        return shown

    def settled(self, before_ms: float) -> Settled:
        """Take out the messages that were due before `before_ms`, with all that is known of them by now."""
        # Records go on arriving in another thread meanwhile: they are only ever appended to the lists.
        sent, confirmed, taken = (
            _joined(_emptied(rows), schema)
            for rows, schema in ((self._sent, SENT), (self._confirmed, CONFIRMED), (self._taken, TAKEN))
        )
        done, rest = sent.filter(pl.col("due") < before_ms), sent.filter(pl.col("due") >= before_ms)
        self._rows -= done.height
        arrivals = taken.with_row_index("arrival").join(done.select(*KEY, "due", "samples"), on=KEY, how="inner")
        first = arrivals.unique(KEY, keep="first", maintain_order=True)
        rows = done.join(confirmed.unique(KEY, keep="first"), on=KEY, how="left").join(
            first.drop("due", "samples"), on=KEY, how="left"
        )
        rows = self._with_marks(rows)
        if self.processor_elsewhere:
            rows = self._corrected(rows)
        self._sent.insert(0, rest)
        self._confirmed.insert(0, confirmed.join(done.select(KEY), on=KEY, how="anti"))
        self._taken.insert(0, taken.join(done.select(KEY), on=KEY, how="anti"))
        self._forget_marks(before_ms)
        repeated = int(arrivals["samples"].sum()) - int(first["samples"].sum())
        return Settled(rows, repeated, _disorder(first))

    def _corrected(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the messages with the processor's times by the runner's clock, as far as its offset is known."""
        on_way = (rows["received"] - rows["published"]).min()
        if on_way is not None:
            self.bounds.received_there(0.0, float(on_way))  # type: ignore[arg-type]
        offset = self.bounds.offset
        ahead = 0.0 if offset is None else offset.ahead_ms
        return rows.with_columns(pl.col(hop) - ahead for hop in ("received", "decoded", "judged", "durable", "shown"))

    def _forget_marks(self, before_ms: float) -> None:
        """Forget marks that no message due from then on can have."""
        for marks in (self._durable, self._shown, self._painted):
            old = sum(mark[1] < before_ms for mark in marks)
            del marks[:old]

    def _with_marks(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add when the batch of each message was durable, shown and painted: with the first mark at or after it."""
        durable = pl.DataFrame(self._durable, MARKS, orient="row").rename({"at": "durable"}).sort("batch")
        shown = pl.DataFrame(self._shown, VERSIONS, orient="row").sort("batch")
        painted = pl.DataFrame(self._painted, {"version": pl.Int64(), "painted": pl.Float64()}, orient="row")
        known, unknown = rows.filter(pl.col("batch").is_not_null()), rows.filter(pl.col("batch").is_null())
        known = known.sort("batch").join_asof(durable, on="batch", strategy="forward")
        known = known.join_asof(shown, on="batch", strategy="forward").sort("version")
        seen, unseen = known.filter(pl.col("version").is_not_null()), known.filter(pl.col("version").is_null())
        seen = seen.join_asof(painted.sort("version"), on="version", strategy="forward")
        return pl.concat([seen, unseen, unknown], how="diagonal").select(
            "gateway", "samples", "due", *(hop.name for hop in HOPS)
        )


@dataclass(frozen=True)
class Settled:
    """Messages whose way is over: one row each, with `gateway`, `samples`, `due` and the time of each hop (wall ms).

    A hop is null if the message never got there. `repeated` are samples that the processor received again,
    `disordered` the messages that arrived after a later one of their gateway.
    """

    rows: pl.DataFrame
    repeated: int
    disordered: int

    @property
    def lost(self) -> int:
        """Samples that reached no snapshot."""
        return int(self.rows.filter(pl.col("shown").is_null())["samples"].sum())

    def lost_before(self, hop: str) -> int:
        """Samples that did not reach a hop."""
        return int(self.rows.filter(pl.col(hop).is_null())["samples"].sum())


def _joined(parts: list[pl.DataFrame], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def _since(parts: list[pl.DataFrame], column: str, first_ms: float) -> list[pl.DataFrame]:
    """Return the parts with a time at or after one, which are the latest of them."""
    late = itertools.takewhile(lambda part: (part[column].max() or 0.0) >= first_ms, reversed(parts[:]))  # type: ignore[operator]
    return list(late)


def _emptied(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Take all parts out of a list to which others may be appended at any time."""
    taken = parts[:]
    del parts[: len(taken)]
    return taken


def _disorder(arrivals: pl.DataFrame) -> int:
    """Return how many messages arrived after one of their gateway that was due later."""
    ordered = arrivals.sort("arrival")
    latest = pl.col("due").cum_max().shift(1).over("gateway")
    return ordered.filter(pl.col("due") < latest).height
