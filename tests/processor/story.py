"""Stories of alarms: one line an event, one check of what people see."""

from __future__ import annotations

import polars as pl

from broker.contract.actions import Acknowledge, Shelve
from processor.alarms import lifecycle
from processor.alarms.actions import carry_out
from processor.alarms.states import state_of
from processor.alarms.subjects import Subjects
from processor.alarms.violations import Violations, nothing_seen, violations
from processor.engine import engine
from processor.intake.inbox import BATCH_SCHEMA

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
GONE = None
SERIALS = pl.Series("pump", ["P-0", "P-1"])


def ward_of(serials: pl.Series, *, now: int = START_MS) -> Subjects:
    """All pumps behind one gateway."""
    owners = pl.zeros(serials.len(), pl.UInt32, eager=True)
    return Subjects(serials, owners, pl.Series("gateway", ["ward"]), pl.Series("now", [now], dtype=pl.Int64))


class Story:
    """One pump, a minute a line; battery_v below 2 is what goes wrong."""

    def __init__(self, rules: engine.Rules) -> None:
        self.rules, self.minute, self.deeds = rules, -1, 0
        self.state = engine.new_state(1, rules)
        self.alarms, self.said = lifecycle.no_alarms(), []

    @property
    def subjects(self) -> Subjects:
        return ward_of(SERIALS, now=START_MS + max(0, self.minute) * MINUTE_MS)

    def sample(self, **signals: float) -> Story:
        """A minute later the pump sends this."""
        self.minute += 1
        about = {"pump": 0, "time": START_MS + self.minute * MINUTE_MS, "seq": self.minute, "boot": 1}
        wave = pl.DataFrame([{**dict.fromkeys(BATCH_SCHEMA), **about, **signals}], BATCH_SCHEMA)
        step = engine.step(self.state, wave, self.rules, window_s=0)
        self.state = step.state
        return self.see(violations(step.judged, self.alarms, self.rules))

    def see(self, seen: Violations) -> Story:
        self.alarms, changes = lifecycle.advance(
            self.alarms, seen, now=self.minute, subjects=self.subjects, rules=self.rules
        )
        self.alarms, passed = lifecycle.tick(self.alarms, subjects=self.subjects, rules=self.rules)
        return self._heard(pl.concat([changes, passed]))

    def wait(self, hours: float) -> Story:
        """So many hours pass, and the pump is silent."""
        self.minute += round(60 * hours)
        return self.see(nothing_seen())

    def does(self, kind: type, who: str = "anna", *, rule: str | None = None, at: int = 7, **more: object) -> Story:
        """Somebody does this with the open alarms, or with that of one rule."""
        self.deeds += 1
        chosen = self.alarms if rule is None else self.alarms.filter(pl.col("rule") == rule)
        action = kind(id=str(self.deeds), alarms=chosen["alarm"].to_list(), who=who, at=at, **more)
        self.alarms, changes, self.outcome = carry_out(self.alarms, action, subjects=self.subjects, rules=self.rules)
        return self._heard(changes)

    def acknowledge(self, who: str = "anna", *, at: int = 7, rule: str | None = None) -> Story:
        return self.does(Acknowledge, who, at=at, rule=rule)

    def shelve(self, hours: float, why: str = "known since Monday", **more: object) -> Story:
        return self.does(Shelve, for_s=hours * 3600, why=why, **more)

    def _heard(self, changes: pl.DataFrame) -> Story:
        self.said = [f"{kind} {rule}" if rule else kind for kind, rule in changes.select("kind", "rule").iter_rows()]
        self.times = dict(changes.select("kind", "time").iter_rows())
        self.called = changes.filter(~pl.col("quiet"))["kind"].to_list()
        return self

    def check(self, *said: str, **states: str | None) -> Story:
        """This was just said, and these rules have alarms in these states, and no others have any."""
        found = dict(self.alarms.select("rule", state_of()).iter_rows())
        assert found == {rule: state for rule, state in states.items() if state is not GONE}
        assert self.said == list(said)
        return self

    def answered(self, text: str) -> Story:
        assert self.outcome.text == text
        return self

    def shown(self) -> dict[str, str | None]:
        """The rules whose alarms people see, and which of them each of the others is held under."""
        names = dict(self.alarms.select("alarm", "rule").iter_rows())
        return {rule: names.get(under) for rule, under in self.alarms.select("rule", "under").iter_rows()}


def well(story: Story) -> Story:
    return story.sample(battery_v=3)


def ill(story: Story) -> Story:
    return story.sample(battery_v=1)
