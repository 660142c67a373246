"""This file holds the simulated fleet as a struct of arrays, one element a pump."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.fleet.program import Profiles

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]

CONDITIONS: Final = {
    "catheter_resistance": 1.0,
    "leak_ul_h_mmhg": 0.0,
    "tip_coupling": 1.0,
    "tip_shift_mmhg": 0.0,
    "posture_mmhg": 0.0,
    "dose_error": 1.0,
    "rotor_grip": 1.0,
    "motor_drive": 1.0,
    "stroke": 1.0,
    "safe_mode": 0.0,
    "bolus_ul_h": 0.0,
    "short_ma": 0.0,
    "self_discharge_ma": 0.0,
    "battery_resistance": 1.0,
    "cell_drop_v": 0.0,
    "reservoir_drain_ul_h": 0.0,
    "refill_share": 1.0,
    "refill_strength": 1.0,
    "fever_c": 0.0,
    "clock_drift_s_day": 0.0,
    "unheard": 0.0,
    "reports": 0,
}
"""What faults and events may bend, and what it is in a healthy pump, to which it returns before they act at a tick.

Catheter: its resistance, times its own; conductance of a leak at the connector; share of the tip's contact with the
spinal fluid (CSF); pressure at the tip beyond that of the CSF; pressure of the posture. Memory: how many times the
rate that was programmed it holds. Rotor: share of the turn it is driven to that it makes; share of the commanded turn
that it is driven to; volume of a turn, times its own; whether the pump fell back to its minimum rate (1) or not (0);
bolus on top of the program. Electricity: current of a short; drain inside the battery; resistance of the battery,
times its own; voltage lost by a cell. Reservoir: what it loses beside the rotor; share of a refill that arrives in it;
concentration of a refill, times the one meant. Fever. What the clock gains in a day. Whether nothing hears the pump
(above 0). Flags that the pump reports beside those that follow from its state.
"""


@dataclass
class Fleet:
    """The true state of every pump; what is measured of it is a `Sample`.

    `concentration_ug_ml` is what was entered at the last refill, `reservoir_ug_ml` what is in the reservoir and
    `tip_ug_ml` what leaves the catheter's tip; `front_ul` must still flow until the former arrives there. `drug_ug` is
    what the patient has on board. `rate_ul_h` is the program's mean rate, `boots` counts resets, `turned_ml` is what
    the motor has turned through since it was new, `revision` its place in `simulator.fleet.wear.REVISIONS`, `lot` in
    `simulator.fleet.lots.LOTS`. `settled_ug_day` is the dose that suits the patient for good, from `settles_s` on. `stops_s`
    is when the service ends by the calendar. Both are in therapy time, in s since 1970, and `now_s` is that time as
    the interval begins; `clock_s` is how far the pump's own clock is ahead of it. `session_s` is for how long the pump
    will still report that it was programmed, below 0 if it was since its latest sample, `corrupt` whether its memory
    holds another rate than was programmed. `age_s` is for faults: how long each pump has had the fault asked.

    Volumes, charge, turns and times are float64 because a tick changes them by less than float32 can tell over months;
    all else is float32. `fleet[where]` is a fleet too: of views for a slice, of copies for an array of indices.
    """

    profiles: Profiles
    index: U32
    group: U8
    reservoir_capacity_ml: F32
    concentration_ug_ml: F32
    dose_ug_day: F32
    settled_ug_day: F32
    settles_s: F64
    profile: U16
    rate_ul_h: F32
    mode: U8
    program: U16
    catheter_ul_h_mmhg: F32
    dead_space_ul: F32
    washout_per_h: F32
    stroke_gain: F32
    csf_mean_mmhg: F32
    csf_pulse_mmhg: F32
    body_c: F32
    revision: U8
    lot: U8

    csf_mmhg: F32
    pressure_mmhg: F32
    reservoir_ml: F64
    programmed_ml: F64
    charge_mah: F64
    turned_ml: F64
    stops_s: F64
    clock_s: F64
    stalled_s: F32
    safe: U8
    corrupt: U8
    session_s: F32
    boots: U16
    reservoir_ug_ml: F32
    tip_ug_ml: F32
    front_ul: F32
    drug_ug: F32

    commanded_ul_h: F32
    motor_ul_h: F32
    catheter_ul_h: F32
    leak_ul_h: F32
    motor_ma: F32
    temperature_c: F32

    catheter_resistance: F32
    leak_ul_h_mmhg: F32
    tip_coupling: F32
    tip_shift_mmhg: F32
    posture_mmhg: F32
    dose_error: F32
    rotor_grip: F32
    motor_drive: F32
    stroke: F32
    safe_mode: F32
    bolus_ul_h: F32
    short_ma: F32
    self_discharge_ma: F32
    battery_resistance: F32
    cell_drop_v: F32
    reservoir_drain_ul_h: F32
    refill_share: F32
    refill_strength: F32
    fever_c: F32
    clock_drift_s_day: F32
    unheard: F32
    reports: U8

    now_s: float = 0.0
    age_s: F32 | float = 0.0

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, where: slice | U32) -> Fleet:
        return Fleet(self.profiles, **{name: getattr(self, name)[where] for name in ARRAYS}, now_s=self.now_s)

    def restore(self, where: U32) -> None:
        """Make every condition of these pumps nominal."""
        for name, nominal in CONDITIONS.items():
            getattr(self, name)[where] = nominal

    def bend(self, where: U32, bent: Fleet) -> None:
        """Take the conditions of these pumps from `bent`, and nothing else."""
        for name in CONDITIONS:
            getattr(self, name)[where] = getattr(bent, name)

    @property
    def state_bytes(self) -> int:
        """Memory of all arrays, in bytes."""
        return sum(getattr(self, name).nbytes for name in ARRAYS)


ARRAYS: Final = tuple(each.name for each in fields(Fleet) if each.name not in {"profiles", "now_s", "age_s"})


def dice(fleet: Fleet, block_s: float, salt: int) -> F32:
    """Return a number in [0, 1) for each pump that changes with every `block_s` seconds of therapy time.

    It depends on the pump's index, the block and `salt` alone, so that a fault that comes and goes stays a pure
    function. The mixing is that of splitmix64 (Steele, Lea and Flood 2014, OOPSLA).
    """
    block = int(fleet.now_s // block_s) if block_s else 0
    seed = (block * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) % 2**64
    mixed = fleet.index.astype(np.uint64) * np.uint64(0xA24BAED4963EE407) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24), np.float32)
