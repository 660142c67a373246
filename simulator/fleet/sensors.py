"""This file turns the true state into what the sensors say: noise, resolution, range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Final

import numpy as np

from broker.contract.signals import FLAG_BIT, SIGNAL_NAMES
from simulator.fleet import physics
from simulator.fleet.state import F32, U16, U32, Fleet


@dataclass(frozen=True)
class Sensor:
    """One sensor: a row of `SENSORS`; `noise` is a standard deviation, `relative` a share of the value on top."""

    signal: str
    truth: Callable[[Fleet], F32]
    noise: float
    relative: float
    resolution: float
    low: float
    high: float


SENSORS: Final = (
    Sensor("commanded_ul_h", lambda fleet: fleet.commanded_ul_h, 0.0, 0.0, 0.01, 0.0, 1000.0),
    Sensor("motor_ul_h", lambda fleet: fleet.motor_ul_h, 0.0, 0.0, 0.01, 0.0, 1000.0),
    Sensor("flow_ul_h", lambda fleet: fleet.catheter_ul_h + fleet.leak_ul_h, 0.05, 0.02, 0.01, -20.0, 2000.0),
    Sensor("reservoir_ml", lambda fleet: fleet.reservoir_ml.astype(np.float32), 0.02, 0.0, 0.01, 0.0, 45.0),
    Sensor("computed_ml", lambda fleet: fleet.programmed_ml.astype(np.float32), 0.0, 0.0, 0.01, 0.0, 45.0),
    Sensor("battery_v", physics.battery_v, 0.003, 0.0, 0.01, 0.0, 4.0),
    Sensor("motor_ma", lambda fleet: fleet.motor_ma, 0.03, 0.0, 0.01, 0.0, 50.0),
    Sensor("pressure_mmhg", lambda fleet: fleet.pressure_mmhg, 0.2, 0.0, 0.1, -50.0, 1000.0),
    Sensor("pulse_mmhg", physics.pulse_mmhg, 0.08, 0.0, 0.01, 0.0, 100.0),
    Sensor("temperature_c", lambda fleet: fleet.temperature_c, 0.05, 0.0, 0.1, 10.0, 50.0),
)
"""Every number here is a modelling choice: implanted pumps do not stream, and most carry no such sensors.

Commanded flow is known to the pump, motor flow counted from the rotor's turns and the computed volume from the program
since the last refill, so none of them has noise. The flow
sensor sits at the outlet, before the connector. A reading is rounded to the resolution and kept within the range.
"""
IN_FIELD: Final = 25.0
"""How many times noisier pressure and pulsatility are in a magnetic field; modelling choice."""
LANE: Final = {sensor.signal: lane for lane, sensor in enumerate((each for each in SENSORS if each.noise), start=1)}
"""Each noisy sensor's own lane of random numbers; lane 0 is the patients' CSF."""
LANES: Final = 1 + len(LANE)
WORDS: Final = LANES // 4
"""Random words of 64 bits that a pump needs in a tick, four lanes each."""
LEVELS: Final = 2**16


def _quantiles(below: float) -> F32:
    """Return the standard normal's quantiles in the middle of `LEVELS` equal parts of the probability up to `below`."""
    return np.array([NormalDist().inv_cdf((part + 0.5) / LEVELS * below) for part in range(LEVELS)], np.float32)


NORMAL: Final = _quantiles(1.0)
TAIL: Final = _quantiles(1 / LEVELS)
"""The outermost part of `NORMAL` in as many parts again: noise reaches as far as 6.3 standard deviations."""


@dataclass
class Sample:
    """What the sensors of some pumps say at one time; `last` is what they said the time before.

    `age_s` is for faults: how long each of these pumps has had the fault that is asked. `sample[where]` is a sample
    too: of views for a slice, of copies for an array of indices.
    """

    commanded_ul_h: F32
    motor_ul_h: F32
    flow_ul_h: F32
    reservoir_ml: F32
    computed_ml: F32
    battery_v: F32
    motor_ma: F32
    pressure_mmhg: F32
    pulse_mmhg: F32
    temperature_c: F32
    flags: U16
    last: Sample | None
    age_s: F32 | float = 0.0

    def __getitem__(self, where: slice | U32) -> Sample:
        return Sample(
            **{name: getattr(self, name)[where] for name in READINGS},
            last=None if self.last is None else self.last[where],
        )

    def put(self, where: U32, said: Sample) -> None:
        """Take the readings of these pumps from `said`."""
        for name in READINGS:
            getattr(self, name)[where] = getattr(said, name)


READINGS: Final = tuple(each.name for each in fields(Sample) if each.name not in {"last", "age_s"})


def unread(count: int) -> Sample:
    """Return a sample of `count` pumps to be filled by `measure`."""
    readings = {name: np.empty(count, np.float32) for name in SIGNAL_NAMES}
    return Sample(**readings, flags=np.empty(count, np.uint16), last=None)


class Noise:
    """The random numbers of one tick, which depend on nothing but the seed, the tick and the pump's place."""

    def __init__(self, seed: int, tick: int) -> None:
        self._stream = np.random.Generator(np.random.SFC64((seed, tick, 0)))

    def normal(self, count: int) -> F32:
        """Return standard normal numbers for the next `count` pumps, of shape (`LANES`, count).

        Sixteen random bits choose a quantile, which takes a sixth of the time of drawing each number by itself.
        """
        words = self._stream.integers(0, 2**64 - 1, size=count * WORDS, dtype=np.uint64, endpoint=True)
        parts = words.view(np.uint16).reshape(count, LANES)
        numbers = np.asarray(NORMAL.take(parts.T))
        pump, lane = np.divmod(np.flatnonzero(parts + np.uint16(1) < 2), LANES)
        # The neighbouring lane's bits say how far out; so rare a tie between two lanes does not show.
        far = TAIL[parts[pump, (lane + 1) % LANES]]
        numbers[lane, pump] = np.where(parts[pump, lane] == 0, far, -far)
        return numbers


def measure(fleet: Fleet, sample: Sample, noise: F32) -> None:
    """Fill `sample` with what the sensors say of the true state. `noise` has a row for each lane and is used up."""
    in_field = (fleet.reports & np.uint8(FLAG_BIT["mri"])) > 0
    disturbed = in_field.any()
    for sensor in SENSORS:
        reading = getattr(sample, sensor.signal)
        reading[:] = sensor.truth(fleet)
        if sensor.noise:
            error = noise[LANE[sensor.signal]]
            error *= sensor.noise + sensor.relative * np.abs(reading) if sensor.relative else sensor.noise
            if disturbed and sensor.signal in {"pressure_mmhg", "pulse_mmhg"}:
                error[in_field] *= IN_FIELD
            reading += error
        reading *= 1 / sensor.resolution
        np.rint(reading, out=reading)
        reading *= sensor.resolution
        np.clip(reading, sensor.low, sensor.high, out=reading)
        reading += 0.0  # -0.0 is a surprise to whoever reads the wire
    sample.flags[:] = physics.flags(fleet)
