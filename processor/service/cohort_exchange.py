"""Exchange of what cohorts are compared by, if several processors have a fleet between them: one file of each.

Every half hour of therapy each processor writes the quantities of its pumps into its own directory, and reads those of
the others. A file that cannot be read, or is too old, is left out: its pumps are then not compared.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import durable_write
from broker.store.range_directories import sources
from processor.engine.columns import MS_PER_S
from processor.watch.cohorts import FRESH_S, OTHERS

FILE: Final = "cohorts.arrow"


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
        """Return the quantities of all other processors that are fresh at `now` (therapy ms)."""
        frames = [pl.DataFrame(schema=OTHERS)]
        oldest = now - round(FRESH_S * MS_PER_S)
        for source in sources(self.shared):
            if source.parent.name == self.data.parent.name:
                continue
            with contextlib.suppress(FileNotFoundError):
                try:
                    found = pl.scan_ipc(source / FILE, glob=False).collect(engine="in-memory")
                    missing = [
                        pl.lit(None, dtype).alias(name) for name, dtype in OTHERS.items() if name not in found.columns
                    ]
                    frames.append(found.with_columns(missing).select(*OTHERS).filter(pl.col("time") >= oldest))
                except FileNotFoundError:
                    raise
                except (OSError, pl.exceptions.PolarsError):
                    self.failures += 1
        return pl.concat(frames).with_columns(pl.col(pl.Float64).fill_null(float("nan")))
