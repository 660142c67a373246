"""Sensors of the simulated pumps: turn true states into readings, with noise, resolution and range.

`SENSORS` says how a signal is measured; one without a row is not simulated, and null in every sample. The signal itself
stands in `broker.contract.signals.SIGNALS`, which may not know how the simulator comes by a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from broker.contract.signals import FLAG_BIT
from simulator.fleet import physics, status
from simulator.fleet.state import F32, U16, U32, Fleet


@dataclass(frozen=True)
class Sensor:
    """Sensor of one signal: a row of `SENSORS`.

    `truth` returns the true values, `noise` is a standard deviation and `relative` a share of the value on top of it.
    A reading is rounded to `resolution` and kept within `low` and `high`. In a magnetic field the noise is `in_field`
    times as large.
    """

    signal: str
    truth: Callable[[Fleet], F32]
    noise: float
    relative: float
    resolution: float
    low: float
    high: float
    in_field: float = 1.0


IN_FIELD: Final = 25.0
"""Factor on the noise of pressure and pulsatility in a magnetic field; modelling choice."""
SENSORS: Final = (
    Sensor("commanded_ul_h", lambda fleet: fleet.commanded_ul_h, 0.0, 0.0, 0.01, 0.0, 1000.0),
    Sensor("motor_ul_h", lambda fleet: fleet.motor_ul_h, 0.0, 0.0, 0.01, 0.0, 1000.0),
    Sensor("flow_ul_h", lambda fleet: fleet.catheter_ul_h + fleet.leak_ul_h, 0.05, 0.02, 0.01, -20.0, 2000.0),
    Sensor("reservoir_ml", lambda fleet: fleet.reservoir_ml.astype(np.float32), 0.02, 0.0, 0.01, 0.0, 45.0),
    Sensor("computed_ml", lambda fleet: fleet.programmed_ml.astype(np.float32), 0.0, 0.0, 0.01, 0.0, 45.0),
    Sensor("battery_v", status.battery_v, 0.003, 0.0, 0.01, 0.0, 4.0),
    Sensor("motor_ma", lambda fleet: fleet.motor_ma, 0.03, 0.0, 0.01, 0.0, 50.0),
    Sensor("pressure_mmhg", lambda fleet: fleet.pressure_mmhg, 0.2, 0.0, 0.1, -50.0, 1000.0, IN_FIELD),
    Sensor("pulse_mmhg", physics.pulse_mmhg, 0.08, 0.0, 0.01, 0.0, 100.0, IN_FIELD),
    Sensor("temperature_c", lambda fleet: fleet.temperature_c, 0.05, 0.0, 0.1, 10.0, 50.0),
)
"""All sensors. A new row goes to the end: the others' random numbers, and so their readings, then stay the same.

