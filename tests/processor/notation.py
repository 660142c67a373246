"""Notation for the samples of one pump, and functions that feed them to the engine."""

from __future__ import annotations

import re

import polars as pl

from processor.detectors import Detector
from processor.engine import engine
from processor.engine.waves import waves
from processor.intake.collected import BATCH_SCHEMA
from processor.rules import RULES, Rule

START_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC: therapy time and wall-clock time of these tests start here."""
GAP, UNKNOWN = "-", "?"


def stream(signal: str, notation: str, *, every_s: float = 60, pump: int = 0, **others: str) -> pl.DataFrame:
    """Return the batch of samples that one pump sends: `stream("flow_ul_h", "10x3 4 - ? 4")`.

    One word per sample, every `every_s` seconds from `START_MS`: a value, `?` for a sample in which the signal is
    unknown, or `-` for a lost sample (its `seq` is missing, too). `x3` repeats a word three times. Other columns are
    given by name in the same notation; a single value applies to all samples.
    """
    words = _words(notation)
    columns: dict[str, object] = {
        "pump": [pump] * len(words),
        "time": [START_MS + round(at * every_s * 1000) for at in range(len(words))],
        "seq": list(range(1, len(words) + 1)),
        "boot": [1] * len(words),
    }
    for name, text in {signal: notation, **others}.items():
        given = _words(text)
        given = given * len(words) if len(given) == 1 else given
        assert len(given) == len(words), f"{name} has {len(given)} samples, {signal} {len(words)}"
        scale = int if BATCH_SCHEMA[name].is_integer() else float
        columns[name] = [None if word in {GAP, UNKNOWN} else scale(word) for word in given]
    empty = {name: [None] * len(words) for name in BATCH_SCHEMA if name not in columns}
    batch = pl.DataFrame({**columns, **empty}, BATCH_SCHEMA)
    return batch.filter(pl.Series([word != GAP for word in words]))


def _words(notation: str) -> list[str]:
    words = (re.fullmatch(r"(\S+?)(?:x(\d+))?", word) for word in notation.split())
    return [word[1] for word in words if word for _ in range(int(word[2] or 1))]


def rule_of(detector: Detector, name: str = "rule", **changes: object) -> Rule:
    """Return a minimal rule around a detector."""
    texts = dict.fromkeys(("title", "meaning", "action", "time_to_respond", "rationale"), "Something.")
    fields = {"priority": "high", "on_delay_s": 0.0, "off_delay_s": 0.0, "detection_target_h": 1.0, **texts, **changes}
    return Rule(name=name, detector=detector, **fields)  # type: ignore[arg-type]


def feed(
    batch: pl.DataFrame, rules: engine.Rules = RULES, state: pl.DataFrame | None = None, window_s: float = 0.0
) -> pl.DataFrame:
    """Return the engine's state after a batch, with as many pumps as the batch or the given state."""
    pumps = 0 if batch.height == 0 else int(batch["pump"].max()) + 1  # type: ignore[arg-type]
    state = engine.grow(engine.new_state(0, rules) if state is None else state, pumps, rules)
    for wave in waves(batch):
        state = engine.step(state, wave, rules, window_s=window_s).state
    return state


def trace(detector: Detector, batch: pl.DataFrame, column: str = "rule") -> list[float]:
    """Return the score, or the memory column of that name, after each sample of one pump; each sample is a window."""
    rules = (rule_of(detector),)
    state, values = engine.new_state(1, rules), []
    for wave in waves(batch):
        state = engine.step(state, wave, rules, window_s=0).state
        values.append(state[column if column == "rule" else f"{detector.family or 'rule'}.memory.{column}"][0])
    return values
