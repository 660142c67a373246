"""Facts of pumps by number, as columns: serial, gateway, birth, and what births reported."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.gateway_messages import Pumps
from processor.intake.gateways import RegistryFullError
from processor.intake.reports import SCHEMA, Reports

MAX_PUMPS: Final = 2_000_000
Ints = npt.NDArray[np.int64]


@dataclass
class PumpFacts:
    """All pumps ever heard of. Numbers are assigned in order of appearance and never change.

    `over_capacity` counts, since the start, how often there was no room for another pump.
    """

    over_capacity: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _serials: list[str] = field(default_factory=list)
    _owners: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _born: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _owned: collections.Counter[int] = field(default_factory=collections.Counter)
    _reported: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    _news: Reports = field(default_factory=Reports)
    _names: pl.Series = field(default_factory=lambda: pl.Series("pump", dtype=pl.String))
    _frame: pl.DataFrame | None = None

    @classmethod
    def restore(cls, saved: pl.DataFrame) -> PumpFacts:
        """Return the facts whose `frame` was saved, as far as it has their columns."""
        serials = saved["pump"].to_list()
        owners = saved["owner"].to_numpy().astype(np.int64)
        return cls(
            _numbers=dict(zip(serials, range(len(serials)), strict=True)),
            _serials=serials,
            _owners=owners,
            _born=saved["born"].to_numpy().copy(),
            _owned=collections.Counter(dict(enumerate(np.bincount(owners).tolist()))),
            _reported=saved.select(
                name if name in saved.columns else pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items()
            ),
            _names=saved["pump"].alias("pump"),
        )

    def __len__(self) -> int:
        return len(self._serials)

    def number(self, serial: str) -> int | None:
        """Return the number of a pump, None if it is unknown."""
        return self._numbers.get(serial)

    def find(self, serials: Iterable[str]) -> list[int | None]:
        """Return the numbers of pumps, None for those that are unknown."""
        return list(map(self._numbers.get, serials))

    def owner(self, number: int) -> int:
        """Return the number of the gateway of a pump."""
        return int(self._owners[number])

    def serial(self, number: int) -> str:
        """Return the serial of a pump."""
        return self._serials[number]

    @property
    def owners(self) -> Ints:
        """The number of the gateway of each pump; not to be changed."""
        return self._owners[: len(self)]

    def owned(self, gateway: int) -> int:
        """Return the number of pumps of a gateway."""
        return self._owned[gateway]

    def add(self, serials: list[str], gateway: int, time_ms: int) -> Ints:
        """Return the numbers of these pumps, each named once; new ones belong to that gateway, known since `time_ms`.

        Raises `RegistryFullError` if there is no room for all; as many as find room are known then.
        """
        found = self.find(serials)
        new = [serial for serial, number in zip(serials, found, strict=True) if number is None]
        room = MAX_PUMPS - len(self)
        self._append(new[:room], gateway, time_ms)
        if len(new) > room:
            self.over_capacity += 1
            raise RegistryFullError(f"pump {new[room]!r} rejected: the limit of {MAX_PUMPS:,} pumps is reached")
        if len(new) == len(serials):
            return np.arange(len(self) - len(new), len(self), dtype=np.int64)
        return np.array([self._numbers[serial] for serial in serials], np.int64)

    def _append(self, serials: list[str], gateway: int, time_ms: int) -> None:
        if not serials:
            return
        first, end = len(self), len(self) + len(serials)
        if end > len(self._owners):
            more = max(end, 2 * first) - len(self._owners)
            self._owners = np.append(self._owners, np.zeros(more, np.int64))
            self._born = np.append(self._born, np.zeros(more, np.int64))
        self._owners[first:end], self._born[first:end] = gateway, time_ms
        self._numbers.update(zip(serials, range(first, end), strict=True))
        self._serials += serials
        self._owned[gateway] += len(serials)
        self._frame = None

    def move(self, number: int, gateway: int) -> None:
        """Let a pump belong to another gateway from now on."""
        self._owned[int(self._owners[number])] -= 1
        self._owned[gateway] += 1
        self._owners[number] = gateway
        self._frame = None

    def report(self, numbers: Ints, pumps: Pumps, own: npt.NDArray[np.bool_] | None = None) -> None:
        """Take what a birth reports of its pumps, which have these numbers; a column that it lacks is unknown.

        What it says of pumps that are not its `own` is ignored (None: all are).
        """
        self._news.add(numbers, pumps, own)
        self._frame = None

    def frame(self, gateways: pl.Series) -> pl.DataFrame:
        """Return one row per pump, by number: what its birth reported, serial, gateway; `gateways` are their names."""
        if self._frame is None:
            self._take_news()
            known = len(self._names)
            if known < len(self):
                self._names = pl.concat([self._names, pl.Series("pump", self._serials[known:], dtype=pl.String)])
                self._names = self._names.rechunk()
            owners = pl.Series("owner", self.owners, dtype=pl.UInt32)
            self._frame = self._reported.with_columns(
                self._names,
                owners,
                gateways.gather(owners).alias("gateway"),
                pl.Series("born", self._born[: len(self)].copy(), dtype=pl.Int64),
            )
        return self._frame

    def _take_news(self) -> None:
        """Put what births reported into the rows of their pumps; of several births the last one counts."""
        rows = len(self._reported)
        if rows < len(self):
            more = pl.DataFrame({name: [None] for name in SCHEMA}, schema=SCHEMA)
            added = pl.DataFrame([more[name].new_from_index(0, len(self) - rows) for name in SCHEMA])
            self._reported = pl.concat([self._reported, added], rechunk=True)
        numbers, values = self._news.take()
        if not len(numbers):
            return
        # The row of the last birth that named each pump: of equal places, the last one assigned stays.
        row = np.full(len(self), -1, np.int64)
        row[numbers] = np.arange(len(numbers))
        if (row >= 0).all():
            self._reported = values[row]
            return
        named = np.flatnonzero(row >= 0)
        self._reported = self._reported.with_columns(
            self._reported[name].clone().scatter(named, values[name].gather(row[named])) for name in SCHEMA
        )
