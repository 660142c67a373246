"""Causes that many alarms are told from, each by a witness that has nothing to do with the alarm's own."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.datasheet import RESIDUAL_ML
from processor.detectors import catheter, flow_sensor, frozen, motor, stream, volume
from processor.rules.measures import Exclusion, family, last

_CATHETER, _MOTOR, _VOLUME = family("catheter"), family("motor"), family("volume")
_STREAM, _FLOW_SENSOR = family("stream"), family("flow_sensor")

MOTOR_TURNS: Final = Exclusion(
    "Motor stalled or not driven",
    "the rotor turns as commanded",
    "% missed",
    lambda _: 100.0 * _MOTOR("short").clip(0.0),
    lambda _: _MOTOR("short") < motor.SHORT,
    100.0 * motor.SHORT,
)
CATHETER_OPEN: Final = Exclusion(
    "Catheter occluded",
    "the pulse comes through as usual",
    "% of usual",
    lambda _: 100.0 * (1.0 - catheter.lost(_CATHETER, "quick")),
    lambda _: catheter.lost(_CATHETER, "quick") < catheter.REDUCED,
    100.0 * (1.0 - catheter.GONE),
)
NOT_EMPTY: Final = Exclusion(
    "Reservoir empty",
    "enough is left in it",
    "mL",
    last("reservoir_ml"),
    lambda _: pl.col("reservoir_ml") > RESIDUAL_ML + 0.05,
    RESIDUAL_ML + 0.05,
)
SENSOR_LIVE: Final = Exclusion(
    "Flow sensor stuck",
    "its readings change",
    "% repeated",
    lambda _: 100.0 * pl.col("flow_sensor_stuck.memory.repeats"),
    lambda _: pl.col("flow_sensor_stuck.memory.repeats") < frozen.SHARE,
    100.0 * frozen.SHARE,
)
UNIT_RIGHT: Final = Exclusion(
    "Flow given in another unit",
    "a rotor can deliver what is measured",
    "times the commanded flow",
    lambda _: _flow_ratio(),
    lambda _: _flow_ratio() < flow_sensor.IMPOSSIBLE,
    flow_sensor.IMPOSSIBLE,
)
LEVEL_AGREES: Final = Exclusion(
    "Flow sensor reads wrong",
    "the reservoir lost as much more as flowed",
    "µL more than commanded",
    lambda _: volume.by_level_ul(_VOLUME),
    lambda _: (
        (volume.by_flow_ul(_VOLUME) >= volume.EVIDENCE_UL)
        & (volume.by_level_ul(_VOLUME) >= volume.by_flow_ul(_VOLUME) / 2)
    ),
)
FLOW_AGREES: Final = Exclusion(
    "Too much or too little delivered",
    "flow and program agree",
    "µL more than commanded",
    lambda _: volume.by_flow_ul(_VOLUME),
    lambda _: volume.by_flow_ul(_VOLUME).abs() < volume.EVIDENCE_UL,
    volume.EVIDENCE_UL,
)
LEVEL_CALM: Final = Exclusion(
    "Reservoir falls too fast",
    "hardly any volume leaves unseen",
    "µL",
    lambda _: volume.vanished_ul(_VOLUME),
    lambda _: volume.vanished_ul(_VOLUME) < volume.FALLS_UL,
    volume.FALLS_UL,
)
LINE_WELL: Final = Exclusion(
    "Samples are lost",
    "they arrive",
    "% lost",
    lambda _: 100.0 * _STREAM("lost"),
    lambda _: _STREAM("lost") < stream.SHARE,
    100.0 * stream.SHARE,
)


def _flow_ratio() -> pl.Expr:
    return _FLOW_SENSOR("flow") / _FLOW_SENSOR("commanded").clip(flow_sensor.MIN_UL_H)
