"""True state of the simulated fleet: a struct of arrays, one element per pump."""

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
"""Conditions that faults and events change, with their values in a healthy pump, which are restored before each tick.

Catheter: factor on its resistance; conductance of a leak at the connector; share of the tip's contact with the spinal
fluid (CSF); pressure at the tip beyond that of the CSF; pressure due to posture. Memory: factor on the programmed rate.
Rotor: share of the driven turn that it makes; share of the commanded turn to which it is driven; factor on the volume
of a turn; whether the pump fell back to its minimum rate (1) or not (0); bolus on top of the program. Electrical:
current of a short; self-discharge of the battery; factor on the resistance of the battery; voltage lost by a cell.
Reservoir: loss that bypasses the rotor; share of a refill that arrives in it; factor on the concentration of a refill.
Fever. Drift of the clock per day. Whether the pump is out of range (above 0). Flags that the pump reports in addition
to those that follow from its state.
"""


@dataclass
class Fleet:
    """True state of every pump; a `Sample` holds what is measured of it.

    - Pump: `capacity_mah` is the charge of its new battery and `current_gain` a factor on the currents of its motor and
      electronics, both as in the datasheet if not changed. `stroke_gain` is a factor on the volume of a turn.
      `turned_ml` is the volume that the motor has pumped since it was new, `revision` an index into
      `simulator.fleet.wear.REVISIONS`, `lot` into `simulator.fleet.lots.LOTS`. `boots` counts resets.
    - Program: `rate_ul_h` is its mean rate. `session_s` is how long the pump will still report that it was programmed
      (negative: programmed since its latest sample), `corrupt` whether its memory holds another rate than programmed.
    - Drug: `concentration_ug_ml` was entered at the last refill, `reservoir_ug_ml` is in the reservoir and `tip_ug_ml`
      leaves the tip of the catheter; `front_ul` must still flow before the reservoir's concentration arrives there.
      `drug_ug` is the drug in the patient. `settled_ug_day` is the patient's final dose, reached at `settles_s`.
    - Time: `stops_s` is the end of service by date; it, `settles_s` and `now_s`, the beginning of the interval, are
      therapy time in s since 1970. `clock_s` is how far the pump's own clock is ahead. `age_s` is for faults: how long
      each pump has had the fault that is applied.

    Volumes, charge, turns and times are float64, because a tick changes them by less than float32 resolves over months;
    the others are float32. `fleet[where]` is a fleet: of views for a slice, of copies for an array of indices.
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
    capacity_mah: F64
    current_gain: F32
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
        """Reset every condition of these pumps to that of a healthy pump."""
        for name, nominal in CONDITIONS.items():
            getattr(self, name)[where] = nominal

    def bend(self, where: U32, bent: Fleet) -> None:
        """Take the conditions of these pumps from `bent`, but no other state."""
        for name in CONDITIONS:
            getattr(self, name)[where] = getattr(bent, name)

    @property
    def state_bytes(self) -> int:
        """Memory of all arrays in bytes."""
        return sum(getattr(self, name).nbytes for name in ARRAYS)


ARRAYS: Final = tuple(each.name for each in fields(Fleet) if each.name not in {"profiles", "now_s", "age_s"})


def dice(fleet: Fleet, block_s: float, salt: int) -> F32:
    """Return a random number in [0, 1) per pump, a new one every `block_s` seconds of therapy time.

    It depends only on the pump's index, the block and `salt`, so an intermittent fault stays a pure function. The
    mixing is that of splitmix64 (Steele, Lea and Flood 2014, OOPSLA).
    """
    block = int(fleet.now_s // block_s) if block_s else 0
    seed = (block * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) % 2**64
    mixed = fleet.index.astype(np.uint64) * np.uint64(0xA24BAED4963EE407) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24), np.float32)
