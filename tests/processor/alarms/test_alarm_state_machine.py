"""Invariants of alarms under any sequence of violations, returns to normal, passing time and operator actions."""

from __future__ import annotations

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.contract.actions import Acknowledge, InService, Note, OutOfService, Reset, Shelve, Unacknowledge, Unshelve
from processor.alarms import chains, lifecycle
from processor.alarms.actions import carry_out
from processor.alarms.hold import CONDITIONS, Conditions
from processor.alarms.states import NORMAL, STATES, SUPPRESSED, state_of
from processor.alarms.subjects import KEY, Subjects
from processor.rules import RULE_BY_NAME, Rule
from processor.rules.gateways import GATEWAY_RULES

CHAIN = tuple(RULE_BY_NAME[name] for name in ("catheter_occlusion", "motor_stall", "under_delivery", "pump_silent"))
"""The first suppresses the second, and both suppress the third."""
LATCHED_RULE = "motor_stall"
HOUR_MS = 3_600_000
PUMPS = 2
KEYS = [
    *((pump, None, None, None, each.name) for pump in range(PUMPS) for each in CHAIN),
    (None, 0, None, None, "gateway_silent"),
    (None, None, None, None, "fleet_silent"),
]
CONDITION_CHANGES = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["stands", "cleared"]), max_size=5)
ALARM_ACTIONS = st.sampled_from([Acknowledge, Unacknowledge, Note, Shelve, Unshelve, OutOfService, InService, Reset])


def latching(each: Rule) -> Rule:
    values = {name: getattr(each, name) for name in each.__dataclass_fields__}
    return Rule(**{**values, "latch": each.name == LATCHED_RULE})


RULES = (*map(latching, CHAIN), *GATEWAY_RULES)
EXPLAINS = {each.name: each.explains for each in RULES}


