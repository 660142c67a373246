"""This file holds the processor's state together: inbox → waves → engine → alarms, and the snapshot of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.link import Message
from broker.messages import AlarmAction
from broker.snapshot import Health, Snapshot
from processor import alarms as alarm_list
from processor import checkpoint, engine, forecast, view
from processor.engine import MS_PER_S, Rules
from processor.inbox import Batch, Inbox
from processor.quarantine import Quarantine
from processor.registry import LEFT, Registry
from processor.rules import RULES

FORECAST_MS: Final = 2000
"""Forecasts of hours and days are made anew no sooner than after so long on the wall."""


@dataclass
class Pipeline:
    """Everything the processor knows. Time comes in as `now` (wall ms); nothing here touches network or clock."""

    data: Path
    rules: Rules = RULES
    registry: Registry = field(default_factory=Registry)
    state: pl.DataFrame = field(init=False)
    alarms: pl.DataFrame = field(default_factory=alarm_list.no_alarms)

    def __post_init__(self) -> None:
        self.quarantine = Quarantine(self.data)
        self.inbox = Inbox(self.registry, self.quarantine)
        self.state = engine.new_state(0, self.rules)
        self._expected = 0, pl.DataFrame()

    def restore(self) -> None:
        """Go on from the checkpoint in the data directory, if there is one; raises `CheckpointError`."""
        saved = checkpoint.load(self.data, self.rules)
        if saved is not None:
            self.state, self.alarms, self.registry = saved
            self.inbox = Inbox(self.registry, self.quarantine)

    def save(self, now: int) -> None:
        """Write the checkpoint; `now` is wall ms."""
        checkpoint.save(self.data, self.state, self.alarms, self.registry, now)

    def take(self, messages: list[Message], now: int, *, listening: bool = True) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Take messages in; return their samples (as for the history) and the journal's entries of what changed.

        While not `listening`, because the broker is away or only just back, silence is not held against any pump.
        """
        batch = self.inbox.read(messages, now)
        changes = self.advance(batch, now, listening=listening)
        facts = self.registry.facts()
        samples = batch.samples.with_columns(facts["pump"].gather(batch.samples["pump"]).alias("pump"))
        return samples, view.events_frame(changes, self.alarms, facts, now, self.rules)

    def advance(self, batch: Batch, now: int, *, listening: bool = True) -> pl.DataFrame:
        """Take a batch in that was read before; return what changed of the alarms (`processor.alarms.CHANGES`)."""
        self.state = engine.grow(self.state, self.registry.pumps, self.rules)
        changes = []
        for wave in engine.waves(batch.samples):
            self.state, rows = engine.step(self.state, wave, self.rules)
            if rows.height:
                changes.append(self._advance(alarm_list.violations(rows, self.alarms, self.rules), (), now))
        changes.append(self._judge_silence(batch.actions, now, listening=listening))
        return pl.concat(changes)

    def snapshot(self, health: Health, now: int) -> Snapshot:
        """Return what the screens are to show as of `now`."""
        facts, clocks = self.registry.facts(), self.registry.clocks(now)
        expected = self._forecasts(facts, clocks, now)
        alarms = view.visible_alarms(self.alarms, facts, clocks, expected, self.rules)
        pumps = view.pumps_frame(self.state, alarms, facts, self._ages(clocks), forecasts=expected, rules=self.rules)
        gone = self.registry.gateways_in(LEFT).gather(facts["owner"])
        if gone.any():
            names = pumps["pump"].filter(gone)
            pumps, alarms = pumps.filter(~gone), alarms.filter(~pl.col("pump").is_in(names.implode()))
        return Snapshot(pumps, alarms, self.registry.gateways_frame(), health)

    def _forecasts(self, facts: pl.DataFrame, clocks: pl.Series, now: int) -> pl.DataFrame:
        """Return what is forecast, anew where the latest is older than `FORECAST_MS` or lacks a pump."""
        at, latest = self._expected
        if not 0 <= now - at < FORECAST_MS or latest.height != self.state.height:
            latest = forecast.forecasts(self.state, self.alarms, facts, clocks, self.rules)
            self._expected = now, latest
        return latest

    def _judge_silence(self, actions: tuple[AlarmAction, ...], now: int, *, listening: bool) -> pl.DataFrame:
        if not listening:
            return self._advance(alarm_list.nothing_seen(), actions, now)
        clocks = self.registry.clocks(now)
        ages = self._ages(clocks)
        self.state = engine.with_ages(self.state, ages, self.rules)
        numbers = pl.int_range(self.state.height, dtype=pl.UInt32, eager=True)
        judged = self.state.with_columns(numbers.alias("pump"), ages.alias("age"), clocks.alias("now"))
        return self._advance(alarm_list.silences(judged, self.alarms, self.rules), actions, now)

    def _advance(self, seen: alarm_list.Violations, actions: tuple[AlarmAction, ...], now: int) -> pl.DataFrame:
        if not (actions or seen.standing.height or seen.over.height):
            return alarm_list.no_changes()
        serials = self.registry.facts()["pump"]
        self.alarms, changes = alarm_list.advance(
            self.alarms, seen, actions, now=now, serials=serials, rules=self.rules
        )
        return changes

    def _ages(self, clocks: pl.Series) -> pl.Series:
        """Seconds since each pump's last sample, or, for one never heard, since it was named; Float32.

        Null for the pumps of a gateway that left on purpose, and for one never heard whose gateway is away: it may
        be a memory of the broker's from another day.
        """
        facts = self.registry.facts()
        left = self.registry.gateways_in(LEFT).gather(facts["owner"])
        away = self.registry.gateways_in(LEFT, "offline").gather(facts["owner"])
        named = pl.when(~away).then(facts["born"])
        last = pl.select(pl.when(~left).then(pl.coalesce(self.state["time"], named))).to_series()
        return ((clocks - last) / MS_PER_S).clip(0.0).cast(pl.Float32)
