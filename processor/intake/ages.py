"""Ages: how old each pump's data are, by its own clock and by arrival."""

from __future__ import annotations

import numpy as np
import polars as pl

from processor.engine.columns import MS_PER_S
from processor.intake.registry import Registry


def ages_s(registry: Registry, clocks: pl.Series, newest: pl.Series) -> pl.Series:
    """Return the seconds since each pump's last sample or, if there was none, since its birth (Float32).

    `clocks` is where the pumps' own clocks stand, `newest` the times of their newest samples, null if there is none
    (both Int64 ms). A pump is at least as old as the time for which no sample of it was judged, since clocks of pumps
    and gateways may be wrong. Null for retired pumps, and for pumps never heard whose gateway is gone: the birth may be
    an old message that the broker retained.
    """
    retired = registry.retired()
    if not newest.has_nulls() and not retired.any():
        ages = (clocks - newest) / MS_PER_S
        return pl.Series(np.maximum(ages.to_numpy(), registry.unheard_s().to_numpy()).astype(np.float32))
    facts = registry.facts()
    gone = registry.gateways.gone().gather(facts["owner"])
    born = pl.when(~gone).then(facts["born"])
    last = pl.select(pl.when(~retired).then(pl.coalesce(newest, born))).to_series()
    ages = (clocks - last) / MS_PER_S
    longer = pl.when(ages.is_not_null()).then(pl.max_horizontal(ages, registry.unheard_s()))
    return pl.select(longer).to_series().cast(pl.Float32)