class Alarms(RuleBasedStateMachine):
    """Two pumps behind one gateway; every step is repeated and must change nothing the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000
        self.actions = 0
        self.open = lifecycle.no_alarms()

    @property
    def subjects(self) -> Subjects:
        return Subjects(
            pl.Series("pump", ["P-0", "P-1"]),
            pl.Series("owner", [0, 0], dtype=pl.UInt32),
            pl.Series("gateway", ["ward"]),
            pl.Series("now", [self.time], dtype=pl.Int64),
        )

    @rule(changed=CONDITION_CHANGES, wait=st.integers(0, 5))
    def conditions_change(self, changed, wait):
        self.time += wait
        frames = [
            self.conditions_of([key for key, kind in changed.items() if kind == change])
            for change in ("stands", "cleared")
        ]
        self.advance(Conditions(*frames))

    @precondition(lambda self: self.open.height)
    @rule()
    def all_conditions_return_to_normal(self):
        self.time += 1
        keys = list(self.open.select(*KEY).iter_rows())
        self.advance(Conditions(self.conditions_of([]), self.conditions_of(keys)))

    @rule(hours=st.sampled_from([0.0, 0.5, 3.0, 13.0]))
    def time_passes(self, hours):
        self.time += round(hours * HOUR_MS)
        after, changes = lifecycle.tick(self.open, subjects=self.subjects, rules=RULES)
        again, nothing = lifecycle.tick(after, subjects=self.subjects, rules=RULES)
        assert again.equals(after)
        assert nothing.height == 0
        self.check_changes(after, changes)

    @precondition(lambda self: self.open.height)
    @rule(action_type=ALARM_ACTIONS, data=st.data())
    def an_operator_acts(self, action_type, data):
        ids = data.draw(st.lists(st.sampled_from(self.open["alarm"].to_list()), min_size=1, max_size=3, unique=True))
        self.actions += 1
        duration = {"for_s": 7200.0} if action_type is Shelve else {}
        action = action_type(id=str(self.actions), alarms=ids, who="anna", at=self.time, why="a reason", **duration)
        before = self.open
        after, changes, outcome = carry_out(before, action, subjects=self.subjects, rules=RULES)
        assert outcome.done + outcome.refused == len(ids)
        assert outcome.ok or after.equals(before)
        done = changes.filter(pl.col("action") == action.id)
        assert done.filter(pl.col("kind") != "refused").height == outcome.done
        again, _, second = carry_out(after, action, subjects=self.subjects, rules=RULES)
        assert again.equals(after)
        assert second.done == 0 or action_type in {Note, Shelve}
        self.check_changes(after, changes)

    def advance(self, conditions):
        after, changes = lifecycle.advance(self.open, conditions, now=1, subjects=self.subjects, rules=RULES)
        again, nothing = lifecycle.advance(after, conditions, now=2, subjects=self.subjects, rules=RULES)
        assert again.equals(after)
        assert nothing.height == 0
        self.check_changes(after, changes)

    def conditions_of(self, keys):
        rows = [(*key, self.time - 1, self.time, 1.0) for key in keys]
        return pl.DataFrame(rows, CONDITIONS, orient="row")

    def check_changes(self, after, changes):
        """Check that no alarm vanishes: the changes alone account for every alarm that opened or cleared."""
        before = self.open
        raised = changes.filter(pl.col("kind") == "raised")["alarm"].to_list()
        cleared = changes.filter(pl.col("kind") == "cleared")["alarm"].to_list()
        assert sorted(after["alarm"]) == sorted({*before["alarm"], *raised} - set(cleared))
        assert len(set(raised)) == len(raised)
        self.check_cleared(before, changes, set(cleared))
        self.check_released(before, after, changes)
        self.open = after

    def check_cleared(self, before, changes, cleared):
        """Check that each cleared alarm was acknowledged and had returned to normal, or ended while suppressed."""
        known = {row["alarm"]: row for row in before.iter_rows(named=True)}
        kinds: dict[str, set[str]] = {}
        for name, kind in changes.select("alarm", "kind").iter_rows():
            kinds.setdefault(name, set()).add(kind)
        for name in cleared:
            alarm, events = known[name], kinds[name]
            returned = alarm["returned"] is not None or "returned" in events
            acknowledged = alarm["acknowledged_wall"] is not None or "acknowledged" in events
            assert (returned and acknowledged) or alarm["under"] is not None
            assert alarm["rule"] != LATCHED_RULE or "reset" in events

    def check_released(self, before, after, changes):
        """Check that an alarm that still stands when its cause is gone is annunciated, with a `released` event."""
        standing = after.filter(pl.col("under").is_null() & pl.col("returned").is_null())
        suppressed = set(before.filter(state_of() == SUPPRESSED)["alarm"])
        annunciated = set(standing.filter(state_of().is_in(["unacknowledged", "acknowledged"]))["alarm"])
        released = set(changes.filter(pl.col("kind") == "released")["alarm"])
        assert suppressed & annunciated <= released

    @invariant()
    def a_subject_has_at_most_one_alarm_of_a_rule(self):
        assert self.open.select(*KEY).is_unique().all()
        assert self.open["alarm"].is_unique().all()

    @invariant()
    def every_open_alarm_has_a_state_and_none_is_normal(self):
        states = set(self.open.select(state_of().alias("state"))["state"])
        assert states <= set(STATES) - {NORMAL}
        assert dict(self.open.schema) == lifecycle.SCHEMA

    @invariant()
    def every_suppressed_alarm_has_a_standing_cause_and_a_root_that_is_not_suppressed(self):
        rows = {row["alarm"]: row for row in self.open.with_columns(state_of().alias("state")).iter_rows(named=True)}
        for (name, row), root in zip(rows.items(), chains.roots(self.open), strict=True):
            if row["under"] is None:
                assert root == name
                continue
            cause = rows[row["under"]]
            assert cause["returned"] is None
            assert cause["out_wall"] is None
            assert row["rule"] in EXPLAINS[cause["rule"]]
            assert cause["pump"] in {None, row["pump"]}
            assert rows[root]["state"] != SUPPRESSED


Alarms.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
test_no_sequence_of_events_loses_or_duplicates_an_alarm = Alarms.TestCase
