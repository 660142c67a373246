"""What becomes of a violation, told as stories: one line an event, one check of what people see."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from broker.actions import Acknowledge, InService, Note, OutOfService, Reset, Shelve, Unacknowledge, Unshelve
from processor import alarms, engine
from processor.actions import carry_out
from processor.alarm_states import (
    ACKNOWLEDGED,
    LATCHED,
    OUT_OF_SERVICE,
    RETURNED,
    SHELVED,
    STATES,
    SUPPRESSED,
    UNACKNOWLEDGED,
    state_of,
)
from processor.detectors.limit import limit
from processor.detectors.silence import silence
from processor.inbox import BATCH_SCHEMA
from processor.subjects import Subjects
from processor.violations import OBSERVED, Violations, nothing_seen, silences, violations

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
        self.alarms, self.said = alarms.no_alarms(), []

    @property
    def subjects(self) -> Subjects:
        return ward_of(SERIALS, now=START_MS + max(0, self.minute) * MINUTE_MS)

    def sample(self, **signals: float) -> Story:
        """A minute later the pump sends this."""
        self.minute += 1
        about = {"pump": 0, "time": START_MS + self.minute * MINUTE_MS, "seq": self.minute, "boot": 1}
        wave = pl.DataFrame([{**dict.fromkeys(BATCH_SCHEMA), **about, **signals}], BATCH_SCHEMA)
        self.state, rows = engine.step(self.state, wave, self.rules, window_s=0)
        return self.see(violations(rows, self.alarms, self.rules))

    def see(self, seen: Violations) -> Story:
        self.alarms, changes = alarms.advance(
            self.alarms, seen, now=self.minute, subjects=self.subjects, rules=self.rules
        )
        self.alarms, passed = alarms.tick(self.alarms, subjects=self.subjects, rules=self.rules)
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


@pytest.fixture
def story(rule_of) -> Callable[..., Story]:
    """A story with the rule `low` (battery), or with `cause` (battery), which explains `effect` (flow)."""

    def begin(on_s: float = 0, off_s: float = 0, **more: object) -> Story:
        low = rule_of(limit("battery_v", below=2, span=1), "low", on_delay_s=on_s, off_delay_s=off_s, **more)
        return Story((low,))

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
    it.acknowledge("ben", at=9).check("refused", low=ACKNOWLEDGED)
    it.answered("Acknowledged no alarm. 1 not: anna had acknowledged it.")
    assert it.alarms.select("acknowledged_by", "acknowledged_wall").row(0) == ("anna", 7)


def test_acknowledging_what_is_not_there_or_nothing_changes_nothing(story):
    it = story()
    it.acknowledge().check("refused")
    ill(it)
    for named, answer in (
        ([], "Acknowledged no alarm."),
        (["P-0/low/1"], "Acknowledged no alarm. 1 not: over, or not known."),
    ):
        action = Acknowledge(id="1", alarms=named, who="anna", at=1)
        after, changes, outcome = carry_out(it.alarms, action, subjects=it.subjects, rules=it.rules)
        assert after.equals(it.alarms)
        assert (changes["kind"].to_list(), outcome.text) == (["refused"], answer)


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
    tale.sample(battery_v=1, flow_ul_h=1).check("raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    assert tale.called == ["raised", "held"]
    assert tale.shown() == {"effect": "cause", "cause": None}


def test_a_consequence_comes_back_when_the_cause_goes_first(tale):
    tale.sample(battery_v=1, flow_ul_h=1).check(
        "raised effect", "raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED
    )
    assert tale.called == ["raised"]
    tale.sample(battery_v=3, flow_ul_h=1).check(
        "returned cause", "released effect", effect=UNACKNOWLEDGED, cause=RETURNED
    )
    assert tale.called == ["returned", "released"]
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
    tale.sample(battery_v=1, flow_ul_h=3).check("raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned cause", "released effect", effect=RETURNED, cause=RETURNED)
    assert tale.shown() == {"effect": None, "cause": None}


def test_a_cause_holds_nothing_on_another_pump(rule_of):
    rules = (rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",)), rule_of(None, "effect"))
    seen = pl.DataFrame(
        {
            "pump": [0, 1],
            "gateway": [None, None],
            "other": [None, None],
            "rule": ["cause", "effect"],
            "onset": 5,
            "time": 6,
            "score": 1.0,
        },
        OBSERVED,
    )
    raised, _ = alarms.advance(
        alarms.no_alarms(), Violations(seen, seen.clear()), now=0, subjects=ward_of(SERIALS), rules=rules
    )
    assert raised["under"].to_list() == [None, None]


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


def test_the_state_of_an_alarm_is_known_whatever_its_times_are():
    times = ("returned", "acknowledged_wall", "reset_wall", "shelved_until", "out_wall")
    rows = [
        {name: 1 if bits >> place & 1 else None for place, name in enumerate(times)}
        | {"latch": bool(bits >> 5 & 1), "under": "other" if bits >> 6 & 1 else None}
        for bits in range(128)
    ]
    schema = {**dict.fromkeys(times, pl.Int64), "latch": pl.Boolean, "under": pl.String}
    states = pl.DataFrame(rows, schema).select(state_of().alias("state"))["state"]
    assert set(states) == set(STATES)
    assert states.null_count() == 0


def test_a_violation_ends_only_below_the_deadband(story):
    it = story()
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    it.sample(battery_v=2.05).check(low=UNACKNOWLEDGED)
    ill(it).check(low=UNACKNOWLEDGED)
    it.sample(battery_v=2.15).check(low=UNACKNOWLEDGED)
    it.sample(battery_v=2.25).check("returned low", low=RETURNED)


def test_an_acknowledged_high_alarm_that_stands_on_calls_again(story):
    it = story()
    ill(it).acknowledge()
    it.wait(11.9).check(low=ACKNOWLEDGED)
    it.wait(0.2).check("realarmed low", low=UNACKNOWLEDGED)
    assert (it.called, it.alarms["acknowledged_by"][0]) == (["realarmed"], "anna")
    it.acknowledge("ben").check("acknowledged low", low=ACKNOWLEDGED)
    it.wait(11.9).check(low=ACKNOWLEDGED)


def test_a_rule_says_when_it_calls_again_and_a_low_one_that_says_nothing_never_does(story):
    it = story(realarm_h=2.0, priority="low")
    ill(it).acknowledge()
    it.wait(2).check("realarmed low", low=UNACKNOWLEDGED)
    it = story(priority="low")
    ill(it).acknowledge()
    it.wait(1000).check(low=ACKNOWLEDGED)


def test_a_latched_alarm_stays_until_it_is_reset(story):
    it = story(latch=True)
    ill(it).acknowledge()
    it.does(Reset).check("refused", low=ACKNOWLEDGED).answered("Reset no alarm. 1 not: its condition stands.")
    well(it).check("returned low", low=LATCHED)
    it.does(Reset).check("reset low", "cleared low", low=GONE).answered("Reset 1 alarm.")


def test_a_latched_alarm_must_be_seen_before_it_is_reset_and_begins_anew_when_it_is_back(story):
    it = story(latch=True)
    ill(it)
    well(it).check("returned low", low=RETURNED)
    it.does(Reset).answered("Reset no alarm. 1 not: nobody has acknowledged it.")
    it.acknowledge().check("acknowledged low", low=LATCHED)
    ill(it).check("raised low", low=UNACKNOWLEDGED)


def test_a_latched_consequence_that_ends_under_its_cause_waits_to_be_seen_and_reset(rule_of):
    cause = rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",))
    it = Story((rule_of(limit("flow_ul_h", below=2, span=1), "effect", latch=True), cause))
    it.sample(battery_v=1, flow_ul_h=1).sample(battery_v=1, flow_ul_h=3)
    it.check("returned effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    it.sample(battery_v=3, flow_ul_h=3).check("returned cause", "released effect", effect=RETURNED, cause=RETURNED)
    it.acknowledge(rule="effect").check("acknowledged effect", effect=LATCHED, cause=RETURNED)


def test_what_is_not_latched_cannot_be_reset(story):
    ill(story()).does(Reset).answered("Reset no alarm. 1 not: not latched: it goes by itself.")


def test_a_shelved_alarm_calls_nobody_until_its_time_is_over(story):
    it = story()
    ill(it).shelve(2).check("shelved low", low=SHELVED).answered("Shelved 1 alarm.")
    well(it).check("returned low", low=SHELVED)
    assert it.called == []
    ill(it).check("raised low", low=SHELVED)
    assert it.called == []
    it.wait(1.9).check(low=SHELVED)
    it.wait(0.1).check("unshelved low", low=UNACKNOWLEDGED)
    assert it.called == ["unshelved"]


def test_a_shelved_alarm_that_was_seen_and_is_back_has_to_be_seen_again(story):
    it = story()
    ill(it).acknowledge().shelve(1)
    well(it).check("returned low", low=SHELVED)
    ill(it).check("raised low", low=SHELVED)
    it.does(Unshelve).check("unshelved low", low=UNACKNOWLEDGED)


def test_a_shelved_alarm_that_was_seen_and_is_over_goes_when_its_time_is_over(story):
    it = story()
    well(ill(it).acknowledge().shelve(1))
    it.wait(1).check("unshelved low", "cleared low", low=GONE)


def test_shelving_has_a_longest_time_and_needs_a_reason(story):
    it = story()
    ill(it).shelve(4.1).check("refused", low=UNACKNOWLEDGED)
    it.answered("Shelved no alarm. 1 not: longer than the 4 h that its priority allows.")
    it.shelve(1, why=" ").check("refused", low=UNACKNOWLEDGED)
    it.answered("Shelved no alarm. It needs a reason or a text.")
    it.shelve(4).check("shelved low", low=SHELVED)
    assert it.alarms.select("shelved_by", "shelved_wall", "shelved_why").row(0) == ("anna", 7, "known since Monday")
    it.does(Unshelve).does(Unshelve).answered("Unshelved no alarm. 1 not: not shelved.")


def test_out_of_service_an_alarm_says_nothing_whatever_happens(story):
    it = story()
    ill(it).shelve(1).does(OutOfService, why="sensor replaced").check("out_of_service low", low=OUT_OF_SERVICE)
    well(it).check("returned low", low=OUT_OF_SERVICE)
    ill(it).check("raised low", low=OUT_OF_SERVICE)
    assert it.called == []
    it.wait(1000).check(low=OUT_OF_SERVICE)
    it.shelve(1).answered("Shelved no alarm. 1 not: out of service.")
    it.does(InService, "ben").check("in_service low", low=UNACKNOWLEDGED)


def test_an_acknowledgement_can_be_taken_back(story):
    it = story()
    ill(it).does(Unacknowledge).answered("Took the acknowledgement back of no alarm. 1 not: not acknowledged.")
    it.acknowledge().does(Unacknowledge, "ben").check("unacknowledged low", low=UNACKNOWLEDGED)
    assert it.alarms["acknowledged_by"].to_list() == [None]


def test_a_note_stands_beside_the_alarm_and_changes_no_state(story):
    it = story()
    ill(it).does(Note, why="called the ward").check("note low", low=UNACKNOWLEDGED)
    assert it.alarms.select("note", "note_by", "note_wall").row(0) == ("called the ward", "anna", 7)


def test_of_two_people_who_act_at_once_the_second_learns_of_the_first(story):
    it = story()
    ill(it).shelve(1, who="anna").acknowledge("ben").acknowledge("cleo")
    it.answered("Acknowledged no alarm. 1 not: ben had acknowledged it.")
    it.does(OutOfService, "dora", why="repair").does(OutOfService, "eva", why="repair")
    it.answered("Took out of service no alarm. 1 not: dora had taken it out of service.")


def test_a_cause_that_is_out_of_service_explains_nothing_and_a_shelved_one_still_does(tale):
    tale.sample(battery_v=1, flow_ul_h=1)
    tale.wait(0.5).shelve(1, rule="cause").check("shelved cause", effect=SUPPRESSED, cause=SHELVED)
    tale.does(OutOfService, rule="cause", why="battery gauge broken").check(
        "out_of_service cause", "released effect", effect=UNACKNOWLEDGED, cause=OUT_OF_SERVICE
    )
    assert tale.times["released"] == tale.subjects.clocks[0]
    tale.does(InService, rule="cause").check("in_service cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)


def test_a_checkpoint_of_an_older_version_is_understood(story):
    it = story()
    ill(it).acknowledge()
    old = ("alarm", "pump", "rule", "priority", "onset", "raised", "raised_wall", "returned", "acknowledged_wall",
           "acknowledged_by", "score")  # fmt: skip
    back = alarms.restored(it.alarms.select(old), it.rules)
    assert dict(back.schema) == alarms.SCHEMA
    assert back.select(state_of()).to_series().to_list() == [ACKNOWLEDGED]
    assert back.select("acknowledged", "changed", "latch").row(0) == (START_MS, START_MS, False)
    assert alarms.restored(it.alarms, ()).height == 0


def test_ten_thousand_alarms_are_acted_on_at_once(rule_of):
    rules = (rule_of(limit("battery_v", below=2, span=1), "low"),)
    serials = pl.Series("pump", [f"P-{number}" for number in range(10_000)])
    rows = {"pump": range(10_000), "gateway": None, "other": None, "rule": "low", "onset": 5, "time": 6, "score": 1.0}
    seen = pl.DataFrame(rows, OBSERVED)
    subjects = ward_of(serials)
    raised, _ = alarms.advance(
        alarms.no_alarms(), Violations(seen, seen.clear()), now=0, subjects=subjects, rules=rules
    )
    action = Acknowledge(id="1", alarms=raised["alarm"].to_list(), who="anna", at=1)
    seen_by, changes, outcome = carry_out(raised, action, subjects=subjects, rules=rules)
    assert (outcome.done, outcome.refused, changes.height) == (10_000, 0, 10_000)
    over, _ = alarms.advance(seen_by, Violations(seen.clear(), seen), now=0, subjects=subjects, rules=rules)
    assert over.height == 0


def test_silence_is_an_alarm_from_when_it_became_too_long_whenever_that_is_noticed(rule_of, stream, feed):
    rules = (rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "quiet"),)
    state = feed(stream("flow_ul_h", "8x20", every_s=60.123), rules)
    last = int(state["time"][0])
    onsets = set()
    for age_s in [490.0 + 13.337 * step for step in range(200)]:
        ages = pl.Series([age_s], dtype=pl.Float32)
        judged = engine.with_ages(state, ages, rules).with_columns(
            pl.lit(0, pl.UInt32).alias("pump"), ages.alias("age"), pl.lit(last + round(age_s * 1000)).alias("now")
        )
        onsets.update(silences(judged, alarms.no_alarms(), rules).standing["onset"].to_list())
    assert len(onsets) == 1
    assert onsets.pop() == pytest.approx(last + 8 * 60_123, abs=500)
