"""What becomes of a violation, told as stories: one line an event, one check of what people see."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from broker.messages import Acknowledge
from processor import alarms, engine
from processor.alarms import ACKNOWLEDGED, RETURNED, UNACKNOWLEDGED
from processor.detectors.limit import limit
from processor.detectors.silence import silence
from processor.inbox import BATCH_SCHEMA

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
GONE = None
SERIALS = pl.Series("pump", ["P-0", "P-1"])


class Story:
    """One pump, a minute a line; battery_v below 2 is what goes wrong."""

    def __init__(self, rules: engine.Rules) -> None:
        self.rules, self.minute = rules, -1
        self.state = engine.new_state(1, rules)
        self.alarms, self.said = alarms.no_alarms(), []

    def sample(self, **signals: float) -> Story:
        """A minute later the pump sends this."""
        self.minute += 1
        about = {"pump": 0, "time": START_MS + self.minute * MINUTE_MS, "seq": self.minute, "boot": 1}
        wave = pl.DataFrame([{**dict.fromkeys(BATCH_SCHEMA), **about, **signals}], BATCH_SCHEMA)
        self.state, rows = engine.step(self.state, wave, self.rules)
        return self._advance(alarms.violations(rows, self.alarms, self.rules))

    def acknowledge(self, who: str = "anna", *, at: int = 7, rule: str | None = None) -> Story:
        """Somebody acknowledges the open alarms, or that of one rule."""
        ids = self.alarms if rule is None else self.alarms.filter(pl.col("rule") == rule)
        nothing = alarms.Violations(pl.DataFrame(schema=alarms.OBSERVED), pl.DataFrame(schema=alarms.OBSERVED))
        return self._advance(nothing, Acknowledge(id="1", alarms=ids["alarm"].to_list(), who=who, at=at))

    def _advance(self, seen: alarms.Violations, *actions: Acknowledge) -> Story:
        self.alarms, changes = alarms.advance(
            self.alarms, seen, actions, now=self.minute, serials=SERIALS, rules=self.rules
        )
        self.said = [f"{kind} {rule}" for kind, rule in changes.select("kind", "rule").iter_rows()]
        return self

    def check(self, *said: str, **states: str | None) -> Story:
        """This was just said, and these rules have alarms in these states, and no others have any."""
        found = dict(self.alarms.select("rule", alarms.state_of()).iter_rows())
        assert found == {rule: state for rule, state in states.items() if state is not GONE}
        assert self.said == list(said)
        return self

    def shown(self) -> dict[str, str | None]:
        """The rules whose alarms people see, and which of them each of the others is held under."""
        held = alarms.held_under(self.alarms, self.rules)
        names = dict(held.select("alarm", "rule").iter_rows())
        return {rule: names.get(under) for rule, under in held.select("rule", "under").iter_rows()}


@pytest.fixture
def story(rule_of) -> Callable[..., Story]:
    """A story with the rule `low` (battery), or with `cause` (battery), which explains `effect` (flow)."""

    def begin(on_s: float = 0, off_s: float = 0) -> Story:
        return Story((rule_of(limit("battery_v", below=2, span=1), "low", on_delay_s=on_s, off_delay_s=off_s),))

    return begin


@pytest.fixture
def tale(rule_of) -> Story:
    """A story with `cause` (battery below 2), of high priority, which explains `effect` (flow below 2)."""
    cause = rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",))
    effect = rule_of(limit("flow_ul_h", below=2, span=1), "effect", priority="medium")
    return Story((effect, cause))


def well(story: Story) -> Story:
    return story.sample(battery_v=3)


def ill(story: Story) -> Story:
    return story.sample(battery_v=1)


def test_an_alarm_is_raised_acknowledged_and_cleared(story):
    it = story()
    well(it).check()
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    ill(it).check(low=UNACKNOWLEDGED)
    it.acknowledge().check("acknowledged low", low=ACKNOWLEDGED)
    ill(it).check(low=ACKNOWLEDGED)
    well(it).check("returned low", "cleared low", low=GONE)
    well(it).check()


def test_an_alarm_that_went_away_unseen_waits_for_somebody_to_see_it(story):
    it = story()
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    well(it).check("returned low", low=RETURNED)
    well(it).check(low=RETURNED)
    it.acknowledge().check("acknowledged low", "cleared low", low=GONE)


def test_an_alarm_is_not_raised_before_its_on_delay(story):
    it = story(on_s=120)
    ill(it).check()
    ill(it).check()
    ill(it).check("raised low", low=UNACKNOWLEDGED)


def test_a_violation_that_pauses_begins_its_on_delay_anew(story):
    it = story(on_s=120)
    ill(ill(it)).check()
    well(it).check()
    ill(ill(it)).check()
    ill(it).check("raised low", low=UNACKNOWLEDGED)


def test_an_alarm_does_not_return_before_its_off_delay(story):
    it = story(off_s=120)
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    well(well(it)).check(low=UNACKNOWLEDGED)
    well(it).check("returned low", low=RETURNED)


def test_a_relapse_begins_the_off_delay_anew(story):
    it = story(off_s=120)
    ill(it).acknowledge().check("acknowledged low", low=ACKNOWLEDGED)
    well(well(it)).check(low=ACKNOWLEDGED)
    ill(it).check(low=ACKNOWLEDGED)
    well(well(it)).check(low=ACKNOWLEDGED)
    well(it).check("returned low", "cleared low", low=GONE)


def test_an_alarm_that_comes_back_before_anyone_saw_it_is_the_same_alarm(story):
    it = story()
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    first = it.alarms["alarm"][0]
    well(it).check("returned low", low=RETURNED)
    ill(it)
    assert it.alarms["alarm"].to_list() == [first]
    assert it.alarms["returned"].to_list() == [None]
    assert it.shown() == {"low": None}


def test_an_alarm_that_comes_back_after_it_was_cleared_is_another(story):
    it = story()
    first = ill(it).alarms["alarm"][0]
    well(it.acknowledge()).check("returned low", "cleared low", low=GONE)
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    assert it.alarms["alarm"][0] != first


def test_acknowledging_twice_keeps_the_first_name_and_says_nothing(story):
    it = story()
    ill(it).acknowledge("anna", at=7).check("acknowledged low", low=ACKNOWLEDGED)
    it.acknowledge("ben", at=9).check(low=ACKNOWLEDGED)
    assert it.alarms.select("acknowledged_by", "acknowledged_wall").row(0) == ("anna", 7)


def test_acknowledging_what_is_not_there_or_nothing_changes_nothing(story):
    it = story()
    it.acknowledge().check()
    ill(it)
    before = it.alarms
    nothing = alarms.violations(it.state.clear().with_columns(pump=pl.lit(None, pl.UInt32)), it.alarms, it.rules)
    for named in ([], ["P-0/low/1"]):
        it._advance(nothing, Acknowledge(id="1", alarms=named, who="anna", at=1)).check(low=UNACKNOWLEDGED)
    assert it.alarms.equals(before)


def test_an_alarm_is_named_by_pump_rule_and_onset_and_dated_by_therapy_and_wall(story):
    it = story(on_s=60)
    ill(well(it))
    ill(it)
    onset = START_MS + MINUTE_MS
    assert it.alarms.select("alarm", "onset", "raised", "raised_wall").row(0) == (
        f"P-0/low/{onset}", onset, onset + MINUTE_MS, 2,
    )  # fmt: skip


def test_an_alarm_remembers_its_worst_score(story):
    it = story()
    ill(it).sample(battery_v=0).sample(battery_v=1.5)
    assert it.alarms["score"][0] == 3


def test_a_consequence_is_held_under_its_cause_that_came_later(tale):
    tale.sample(battery_v=3, flow_ul_h=1).check("raised effect", effect=UNACKNOWLEDGED)
    assert tale.shown() == {"effect": None}
    tale.sample(battery_v=1, flow_ul_h=1).check("raised cause", effect=UNACKNOWLEDGED, cause=UNACKNOWLEDGED)
    assert tale.shown() == {"effect": "cause", "cause": None}


def test_a_consequence_comes_back_when_the_cause_goes_first(tale):
    tale.sample(battery_v=1, flow_ul_h=1).check(
        "raised effect", "raised cause", effect=UNACKNOWLEDGED, cause=UNACKNOWLEDGED
    )
    tale.sample(battery_v=3, flow_ul_h=1).check("returned cause", effect=UNACKNOWLEDGED, cause=RETURNED)
    assert tale.shown() == {"effect": None, "cause": None}
    tale.acknowledge(rule="cause").check("acknowledged cause", "cleared cause", effect=UNACKNOWLEDGED)


def test_a_consequence_that_ends_under_its_cause_ends_silently(tale):
    tale.sample(battery_v=1, flow_ul_h=1)
    tale.sample(battery_v=1, flow_ul_h=3).check("cleared effect", cause=UNACKNOWLEDGED)


def test_cause_and_consequence_that_end_together_leave_only_the_cause_to_be_seen(tale):
    tale.sample(battery_v=1, flow_ul_h=1)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned cause", "cleared effect", cause=RETURNED)


def test_a_consequence_that_ended_before_its_cause_came_waits_to_be_seen(tale):
    tale.sample(battery_v=3, flow_ul_h=1)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned effect", effect=RETURNED)
    tale.sample(battery_v=1, flow_ul_h=3).check("raised cause", effect=RETURNED, cause=UNACKNOWLEDGED)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned cause", effect=RETURNED, cause=RETURNED)
    assert tale.shown() == {"effect": None, "cause": None}


def test_a_cause_holds_nothing_on_another_pump(rule_of):
    rules = (rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",)), rule_of(None, "effect"))
    seen = pl.DataFrame(
        {"pump": [0, 1], "rule": ["cause", "effect"], "onset": [5, 5], "time": [6, 6], "score": [1.0, 1.0]},
        alarms.OBSERVED,
    )
    violations = alarms.Violations(seen, seen.clear())
    raised, _ = alarms.advance(alarms.no_alarms(), violations, (), now=0, serials=SERIALS, rules=rules)
    assert alarms.held_under(raised, rules)["under"].to_list() == [None, None]


def test_of_two_rules_that_explain_each_other_the_graver_one_is_shown(rule_of):
    one = rule_of(limit("battery_v", below=2, span=1), "one", explains=("two",), priority="medium")
    two = rule_of(limit("flow_ul_h", below=2, span=1), "two", explains=("one",))
    it = Story((one, two)).sample(battery_v=1, flow_ul_h=3).sample(battery_v=1, flow_ul_h=1)
    assert it.shown() == {"one": "two", "two": None}


def test_of_several_causes_the_gravest_and_then_the_oldest_is_named(rule_of):
    effect = rule_of(limit("flow_ul_h", below=2, span=1), "effect")
    lesser, early, late = (
        rule_of(limit(signal, below=2, span=1), name, explains=("effect",), priority=priority)
        for name, signal, priority in (
            ("lesser", "reservoir_ml", "low"),
            ("early", "motor_ma", "high"),
            ("late", "battery_v", "high"),
        )
    )
    it = Story((effect, lesser, late, early))
    it.sample(flow_ul_h=1, reservoir_ml=1, motor_ma=3, battery_v=3)
    assert it.shown()["effect"] == "lesser"
    it.sample(flow_ul_h=1, reservoir_ml=1, motor_ma=1, battery_v=3).sample(flow_ul_h=1, motor_ma=1, battery_v=1)
    assert it.shown()["effect"] == "early"


def test_silence_is_an_alarm_from_when_it_became_too_long_whenever_that_is_noticed(rule_of, stream, feed):
    rules = (rule_of(silence(floor_s=480, intervals=8), "quiet"),)
    state = feed(stream("flow_ul_h", "8x20", every_s=60.123), rules)
    last = int(state["time"][0])
    onsets = set()
    for age_s in [490.0 + 13.337 * step for step in range(200)]:
        ages = pl.Series([age_s], dtype=pl.Float32)
        judged = engine.with_ages(state, ages, rules).with_columns(
            pl.lit(0, pl.UInt32).alias("pump"), ages.alias("age"), pl.lit(last + round(age_s * 1000)).alias("now")
        )
        onsets.update(alarms.silences(judged, alarms.no_alarms(), rules).standing["onset"].to_list())
    assert len(onsets) == 1
    assert onsets.pop() == pytest.approx(last + 8 * 60_123, abs=500)
