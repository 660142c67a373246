"""Signals, flags and the frame they travel in.

A row of `SIGNALS` is all that a new signal needs: JSON and Arrow payloads, engine, snapshot, history and documentation
are made from this table. Simulated pumps send a signal if it also has a row in `simulator.fleet.sensors.SENSORS`; else
it is null in their samples, as is any signal that a pump does not measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl


@dataclass(frozen=True)
class Signal:
    """One measured quantity: a row of `SIGNALS`.

    `low` and `high` are the plausible range: a value outside is rejected as malformed, not judged as an anomaly.
    `decimals` is the number of decimals shown on pages. `ucum` is the unit as a UCUM code, and `mdc` the reference id
    of the IEEE 11073 term (`broker.contract.mdc`), empty if the nomenclature has none.
    """

    name: str
    unit: str
    title: str
    low: float
    high: float
    decimals: int
    ucum: str
    mdc: str = ""


SIGNALS: Final = (
    Signal("commanded_ul_h", "µL/h", "Commanded flow", 0.0, 5000.0, 2, "uL/h"),
    Signal("motor_ul_h", "µL/h", "Motor flow", -100.0, 5000.0, 2, "uL/h"),
    Signal("flow_ul_h", "µL/h", "Measured flow", -100.0, 5000.0, 2, "uL/h", "MDC_FLOW_FLUID_PUMP"),
    Signal("reservoir_ml", "mL", "Reservoir volume", -5.0, 60.0, 2, "mL", "MDC_VOL_FLUID_TBI_REMAIN"),
    Signal("computed_ml", "mL", "Computed volume", -5.0, 60.0, 2, "mL"),
    Signal("battery_v", "V", "Battery voltage", 0.0, 6.0, 2, "V"),
    Signal("motor_ma", "mA", "Motor current", -1.0, 500.0, 2, "mA"),
    Signal("pressure_mmhg", "mmHg", "Catheter pressure", -100.0, 3000.0, 1, "mm[Hg]"),
    Signal("pulse_mmhg", "mmHg", "Catheter pulsatility", -10.0, 300.0, 2, "mm[Hg]"),
    Signal("temperature_c", "°C", "Temperature", 10.0, 60.0, 1, "Cel"),
)
"""All signals, in the order of frames and pages."""

SIGNAL_NAMES: Final = tuple(signal.name for signal in SIGNALS)
SIGNAL_BY_NAME: Final = {signal.name: signal for signal in SIGNALS}


@dataclass(frozen=True)
class Flag:
    """One bit of the pump's own status: a row of `FLAGS`."""

    name: str
    bit: int
    title: str


FLAGS: Final = (
    Flag("stalled", 1, "Motor stalled"),
    Flag("reset", 2, "Electrical reset"),
    Flag("telemetry_mode", 4, "Telemetry mode"),
    Flag("low_reservoir", 8, "Computed low reservoir"),
    Flag("eri", 16, "Elective replacement due"),
    Flag("eos", 32, "End of service"),
    Flag("refill", 64, "Refill recorded"),
    Flag("mri", 128, "In a magnetic field"),
    Flag("programmed", 256, "New program recorded"),
)
FLAG_BIT: Final = {flag.name: flag.bit for flag in FLAGS}

SAMPLE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "time": pl.Int64(),
    "sent": pl.Int64(),
    "seq": pl.Int64(),
    "boot": pl.Int64(),
    "program": pl.Int64(),
    "flags": pl.Int64(),
    **{name: pl.Float32() for name in SIGNAL_NAMES},
}
"""Columns of a frame of samples: `pump` is a serial number, `time` therapy time and `sent` wall-clock time, in ms UTC.

`pump` and `time` are never null. Null in any other column means unknown, never zero. `seq` counts a pump's samples
within one `boot`.
"""


_NO_SAMPLES: Final = pl.DataFrame(schema=SAMPLE_SCHEMA)


def empty_samples() -> pl.DataFrame:
    """Return an empty frame with `SAMPLE_SCHEMA`."""
    return _NO_SAMPLES
