"""Status of the pumps: battery voltage, request for replacement (ERI), end of service (EOS), and reported flags."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.datasheet import BATTERY_OHM, ERI_MAH, LOW_RESERVOIR_ML, idle_v
from broker.contract.signals import FLAG_BIT
from simulator.fleet.state import F32, U16, Fleet

ERI_DROP_V: Final = 0.35
"""Voltage drop at which the pump asks for replacement; modelling choice."""


def battery_v(fleet: Fleet) -> F32:
    """Return the voltage of each battery under the motor's load."""
    left = (fleet.charge_mah / fleet.capacity_mah).astype(np.float32)
    return np.asarray(
        idle_v(left) - fleet.cell_drop_v - fleet.motor_ma * fleet.battery_resistance * (BATTERY_OHM / 1000)
    )


def asks_for_replacement(fleet: Fleet) -> npt.NDArray[np.bool_]:
    """Tell which pumps ask for replacement (ERI): the charge is nearly used up, or the voltage dropped."""
    return np.asarray((fleet.charge_mah <= ERI_MAH) | (fleet.cell_drop_v > ERI_DROP_V))


def in_service(fleet: Fleet) -> npt.NDArray[np.bool_]:
    """Tell which pumps have not reached their end of service (EOS), neither by charge nor by date (`now_s`)."""
    return np.asarray((fleet.charge_mah > 0) & (fleet.stops_s > fleet.now_s))


def flags(fleet: Fleet) -> U16:
    """Return the status flags of each pump, as bits of `broker.contract.signals.FLAGS`.

    Low reservoir is computed from the programmed volume, as real pumps do, so it misses a pump that delivers more.
    """
    return (
        fleet.reports
        | (fleet.stalled_s > 0) * np.uint8(FLAG_BIT["stalled"])
        | fleet.safe * np.uint8(FLAG_BIT["reset"])
        | (fleet.programmed_ml <= LOW_RESERVOIR_ML) * np.uint8(FLAG_BIT["low_reservoir"])
        | asks_for_replacement(fleet) * np.uint8(FLAG_BIT["eri"])
        | ~in_service(fleet) * np.uint8(FLAG_BIT["eos"])
        | (fleet.session_s > 0) * np.uint16(FLAG_BIT["programmed"])
    )
