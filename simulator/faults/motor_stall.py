"""Motor stall: the motor is driven, but the rotor turns less than it is told, or not at all.

Origin: 0.46 % of pumps a year with approved drugs (maker's follow-up): shaft wear, shorts, gear corrosion; Class I
    recall of a foreign particle in the motor, 2019.
Signature: motor flow and measured flow fall and the reservoir stops falling; motor current is high and, once the pump
    gives up, off; the pump reports the stall; pressure is that of the CSF and pulsatility is kept.
Severity: the share of the commanded turn that is not made; above 0.95 the rotor stands and the pump reports it.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0046
"""97.3 % of pumps are free of motor stall after 6 years."""
RATE_GROWS_WITH_WEAR: Final = True


def physics(fleet: Fleet, severity: F32) -> None:
    """Let the rotor slip under its drive."""
    fleet.rotor_grip *= 1 - severity
