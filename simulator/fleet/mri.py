"""This file is what an MRI scanner does to a pump, whether it recovers at the exit, as it should, or not."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.signals import FLAG_BIT
from simulator.fleet.state import Fleet

APPROACH_S: Final = 300.0
"""For so long the patient is in the field but not yet in the bore, where nothing hears the pump; modelling choice."""


def stop_in_field(fleet: Fleet, inside: npt.NDArray[np.bool_]) -> None:
    """Stop the motors of the pumps inside, which report the field; from the bore itself no sample gets through."""
    fleet.motor_drive *= np.where(inside, np.float32(0), np.float32(1))
    fleet.reports |= np.where(inside, np.uint8(FLAG_BIT["mri"]), np.uint8(0))
    fleet.unheard += inside & (fleet.age_s > APPROACH_S)
