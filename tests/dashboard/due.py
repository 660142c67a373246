"""A fleet with forecasts: what is due, overdue, without flow, silent; and the real rules."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import polars as pl

from broker.store.pump_table import PUMPS_SCHEMA
from broker.store.snapshot import Snapshot
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from processor.view.rule_table import rule_table
from tests.dashboard.conftest import THERAPY_MS, WALL_MS, make_fleet

DAY_MS = 86_400_000
ALL_RULES = rule_table((*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES))
BATTERY = {
    "eri_d_low": 1000.0,
    "eri_d_mid": 1100.0,
    "eri_d_high": 1200.0,
    "eos_d_low": 1090.0,
    "eos_d_mid": 1190.0,
    "eos_d_high": 1290.0,
}


def due_fleet(low_d: Any, *, health: dict[str, Any] | None = None, **columns: Any) -> Snapshot:
    """Return a fleet in which each pump's reservoir is low in so many days, give or take one.

    `columns` replace columns of `PUMPS_SCHEMA`. Batteries last for three more years.
    """
    low = np.asarray(low_d, float)
    bare = make_fleet(len(low), alarms=0, written=WALL_MS)
    early = np.clip(low - 1, 0, None)
    made: dict[str, Any] = {
        "low_d_low": early,
        "low_d_mid": np.clip(low, 0, None),
        "low_d_high": np.clip(low + 1, 0, None),
        "empty_d_low": low + 3,
        "empty_d_mid": low + 4,
        "empty_d_high": low + 5,
        "refill_due": (THERAPY_MS + early * DAY_MS).astype("i8"),
        "drug_limit": np.full(len(low), THERAPY_MS + 170 * DAY_MS),
        "reservoir_ml": np.full(len(low), 9.0),
        "silent": np.zeros(len(low), bool),
        "age_s": np.zeros(len(low)),
        "time": np.full(len(low), THERAPY_MS),
        **{name: np.full(len(low), days) for name, days in BATTERY.items()},
        **columns,
    }
    fresh = [pl.Series(name, list(values)).cast(PUMPS_SCHEMA[name]) for name, values in made.items()]
    known = msgspec.structs.replace(bare.health, **(health or {}))
    whole = Snapshot.of(bare.pumps.with_columns(fresh), bare.alarms, bare.gateways, known)
    return dataclasses.replace(whole, rules=ALL_RULES)
