"""Titration: how far and how fast the dose of a patient may change."""

from __future__ import annotations

from typing import Final

import numpy as np

from broker.contract.dose_limits import CEREBRAL_STEP, MAX_ML_DAY, MAX_UG_DAY, MIN_ML_DAY, SPINAL_STEP
from simulator.fleet import enrollment
from simulator.fleet.enrollment import GROUPS
from simulator.fleet.state import F64, U32, Fleet

SPINAL: Final = ("multiple sclerosis, adult", "spinal cord injury, adult")


def max_step(fleet: Fleet, index: U32) -> F64:
    """Return the share by which the dose of these pumps may change at once."""
    spinal = np.array([group.name in SPINAL for group in GROUPS])[fleet.group[index]]
    return np.where(spinal, SPINAL_STEP, CEREBRAL_STEP)


def course_ug_day(fleet: Fleet, index: U32, now_s: float) -> F64:
    """Return the appropriate doses of these pumps' patients at `now_s`, in s since 1970."""
    return enrollment.course_ug_day(fleet.settled_ug_day[index].astype(np.float64), fleet.settles_s[index], now_s)


def titrated(fleet: Fleet, index: U32, aim_ug_day: F64) -> F64:
    """Return the doses nearest to `aim_ug_day` that one titration step reaches and the pumps can deliver."""
    dose, strength = (getattr(fleet, name)[index].astype(np.float64) for name in ("dose_ug_day", "concentration_ug_ml"))
    step = max_step(fleet, index)
    return within(np.clip(aim_ug_day, dose * (1 - step), dose * (1 + step)), strength)


def within(dose_ug_day: F64, concentration_ug_ml: F64) -> F64:
    """Return the nearest doses that a pump can deliver at its concentration."""
    lowest = MIN_ML_DAY * concentration_ug_ml
    return np.clip(dose_ug_day, lowest, np.minimum(MAX_ML_DAY * concentration_ug_ml, MAX_UG_DAY))
