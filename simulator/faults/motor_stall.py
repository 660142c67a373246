"""Motor stall: the motor is driven, but the rotor turns less than commanded, or not at all.

Origin: 0.46 % of pumps per year with approved drugs (manufacturer's follow-up): shaft wear, shorts, gear corrosion;
    Class I recall of a foreign particle in the motor, 2019.
Signature: motor flow and measured flow fall and the reservoir stops declining; motor current is high until the pump
    gives up and turns the motor off; the pump reports the stall; pressure is that of the CSF and pulsatility is
    preserved.
Severity: missing fraction of the commanded rotation; above 0.95 the rotor stands still and the pump reports it.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0046
"""97.3 % of pumps have no motor stall within 6 years."""
RATE_GROWS_WITH_WEAR: Final = True


def physics(fleet: Fleet, severity: F32) -> None:
    """Let the rotor slip under its drive."""
    fleet.rotor_grip *= 1 - severity
