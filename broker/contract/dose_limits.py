"""This file is what a pump takes: the bounds of commands, for whoever sends them and whoever carries them out."""

from __future__ import annotations

from typing import Final

MAX_SEVERITY: Final = 1.0
MAX_UG_DAY: Final = 2000.0
"""Highest dose seen in people over 12 (CHEO page)."""
MIN_ML_DAY: Final = 0.048
MAX_ML_DAY: Final = 24.0
"""Lowest and highest programmable flow of a peristaltic pump; no source found, modelling choices."""
MINIMUM_UL_H: Final = 0.25
"""The minimum rate of a peristaltic pump, 0.006 mL/day; no source found, modelling choice."""
SPINAL_STEP: Final = 0.30
CEREBRAL_STEP: Final = 0.15
"""Largest change of the dose at once: 10 to 30 % a day where the spasticity comes from the spine, 5 to 15 % where from
the brain and in children (Saulino 2015, poster)."""
MAX_STEPS: Final = 13
"""Steps a day that a programmable pump of this kind takes (maker's product page)."""
MAX_BOLUSES: Final = MAX_STEPS // 2
"""Periodic boluses a day: each takes two steps."""
MAX_BOLUS_UG: Final = 100.0
"""Highest screening bolus (Lioresal label)."""
BOLUS_S: Final = (60.0, 86_400.0)
PERIODIC_BOLUS_S: Final = (60.0, 86_340.0)
PERIODIC_SHARE: Final = (0.01, 0.99)
"""How short and how long a single bolus may be, and one of a day's periodic boluses, as far as they do not overlap; and
which share of the dose periodic boluses may make up. Modelling choices."""
RESERVOIR_CAPACITIES_ML: Final = (20.0, 40.0)
"""Reservoir sizes on the market (FDA's recall notice of SynchroMed II; Prometra II manual)."""
RESIDUAL_ML: Final = 1.4
"""Volume that cannot be pumped; no source found, modelling choice."""
CONCENTRATIONS_UG_ML: Final = (500.0, 1000.0, 2000.0)
"""Baclofen strengths on the market (product labels)."""
MAX_ACTUAL_UG_ML: Final = 4000.0
"""Strongest drug that may be filled in by mistake; modelling choice."""
SESSION_S: Final = 600.0
"""For so long after a programmer gave it a new program a pump reports that, so that a lost sample does not hide it
(modelling choice)."""
