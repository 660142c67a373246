"""Alarms of one pump as a story: one line per sample or operator action, one check of the alarm list."""

from __future__ import annotations

import polars as pl

from broker.contract.actions import Acknowledge, Shelve
from processor.alarms import lifecycle
from processor.alarms.actions import carry_out
from processor.alarms.hold import Conditions, conditions_of_pumps, no_conditions
from processor.alarms.states import state_of
from processor.alarms.subjects import Subjects
from processor.engine import engine
from processor.intake.collected import BATCH_SCHEMA

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
CLEARED = None
SERIALS = pl.Series("pump", ["P-0", "P-1"])


def ward_of(serials: pl.Series, *, now: int = START_MS) -> Subjects:
    """Return pumps that are all behind one gateway."""
    owners = pl.zeros(serials.len(), pl.UInt32, eager=True)
    return Subjects(serials, owners, pl.Series("gateway", ["ward"]), pl.Series("now", [now], dtype=pl.Int64))


class Story:
    """One pump, one minute per line; the fault is `battery_v` below 2."""

    def __init__(self, rules: engine.Rules) -> None:
        self.rules, self.minute, self.actions = rules, -1, 0
        self.state = engine.new_state(1, rules)
        self.alarms, self.changes = lifecycle.no_alarms(), []

    @property
    def subjects(self) -> Subjects:
        return ward_of(SERIALS, now=START_MS + max(0, self.minute) * MINUTE_MS)

    def sample(self, **signals: float) -> Story:
        """Let a minute pass, then send a sample with these signals."""
        self.minute += 1
        header = {"pump": 0, "time": START_MS + self.minute * MINUTE_MS, "seq": self.minute, "boot": 1}
        wave = pl.DataFrame([{**dict.fromkeys(BATCH_SCHEMA), **header, **signals}], BATCH_SCHEMA)
        step = engine.step(self.state, wave, self.rules, window_s=0)
        self.state = step.state
        return self.advance(conditions_of_pumps(step.judged, self.alarms, self.rules))

    def advance(self, conditions: Conditions) -> Story:
        self.alarms, changes = lifecycle.advance(
            self.alarms, conditions, now=self.minute, subjects=self.subjects, rules=self.rules
        )
        self.alarms, expired = lifecycle.tick(self.alarms, subjects=self.subjects, rules=self.rules)
        return self._record(pl.concat([changes, expired]))

    def wait(self, hours: float) -> Story:
        """Let hours pass without a sample."""
        self.minute += round(60 * hours)
        return self.advance(no_conditions())

    def act(self, kind: type, who: str = "anna", *, rule: str | None = None, at: int = 7, **fields: object) -> Story:
        """Take this operator action on all open alarms, or on that of one rule."""
        self.actions += 1
        chosen = self.alarms if rule is None else self.alarms.filter(pl.col("rule") == rule)
        action = kind(id=str(self.actions), alarms=chosen["alarm"].to_list(), who=who, at=at, **fields)
        self.alarms, changes, self.outcome = carry_out(self.alarms, action, subjects=self.subjects, rules=self.rules)
        return self._record(changes)

    def acknowledge(self, who: str = "anna", *, at: int = 7, rule: str | None = None) -> Story:
        return self.act(Acknowledge, who, at=at, rule=rule)

    def shelve(self, hours: float, why: str = "known since Monday", **fields: object) -> Story:
        return self.act(Shelve, for_s=hours * 3600, why=why, **fields)

    def _record(self, changes: pl.DataFrame) -> Story:
        self.changes = [f"{kind} {rule}" if rule else kind for kind, rule in changes.select("kind", "rule").iter_rows()]
        self.times = dict(changes.select("kind", "time").iter_rows())
        self.annunciated = changes.filter(~pl.col("quiet"))["kind"].to_list()
        return self

    def check(self, *changes: str, **states: str | None) -> Story:
        """Check the latest changes, and that exactly these rules have alarms, in these states."""
        found = dict(self.alarms.select("rule", state_of()).iter_rows())
        assert found == {rule: state for rule, state in states.items() if state is not CLEARED}
        assert self.changes == list(changes)
        return self

    def outcome_is(self, text: str) -> Story:
        assert self.outcome.text == text
        return self

    def suppressed_by(self) -> dict[str, str | None]:
        """Return, for each rule with an alarm, the rule of the alarm that suppresses it, if any."""
        names = dict(self.alarms.select("alarm", "rule").iter_rows())
        return {rule: names.get(under) for rule, under in self.alarms.select("rule", "under").iter_rows()}


def healthy(story: Story) -> Story:
    return story.sample(battery_v=3)


def faulty(story: Story) -> Story:
    return story.sample(battery_v=1)
