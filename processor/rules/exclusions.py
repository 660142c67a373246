"""Causes that several rules exclude, each by a signal independent of the alarm's own."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.datasheet import RESIDUAL_ML
from processor.detectors import catheter, flow_sensor, frozen, motor, stream, volume
from processor.rules.measures import Exclusion, family, last

_CATHETER, _MOTOR, _VOLUME = family("catheter"), family("motor"), family("volume")
_STREAM, _FLOW_SENSOR = family("stream"), family("flow_sensor")

MOTOR_TURNS: Final = Exclusion(
    "Motor stall or motor not driven",
    "the rotor turns as commanded",
    "% of turns missing",
    lambda _: 100.0 * _MOTOR("short").clip(0.0),
    lambda _: _MOTOR("short") < motor.SHORTFALL,
    100.0 * motor.SHORTFALL,
)
CATHETER_OPEN: Final = Exclusion(
    "Catheter occluded",
    "pulsatility is normal",
    "% of baseline",
    lambda _: 100.0 * (1.0 - catheter.lost(_CATHETER, "quick")),
    lambda _: catheter.lost(_CATHETER, "quick") < catheter.REDUCED,
    100.0 * (1.0 - catheter.GONE),
)
NOT_EMPTY: Final = Exclusion(
    "Empty reservoir",
    "usable volume remains",
    "mL",
    last("reservoir_ml"),
    lambda _: pl.col("reservoir_ml") > RESIDUAL_ML + 0.05,
    RESIDUAL_ML + 0.05,
)
SENSOR_LIVE: Final = Exclusion(
    "Flow sensor frozen",
    "its readings vary",
    "% repeated",
    lambda _: 100.0 * pl.col("flow_sensor_stuck.memory.repeats"),
    lambda _: pl.col("flow_sensor_stuck.memory.repeats") < frozen.SHARE,
    100.0 * frozen.SHARE,
)
UNIT_PLAUSIBLE: Final = Exclusion(
    "Flow sensor unit error",
    "the rotor can deliver the measured flow",
    "× commanded flow",
    lambda _: _flow_ratio(),
    lambda _: _flow_ratio() < flow_sensor.IMPOSSIBLE,
    flow_sensor.IMPOSSIBLE,
)
LEVEL_AGREES: Final = Exclusion(
    "Flow sensor inaccurate",
    "the reservoir lost a matching volume",
    "µL above commanded",
    lambda _: volume.by_level_ul(_VOLUME),
    lambda _: (
        (volume.by_flow_ul(_VOLUME) >= volume.EVIDENCE_UL)
        & (volume.by_level_ul(_VOLUME) >= volume.by_flow_ul(_VOLUME) / 2)
    ),
)
FLOW_AGREES: Final = Exclusion(
    "Over-infusion or under-delivery",
    "measured flow matches the program",
    "µL above commanded",
    lambda _: volume.by_flow_ul(_VOLUME),
    lambda _: volume.by_flow_ul(_VOLUME).abs() < volume.EVIDENCE_UL,
    volume.EVIDENCE_UL,
)
NO_RAPID_LOSS: Final = Exclusion(
    "Rapid reservoir loss",
    "unexplained loss is within limits",
    "µL",
    lambda _: volume.vanished_ul(_VOLUME),
    lambda _: volume.vanished_ul(_VOLUME) < volume.FALLS_UL,
    volume.FALLS_UL,
)
SAMPLES_ARRIVE: Final = Exclusion(
    "Samples lost",
    "samples are arriving",
    "% lost",
    lambda _: 100.0 * _STREAM("lost"),
    lambda _: _STREAM("lost") < stream.SHARE,
    100.0 * stream.SHARE,
)


def _flow_ratio() -> pl.Expr:
    return _FLOW_SENSOR("flow") / _FLOW_SENSOR("commanded").clip(flow_sensor.MIN_UL_H)
