"""Alarms about Pumpwatch itself, told as stories: what it reads off itself, and what becomes of it."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.evidence import MAX_BYTES, Evidence, decode
from broker.store.snapshot import CapacityLimit
from processor.alarms import evidence, hold, lifecycle
from processor.alarms.states import state_of
from processor.alarms.subjects import Subjects
from processor.engine.sequence import Totals
from processor.rules.system import MAX_REJECTED, SYSTEM_RULES
from processor.watch import readings
from processor.watch.self_monitoring import SelfMonitor, score

START_MS = 1_767_225_600_000
MINUTE = 60.0
FULL = {"storage": "cannot write to the data directory: no space left; nothing is acknowledged"}
WELL = {"dropped": 0, "refused": 0, "droppers": ()}


def bound(name: str = "messages waiting", value: float = 0.0, reached: int = 0, **more: object) -> list[CapacityLimit]:
    return [CapacityLimit(name, value, 100.0, "messages", reached, **{"warn_at": 0.9, **more})]  # type: ignore[arg-type]


class Machine:
    """A processor that looks at itself; therapy runs sixty times as fast as the wall."""

    def __init__(self) -> None:
        self.monitor, self.alarms, self.wall_s = SelfMonitor(), lifecycle.no_alarms(), 0.0
        self.timers = hold.no_timers()
        self.said: list[str] = []

    def looks(self, after_s: float = 1.0, *, troubles=None, bounds=(), lag_s=0.0, came=0, lost=0, resent=0, **counts):
        """So many wall seconds later it looks, and reads this."""
        self.wall_s += after_s
        read = readings.frame(
            readings.troubles(troubles or {}),
            readings.capacities(bounds),
            readings.lag(lag_s, 10.0),
            readings.counts(Totals(came, lost, resent), **{**WELL, **counts}),
        )
        now, time = START_MS + round(1000 * self.wall_s), START_MS + round(60_000 * self.wall_s)
        self.monitor, found = score(self.monitor, read, self.timers, now=now, time=time)
        self.timers, conditions = hold.hold(self.timers, found.scores, SYSTEM_RULES, now)
        self.alarms, changes = lifecycle.advance(
            self.alarms, conditions, now=now, subjects=nobody(time), rules=SYSTEM_RULES
        )
        self.alarms, changes = evidence.bear(
            self.alarms, changes, found.evidence(conditions.standing, self.timers, now)
        )
        self.said = [f"{kind} {rule}" for kind, rule in changes.select("kind", "rule").iter_rows()]
        self.texts = changes["text"].to_list()
        return self

    def check(self, *said: str, **states: str) -> Machine:
        """This was just said, and these rules have alarms in these states, and no others have any."""
        assert self.said == list(said)
        assert dict(self.alarms.select("rule", state_of()).iter_rows()) == states
        return self

    def evidence(self) -> Evidence:
        found = decode(self.alarms["evidence"][0])
        assert found is not None
        return found


def nobody(time: int) -> Subjects:
    return Subjects(
        pl.Series("pump", [], dtype=pl.String),
        pl.Series("owner", [], dtype=pl.UInt32),
        pl.Series("gateway", ["ward"]),
        pl.Series("now", [time], dtype=pl.Int64),
    )


def test_in_good_times_nothing_is_said():
    machine = Machine()
    for _ in range(5):
        machine.looks(20, bounds=bound(value=40)).check()


def test_a_full_disk_is_told_after_ten_seconds_and_is_over_half_a_minute_after_there_is_room():
    machine = Machine().looks(troubles=FULL).check()
    machine.looks(9, troubles=FULL).check()
    machine.looks(1, troubles=FULL).check("raised storage_failing", storage_failing="unacknowledged")
    assert machine.alarms["other"].to_list() == ["system: storage"]
    assert machine.texts == ["Cannot write to the data directory: no space left; nothing is acknowledged"]
    machine.looks(1).check(storage_failing="unacknowledged")
    machine.looks(29).check(storage_failing="unacknowledged")
    machine.looks(1).check("returned storage_failing", storage_failing="returned")


def test_a_disk_that_refuses_for_a_moment_alarms_nobody():
    machine = Machine()
    for _ in range(4):
        machine.looks(5, troubles=FULL).check()
        machine.looks(1).check()


def test_a_disk_that_fails_again_within_the_off_delay_is_one_alarm():
    machine = Machine().looks(troubles=FULL).looks(10, troubles=FULL)
    machine.looks(20).check(storage_failing="unacknowledged")
    machine.looks(20, troubles=FULL).check(storage_failing="unacknowledged")
    machine.looks(20).check(storage_failing="unacknowledged")
    machine.looks(30).check("returned storage_failing", storage_failing="returned")


def test_screens_that_cannot_be_written_are_an_alarm_of_their_own_of_high_priority():
    frozen = {"snapshot": "cannot write"}
    machine = Machine().looks(troubles=frozen).looks(15, troubles=frozen)
    machine.check("raised screens_frozen", screens_frozen="unacknowledged")
    assert machine.alarms["priority"].to_list() == [1]


def test_each_bound_that_comes_near_its_limit_is_an_alarm_that_names_it():
    near = [*bound(value=91), *bound("gaps remembered", 95)]
    machine = Machine().looks(bounds=near).looks(MINUTE, bounds=near)
    assert sorted(machine.alarms["other"]) == ["system: gaps remembered", "system: messages waiting"]
    assert machine.texts[0] == "Messages waiting 91 % full: 91 messages of 100 messages"
    assert [fact.limit for fact in machine.evidence().facts] == [90.0]
    machine.looks(bounds=bound(value=85)).looks(MINUTE, bounds=bound(value=85))
    assert machine.said == ["returned bound_near"], "one of them is within the deadband"
    machine.looks(bounds=bound(value=60)).looks(MINUTE, bounds=bound(value=60))
    assert machine.alarms["returned"].null_count() == 0


def test_what_is_full_as_it_is_meant_to_be_is_never_nearly_full():
    whole = bound("history on disk", 100.0, warn_at=None, when_full="oldest removed")
    Machine().looks(bounds=whole).looks(MINUTE, bounds=whole).looks(MINUTE, bounds=whole).check()


@pytest.mark.parametrize(
    ("when_full", "rule"),
    [
        ("delayed", "bound_reached"),
        ("oldest removed", "records_expire"),
        ("discarded", "records_thrown_away"),
        ("pumps refused", "pumps_refused"),
    ],
)
def test_a_bound_that_is_reached_is_told_by_what_is_lost_through_it(when_full, rule):
    def at(reached: int) -> list[CapacityLimit]:
        return bound("some bound", 50, reached, when_full=when_full)

    machine = Machine().looks(bounds=at(7)).check()
    machine.looks(bounds=at(9)).check(f"raised {rule}", **{rule: "unacknowledged"})
    assert machine.texts == ["2 times “some bound” was full within 10 min"]
    machine.looks(9 * MINUTE, bounds=at(9)).check(**{rule: "unacknowledged"})
    machine.looks(2 * MINUTE, bounds=at(9)).check(f"returned {rule}", **{rule: "returned"})


def test_a_lag_alarms_once_it_has_lasted_a_minute():
    machine = Machine().looks(lag_s=11).looks(59, lag_s=40).check()
    machine.looks(1, lag_s=40).check("raised processor_lags", processor_lags="unacknowledged")
    assert machine.texts == ["End-to-end latency from gateway to dashboard is 40 s"]
    machine.looks(lag_s=1).looks(MINUTE, lag_s=1).check("returned processor_lags", processor_lags="returned")


def test_a_full_disk_explains_the_queue_that_fills_behind_it():
    def stuck(after_s: float) -> Machine:
        return machine.looks(after_s, troubles=FULL, bounds=bound(value=99))

    machine = Machine()
    stuck(1)
    stuck(MINUTE)
    states = dict(machine.alarms.select("rule", state_of()).iter_rows())
    assert states == {"storage_failing": "unacknowledged", "bound_near": "suppressed"}


def test_samples_that_come_late_after_all_are_not_lost_and_alarm_nobody():
    machine = Machine().looks(lost=3).looks(lost=40).check()
    machine.looks(30, lost=3).looks(MINUTE, lost=3).check()


def test_samples_that_stay_lost_alarm_after_a_minute_until_ten_minutes_without_more():
    machine = Machine().looks(lost=3).looks(lost=40).looks(MINUTE, lost=40)
    machine.check("raised samples_missing", samples_missing="unacknowledged")
    assert machine.texts == ["37 samples permanently lost within 10 min"]
    for _ in range(8):
        machine.looks(MINUTE, lost=40).check(samples_missing="unacknowledged")
    machine.looks(MINUTE, lost=40)
    machine.check("returned samples_missing", samples_missing="returned")


def test_gateways_that_drop_samples_are_named_and_explain_that_samples_are_lost():
    dropped = {"dropped": 500, "droppers": (("ward-7", 480), ("ward-9", 20)), "lost": 480}
    machine = Machine().looks().looks(**dropped)
    assert machine.texts == ["500 samples dropped by gateways (total ward-7 480, ward-9 20) within 10 min"]
    machine.looks(MINUTE, **dropped)
    states = dict(machine.alarms.select("rule", state_of()).iter_rows())
    assert states == {"gateways_drop": "unacknowledged", "samples_missing": "suppressed"}


def test_some_refused_messages_alarm_nobody_and_many_do():
    machine = Machine().looks(refused=5).looks(refused=5 + MAX_REJECTED - 1).check()
    machine.looks(refused=5 + MAX_REJECTED).check("raised messages_refused", messages_refused="unacknowledged")


def test_a_gateway_that_comes_back_alarms_nobody_but_all_that_is_sent_twice_over_does():
    machine = Machine().looks()
    for minute in range(1, 21):
        machine.looks(MINUTE, came=6000 * minute, resent=500).check()
    twice = {"came": 120_000, "resent": 500}
    for _ in range(2):
        twice = {"came": twice["came"] + 12_000, "resent": twice["resent"] + 6000}
        machine.looks(MINUTE, **twice)
    machine.check()
    for _ in range(3):
        twice = {"came": twice["came"] + 12_000, "resent": twice["resent"] + 6000}
        machine.looks(MINUTE, **twice)
    machine.check("raised samples_resent", samples_resent="unacknowledged")
    assert "samples redelivered by gateways within 10 min" in machine.evidence().summary
    for _ in range(10):
        twice["came"] += 6000
        machine.looks(MINUTE, **twice)
    assert machine.alarms["returned"].null_count() == 0


def test_where_nothing_comes_nothing_is_sent_again():
    Machine().looks().looks(3600).looks(3600).check()


def test_a_clock_that_was_set_and_records_that_could_not_be_read_are_told_as_long_as_that_is_so():
    said = {"clock": "the clock of this machine was set on by 3,600 s", "stored records": "could not be read: journal"}
    machine = Machine().looks(troubles=said)
    assert sorted(machine.said) == ["raised clock_set", "raised records_unreadable"]
    machine.looks()
    assert machine.alarms["returned"].null_count() == 0


def test_a_clock_that_is_set_shortens_no_delay():
    machine = Machine().looks(troubles=FULL)
    machine.monitor, machine.wall_s = machine.monitor.shift_wall_clock(3_600_000), machine.wall_s + 3600
    machine.timers = hold.shift(machine.timers, SYSTEM_RULES, 3_600_000)
    machine.looks(9, troubles=FULL).check()
    machine.looks(1, troubles=FULL).check("raised storage_failing", storage_failing="unacknowledged")


@pytest.mark.parametrize("rule", SYSTEM_RULES, ids=lambda rule: rule.name)
def test_every_rule_about_the_system_can_be_raised_and_bears_its_evidence(rule):
    troubles = dict.fromkeys(
        ("storage", "checkpoint", "snapshot", "merging", "clock", "stored records"), "cannot do it"
    )
    kinds = ("delayed", "oldest removed", "discarded", "pumps refused", "grows")

    def reached(times: int) -> list[CapacityLimit]:
        return [each for kind in kinds for each in bound(kind, 95, times, when_full=kind)]

    bad = {"troubles": troubles, "lag_s": 100.0, "came": 2000, "lost": 1000, "resent": 1000, "dropped": 1000}
    machine = Machine().looks(bounds=reached(0))
    for _ in range(6):
        machine.looks(MINUTE, bounds=reached(5), refused=1000, **bad)
    ours = machine.alarms.filter(pl.col("rule") == rule.name)
    assert ours.height
    for text in ours["evidence"]:
        found = decode(text)
        assert found is not None
        assert found.summary
        assert len(text.encode()) <= MAX_BYTES