Every number is a modelling choice: implanted pumps do not stream, and most carry no such sensors. The pump knows the
commanded flow, counts the motor flow from the rotor's turns, and computes the volume from the program since the last
refill, so these have no noise. The flow sensor sits at the outlet, before the connector.
"""
LANE: Final = {sensor.signal: lane for lane, sensor in enumerate((each for each in SENSORS if each.noise), start=1)}
"""Lane of random numbers of each noisy sensor; lane 0 moves the patients' CSF pressure."""
LANES: Final = 1 + len(LANE)
BANK: Final = 8
"""Lanes drawn from one random stream. Lanes beyond it are drawn from streams of their own and change none of these."""
BANKS: Final = -(-LANES // BANK)
WORDS: Final = BANK // 4
"""Random words of 64 bits per pump and bank: 16 bits a lane."""
LEVELS: Final = 2**16


def _quantiles(below: float) -> F32:
    """Return the standard normal's quantiles in the middle of `LEVELS` equal parts of the probability up to `below`."""
    return np.array([NormalDist().inv_cdf((part + 0.5) / LEVELS * below) for part in range(LEVELS)], np.float32)


NORMAL: Final = _quantiles(1.0)
TAIL: Final = _quantiles(1 / LEVELS)
"""The outermost part of `NORMAL`, split again: noise reaches 6.3 standard deviations."""


class Sample:
    """Readings of some pumps at one time: `readings` by signal, `flags`, and the `last` sample before this one.

    Every simulated signal is an attribute too, for faults: `sample.flow_ul_h *= 24`. `age_s` is for faults as well: how
    long each of these pumps has had the fault that is applied. `sample[where]` is a sample: of views for a slice, of
    copies for an array of indices.
    """

    readings: dict[str, F32]
    flags: U16
    last: Sample | None
    age_s: F32 | float

    def __init__(self, readings: dict[str, F32], flags: U16, last: Sample | None) -> None:
        self.__dict__.update(readings=readings, flags=flags, last=last, age_s=0.0)

    def __getattr__(self, name: str) -> F32:
        readings: dict[str, F32] = self.__dict__.get("readings", {})
        if name not in readings:
            raise AttributeError(f"a sample has no signal {name!r}; simulated signals are {', '.join(readings)}")
        return readings[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            getattr(self, name)
            self.readings[name] = value

    def __getitem__(self, where: slice | U32) -> Sample:
        return Sample(
            {name: values[where] for name, values in self.readings.items()},
            self.flags[where],
            None if self.last is None else self.last[where],
        )

    def put(self, where: U32, readings: Sample) -> None:
        """Take the readings and flags of these pumps from another sample."""
        self.flags[where] = readings.flags
        for name, values in self.readings.items():
            values[where] = readings.readings[name]


def unread(count: int) -> Sample:
    """Return a sample of `count` pumps to be filled by `measure`."""
    return Sample(
        {sensor.signal: np.empty(count, np.float32) for sensor in SENSORS}, np.empty(count, np.uint16), last=None
    )


class Noise:
    """Random numbers of one tick, which depend only on the seed, the tick and the pump's position."""

    def __init__(self, seed: int, tick: int) -> None:
        self._streams = [np.random.Generator(np.random.SFC64((seed, tick, bank))) for bank in range(BANKS)]

    def normal(self, count: int) -> F32:
        """Return standard normal numbers for the next `count` pumps, of shape (`LANES`, count)."""
        banks = [_bank(stream, count) for stream in self._streams]
        return banks[0][:LANES] if BANKS == 1 else np.concatenate(banks)[:LANES]


def _bank(stream: np.random.Generator, count: int) -> F32:
    """Return standard normal numbers of shape (`BANK`, count).

    Sixteen random bits choose a quantile, which takes a sixth of the time of drawing each number by itself.
    """
    words = stream.integers(0, 2**64 - 1, size=count * WORDS, dtype=np.uint64, endpoint=True)
    parts = words.view(np.uint16).reshape(count, BANK)
    numbers = np.asarray(NORMAL.take(parts.T))
    pump, lane = np.divmod(np.flatnonzero(parts + np.uint16(1) < 2), BANK)
    # The bits of the next lane say how far out; the tie between the two lanes is too rare to matter.
    far = TAIL[parts[pump, (lane + 1) % BANK]]
    numbers[lane, pump] = np.where(parts[pump, lane] == 0, far, -far)
    return numbers


def measure(fleet: Fleet, sample: Sample, noise: F32) -> None:
    """Fill `sample` with readings of the true state. `noise` has a row for each lane and is overwritten."""
    in_field = (fleet.reports & np.uint8(FLAG_BIT["mri"])) > 0
    disturbed = in_field.any()
    for sensor in SENSORS:
        reading = sample.readings[sensor.signal]
        reading[:] = sensor.truth(fleet)
        if sensor.noise:
            error = noise[LANE[sensor.signal]]
            error *= sensor.noise + sensor.relative * np.abs(reading) if sensor.relative else sensor.noise
            if disturbed and sensor.in_field != 1:
                error[in_field] *= sensor.in_field
            reading += error
        reading *= 1 / sensor.resolution
        np.rint(reading, out=reading)
        reading *= sensor.resolution
        np.clip(reading, sensor.low, sensor.high, out=reading)
        reading += 0.0  # -0.0 is a surprise to whoever reads the wire
    sample.flags[:] = status.flags(fleet)
