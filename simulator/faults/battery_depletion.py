"""Battery depletion: a film on the battery's electrode raises its resistance, and the charge drains away inside.

Origin: Class I recall of a battery film, 55 of 139,653 pumps (2009, 2011): low-battery reset, replacement asked for
    too early, fewer than the 90 days promised.
Signature: voltage sags under the motor's load at once, then falls; the pump asks for replacement (ERI) and soon after
    reaches its end of service (EOS), where motor flow, measured flow and motor current end; until then flow is normal.
Severity: the speed of the drain; at 1 a full battery is empty in six hours, at 0.1 in sixty. What is drained stays so.
"""

from __future__ import annotations

from typing import Final

from broker.contract.datasheet import CAPACITY_MAH
from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0001
"""55 of 139,653 batteries over their life."""
PICTURE_SEVERITY: Final = 0.3

STAYS_UNTIL: Final = "replacement"

EMPTY_IN_H: Final = 6.0
TIMES_RESISTANCE: Final = 3.0
"""Far faster than any real battery, so that it can be watched; modelling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Drain the charge inside the battery and raise its resistance."""
    fleet.self_discharge_ma += CAPACITY_MAH / EMPTY_IN_H * severity
    fleet.battery_resistance *= 1 + TIMES_RESISTANCE * severity
