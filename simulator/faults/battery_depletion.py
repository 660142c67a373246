"""Battery depletion: a film on the battery's electrode raises its resistance, and the charge leaks away internally.

Origin: Class I recall of a battery film, 55 of 139,653 pumps (2009, 2011): low-battery resets, and replacement
    indicated too early, less than the specified 90 days before the end of service.
Signature: voltage sags under the motor's load at once, then declines; the pump indicates replacement (ERI) and soon
    after reaches its end of service (EOS), at which motor flow, measured flow and motor current stop; until then flow
    is normal.
Severity: rate of the drain; at 1 a full battery is empty after six hours, at 0.1 after sixty. Lost charge is not
    restored.
"""

from __future__ import annotations

from typing import Final

from broker.contract.datasheet import CAPACITY_MAH
from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0001
"""55 of 139,653 batteries over their life."""
PICTURE_SEVERITY: Final = 0.3

STAYS_UNTIL: Final = "replacement"

DRAIN_H: Final = 6.0
RESISTANCE_GAIN: Final = 3.0
"""Far faster than in any real battery, so that it can be watched; modeling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Drain the battery internally and raise its resistance."""
    fleet.self_discharge_ma += CAPACITY_MAH / DRAIN_H * severity
    fleet.battery_resistance *= 1 + RESISTANCE_GAIN * severity
