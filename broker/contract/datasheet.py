"""Datasheet of the pump: reservoir, motor, battery and service life, as the manufacturer would print them.

The simulated pumps are built to it, and the processor knows it, as anyone who monitors a real pump knows its
datasheet. What differs between pumps or is not printed (a rotor's volume per turn, noise, wear so far) is not here.
"""

from __future__ import annotations

from typing import Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

Floats = TypeVar("Floats", bound=npt.NDArray[np.floating])

RESERVOIR_CAPACITIES_ML: Final = (20.0, 40.0)
"""Reservoir sizes on the market (FDA's recall notice of SynchroMed II; Prometra II manual)."""
RESIDUAL_ML: Final = 1.4
"""Volume that cannot be pumped; no source found, modelling choice."""
LOW_RESERVOIR_ML: Final = 2.0
"""Recommended level of the low-reservoir alarm (residual volume study, Neurosurgery, August 2004)."""

FULL_SPEED_UL_H: Final = 1000.0
"""Flow at which the motor would turn without pause; modelling choice."""
ELECTRONICS_MA: Final = 0.008
"""Standing current of the electronics; modelling choice."""
RUNNING_MA: Final = 2.9
"""Current of a new motor while it turns; modelling choice. With the mean wear, the currents here give 7 years at
0.25 mL/day."""
WORN_MA: Final = 0.2
"""Current that a motor at the end of its life draws beyond that of a new one; modelling choice."""
LIFE_ML: Final = 640.0
"""Volume that a motor pumps in 7 years at 0.25 mL/day: wear is the share of it, and may exceed 1."""
TURNING_MA: Final = RUNNING_MA + WORN_MA / 2
"""Mean current of a turning motor over its life."""

FLOW_RESOLUTION_UL_H: Final = 0.2
"""Smallest flow that the flow sensor tells from none: four standard deviations of its noise; modelling choice."""
FLOW_ACCURACY: Final = 0.145
"""Share by which the flow may differ from the programmed one; more is over-infusion (SynchroMed II labelling)."""

CAPACITY_MAH: Final = 2400.0
"""Charge of a new battery: 7 years (maker's replacement page) at 0.25 mL/day; modelling choice."""
BATTERY_OHM: Final = 30.0
"""Internal resistance of a healthy battery; modelling choice."""
EMPTY_V: Final = 3.25
SLOPE_V: Final = 0.35
KNEE_V: Final = 0.65
KNEE_SHARE: Final = 0.06
"""Discharge curve without load (`idle_v`); modelling choices."""
ERI_MAH: Final = 84.0
"""Charge left at the elective replacement indicator (ERI), 90 days at 0.25 mL/day; modelling choice."""
EOS_AFTER_ERI_D: Final = 90.0
"""Days from ERI to the end of service (EOS), unless the charge is used up before (maker's replacement page)."""
SERVICE_LIFE_D: Final = 7 * 365.25
"""Days from implantation to the end of service, whatever charge is left (maker's replacement page)."""


def idle_v(left: Floats) -> Floats:
    """Return the voltage without load by the share of the charge that is left: nearly flat, then a steep end."""
    return cast(Floats, EMPTY_V + SLOPE_V * left - KNEE_V * np.exp(left / -KNEE_SHARE))
