"""Dose limits: the programs, boluses and refills that a pump accepts, for senders of commands and for gateways."""

from __future__ import annotations

from typing import Final

MAX_SEVERITY: Final = 1.0
MAX_UG_DAY: Final = 2000.0
"""Highest dose seen in people over 12 (CHEO page)."""
MIN_ML_DAY: Final = 0.048
MAX_ML_DAY: Final = 24.0
"""Lowest and highest programmable flow of a peristaltic pump; no source found, modelling choices."""
MINIMUM_UL_H: Final = 0.25
"""Minimum rate of a peristaltic pump, 0.006 mL/day, to keep the catheter open; no source found, modelling choice."""
SPINAL_STEP: Final = 0.30
CEREBRAL_STEP: Final = 0.15
"""Largest single change of dose: 10 to 30 % a day for spasticity of spinal origin, 5 to 15 % for cerebral origin and
for children (Saulino 2015, poster)."""
MAX_STEPS: Final = 13
"""Steps in a day schedule of a programmable pump (maker's product page)."""
MAX_BOLUSES: Final = MAX_STEPS // 2
"""Periodic boluses a day: each needs two steps."""
MAX_BOLUS_UG: Final = 100.0
"""Highest screening bolus (Lioresal label)."""
BOLUS_S: Final = (60.0, 86_400.0)
PERIODIC_BOLUS_S: Final = (60.0, 86_340.0)
PERIODIC_SHARE: Final = (0.01, 0.99)
"""Shortest and longest duration of a single bolus and of a periodic bolus (periodic boluses must not overlap), and the
share of the daily dose that periodic boluses may deliver. Modelling choices."""
CONCENTRATIONS_UG_ML: Final = (500.0, 1000.0, 2000.0)
"""Baclofen strengths on the market (product labels)."""
MAX_ACTUAL_UG_ML: Final = 4000.0
"""Highest concentration that may be filled by mistake; modelling choice."""
SESSION_S: Final = 600.0
"""How long a pump reports that it was programmed, so that a lost sample does not hide it; modelling choice."""
