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
        found = [each for each in map(self._read, self._files()) if each is not None]
        fresh = [each.filter(pl.col("time") >= oldest) for each in found]
        step = max(1, math.ceil(sum(each.height for each in fresh) / MAX_OTHERS))
        whole = pl.concat([pl.DataFrame(schema=OTHERS), *(each.gather_every(step) for each in fresh)])
        return whole.with_columns(pl.col(pl.Float64).fill_null(math.nan))

    def _files(self) -> list[Path]:
        return [each / FILE for each in sources(self.shared) if each.parent.name != self.data.parent.name]

    def _read(self, path: Path) -> pl.DataFrame | None:
        """Return the content of a file, with null for quantities that it lacks; None if it cannot be read."""
        try:
            found = pl.scan_ipc(path, glob=False).collect(engine="in-memory")
            missing = [pl.lit(None, dtype).alias(name) for name, dtype in OTHERS.items() if name not in found.columns]
            return found.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in OTHERS.items())
        except FileNotFoundError:
            return None
        except (OSError, pl.exceptions.PolarsError):
            self.failures += 1
            return None
