"""Effect of an MRI scanner on pumps: inside it the motor stops, whether or not it recovers afterwards."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.signals import FLAG_BIT
from simulator.fleet.state import Fleet

APPROACH_S: Final = 300.0
"""Time in the magnetic field before the patient is in the bore, where the pump is out of range; modelling choice."""


def stop_in_field(fleet: Fleet, inside: npt.NDArray[np.bool_]) -> None:
    """Stop the motors of the pumps inside, which report the field; no sample gets out of the bore itself."""
    fleet.motor_drive *= np.where(inside, np.float32(0), np.float32(1))
    fleet.reports |= np.where(inside, np.uint8(FLAG_BIT["mri"]), np.uint8(0))
    fleet.unheard += inside & (fleet.age_s > APPROACH_S)
