"""A run of samples raises and ends the same alarms, at the same times, as its samples in waves."""

from __future__ import annotations

import numpy as np
import polars as pl

from broker.contract.codec import encode_arrow
from broker.contract.signals import SAMPLE_SCHEMA
from broker.mqtt.link import Message
from processor.engine import runs
from processor.intake.backlog import Backlog
from processor.pipeline import Pipeline
from tests.processor.notation import START_MS

SPACING_MS = 600_000


def stormy(samples: int, seed: int) -> pl.DataFrame:
    """Return the samples, ten minutes apart, of a pump that stops, empties and loses its pulse for hours."""
    dice = np.random.default_rng(seed)
    at = np.arange(samples)
    spell = (at // 20) % 6
    values = {
        "pump": pl.lit("OLD"),
        "time": pl.Series(START_MS + SPACING_MS * at),
        "seq": pl.Series(at + 1),
        "boot": pl.lit(1),
        "flags": pl.Series(np.where(spell == 1, dice.integers(0, 512, samples), 0)),
        "commanded_ul_h": pl.lit(8.0),
        "motor_ul_h": pl.Series(np.where(spell == 2, 0.0, 8.0)),
        "flow_ul_h": pl.Series(np.where(np.isin(spell, [2, 4]), 0.0, 8.0 + 0.05 * dice.normal(size=samples))),
        "reservoir_ml": pl.Series(np.where(spell == 3, 0.5, 15.0 - at / 6000)),
        "battery_v": pl.Series(np.where(spell == 3, 2.3, 3.0)),
        "pressure_mmhg": pl.Series(np.where(spell == 4, 30.0, 10.0 + 0.2 * dice.normal(size=samples))),
        "pulse_mmhg": pl.Series(np.where(spell == 4, 0.1, 3.0 + 0.05 * dice.normal(size=samples))),
        "motor_ma": pl.Series(5.0 + 0.05 * dice.normal(size=samples)),
    }
    return pl.select(pl.int_range(samples)).select(
        values.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in SAMPLE_SCHEMA.items()
    )


def judged(samples: pl.DataFrame, pipeline: Pipeline) -> tuple[Pipeline, pl.DataFrame]:
    """Return a pipeline after these samples in one message, and the events of their alarms."""
    now = START_MS + SPACING_MS * samples.height
    message = Message("itb/00/mine/telemetry", encode_arrow(samples), 1, 1, retained=False)
    events = [pipeline.take([message], now).events]
    while pipeline.backlog.waiting.height:
        events.append(pipeline.take([], now).events)
    return pipeline, pl.concat(events)


def test_the_alarms_of_a_run_are_those_of_its_samples_in_waves(monkeypatch):
    samples = stormy(125, 3)
    at_once, events = judged(samples, Pipeline())
    monkeypatch.setattr("processor.intake.backlog.MAX_RUN", 101)
    in_parts, events_in_parts = judged(samples, Pipeline(backlog=Backlog(max_thin_waves=25)))
    monkeypatch.setattr(runs, "apart", lambda batch: (batch, []))
    expected, expected_events = judged(samples, Pipeline())
    assert expected_events["rule"].n_unique() > 5
    assert set(expected_events["kind"]) >= {"raised", "returned", "held"}
    for found, found_events in ((at_once, events), (in_parts, events_in_parts)):
        assert found_events.drop("event", strict=False).equals(expected_events.drop("event", strict=False))
        assert found.alarms.equals(expected.alarms)
        assert found.state.equals(expected.state)
        assert found.gaps.open.equals(expected.gaps.open)
