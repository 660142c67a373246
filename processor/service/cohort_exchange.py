"""Exchange of what cohorts are compared by, if several processors have a fleet between them: one file of each.

Every half hour of therapy each processor writes the quantities of its pumps into its own directory, and reads those of
the others. A file that cannot be read, or is too old, is left out: its pumps are then not compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import durable_write
from broker.store.range_directories import sources
from processor.engine.columns import MS_PER_S
from processor.watch.cohorts import FRESH_S, OTHERS

FILE: Final = "cohorts.arrow"
MAX_OTHERS: Final = 2_000_000
"""Pumps of other processors with which ours are compared; some 100 bytes each."""


@dataclass
class CohortExchange:
    """The exchange of the processor with the directory `data` of a cluster in `shared`; `failures` counts both ways."""

    data: Path
    shared: Path
    first: bool
    failures: int = 0

    def publish(self, quantities: pl.DataFrame) -> None:
        """Write the quantities of this processor's pumps for the others."""
        try:
            durable_write.replace(self.data / FILE, quantities.write_ipc)
        except OSError:
            # A disk that refuses is known from all else that is written to it.
            self.failures += 1

    def others(self, now: int) -> pl.DataFrame:
        """Return the quantities of all other processors that are fresh at `now` (therapy ms).

        Of more than `MAX_OTHERS` pumps, every second, third, … is returned.
        """
        oldest = now - round(FRESH_S * MS_PER_S)
        files = self._files()
        step = max(1, math.ceil(sum(self._height(each) for each in files) / MAX_OTHERS))
        # One file after the other, so that never more than one is in memory as a whole.
        found = [self._read(each, oldest, step) for each in files]
        whole = pl.concat([pl.DataFrame(schema=OTHERS), *(each for each in found if each is not None)])
        return whole.with_columns(pl.col(pl.Float64).fill_null(math.nan))

    def _files(self) -> list[Path]:
        return [each / FILE for each in sources(self.shared) if each.parent.name != self.data.parent.name]

    @staticmethod
    def _height(path: Path) -> int:
        """Return the number of pumps in a file; 0 if it cannot be read, which is counted when it is read as a whole."""
        try:
            return int(pl.scan_ipc(path, glob=False).select(pl.len()).collect(engine="in-memory").item())
        except (OSError, pl.exceptions.PolarsError):
            return 0

    def _read(self, path: Path, oldest: int, step: int) -> pl.DataFrame | None:
        """Return each `step`-th fresh pump of a file, null for quantities that it lacks; None if it cannot be read."""
        try:
            found = pl.scan_ipc(path, glob=False).collect(engine="in-memory")
            missing = [pl.lit(None, dtype).alias(name) for name, dtype in OTHERS.items() if name not in found.columns]
            columns = [pl.col(name).cast(dtype) for name, dtype in OTHERS.items()]
            fresh = found.with_columns(missing).select(columns).filter(pl.col("time") >= oldest)
            return fresh.gather_every(step) if step > 1 else fresh
        except FileNotFoundError:
            return None
        except (OSError, pl.exceptions.PolarsError):
            self.failures += 1
            return None
