"""Telemetry of the simulated fleet: samples in the columns of the contract, and the pumps' entries of a birth."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from broker.contract.gateway_messages import Pumps
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from simulator.fleet import enrollment
from simulator.fleet.lots import LOTS
from simulator.fleet.sensors import Sample
from simulator.fleet.state import Fleet
from simulator.fleet.wear import REVISIONS

MODEL: Final = "Peristaltic {:.0f} mL, revision {}"


def samples(fleet: Fleet, serials: pl.Series, sample: Sample, *, time_ms: int, seq: int, boot: int) -> pl.DataFrame:
    """Return a row for each pump: its `index` (UInt32), then `SAMPLE_SCHEMA` with `sent` null.

    `time_ms` is therapy time, to which each pump's clock error is added; `boot` is added to each pump's own count.
    """
    constants: dict[str, int | None] = {"time": time_ms, "sent": None, "seq": seq}
    constants |= dict.fromkeys(SIGNAL_NAMES - sample.readings.keys())
    clocks = []
    if fleet.clock_s.any():
        del constants["time"]
        ahead_ms = np.round(fleet.clock_s * 1000).astype(np.int64)
        clocks.append(pl.Series("time", ahead_ms + time_ms))
    return pl.DataFrame(
        [
            pl.Series("index", fleet.index),
            serials,
            pl.Series("boot", fleet.boots.astype(np.int64) + boot),
            pl.Series("program", fleet.program),
            pl.Series("flags", sample.flags),
            *clocks,
            *(pl.Series(name, values) for name, values in sample.readings.items()),
        ]
    ).select(
        "index",
        *(
            pl.lit(constants[name], dtype=dtype).alias(name) if name in constants else pl.col(name).cast(dtype)
            for name, dtype in SAMPLE_SCHEMA.items()
        ),
    )


def description(fleet: Fleet, serials: pl.Series, pumps: range) -> Pumps:
    """Return what a birth says about `pumps`, in the order of their indices."""
    count, part = len(fleet), slice(pumps.start, pumps.stop)
    described = fleet[part]
    return Pumps(
        serial=serials[part].to_list(),
        model=[
            MODEL.format(capacity_ml, REVISIONS[revision])
            for capacity_ml, revision in zip(described.reservoir_capacity_ml, described.revision, strict=True)
        ],
        lot=[LOTS[lot] for lot in described.lot],
        site=[enrollment.site(index, count) for index in pumps],
        group=[enrollment.GROUPS[group].name for group in described.group],
        reservoir_ml=described.reservoir_capacity_ml.tolist(),
        concentration_ug_ml=described.concentration_ug_ml.tolist(),
        program=enrollment.program_texts(described),
        dose_ug_day=enrollment.prescribed_ug_day(described),
    )
