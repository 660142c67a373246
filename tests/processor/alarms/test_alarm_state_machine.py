"""Any sequence of violations, returns, passing time and people's actions keeps what alarms promise."""

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
"""The first explains the second, and both explain the third."""
LATCHED_RULE = "motor_stall"
HOUR_MS = 3_600_000
PUMPS = 2
KEYS = [
    *((pump, None, None, None, each.name) for pump in range(PUMPS) for each in CHAIN),
    (None, 0, None, None, "gateway_silent"),
    (None, None, None, None, "fleet_silent"),
]
SEEN = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["stands", "over"]), max_size=5)
ALARM_ACTIONS = st.sampled_from([Acknowledge, Unacknowledge, Note, Shelve, Unshelve, OutOfService, InService, Reset])


def latching(each: Rule) -> Rule:
    values = {name: getattr(each, name) for name in each.__dataclass_fields__}
    return Rule(**{**values, "latch": each.name == LATCHED_RULE})


RULES = (*map(latching, CHAIN), *GATEWAY_RULES)
EXPLAINS = {each.name: each.explains for each in RULES}


class Alarms(RuleBasedStateMachine):
    """Two pumps behind one gateway; every step is done twice."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000
        self.deeds = 0
        self.open = lifecycle.no_alarms()

    @property
    def subjects(self) -> Subjects:
        return Subjects(
            pl.Series("pump", ["P-0", "P-1"]),
            pl.Series("owner", [0, 0], dtype=pl.UInt32),
            pl.Series("gateway", ["ward"]),
            pl.Series("now", [self.time], dtype=pl.Int64),
        )

    @rule(seen=SEEN, wait=st.integers(0, 5))
    def something_is_seen(self, seen, wait):
        self.time += wait
        frames = [self.observed([key for key, kind in seen.items() if kind == what]) for what in ("stands", "over")]
        self.look(Conditions(*frames))

    @precondition(lambda self: self.open.height)
    @rule()
    def everything_is_over(self):
        self.time += 1
        keys = list(self.open.select(*KEY).iter_rows())
        self.look(Conditions(self.observed([]), self.observed(keys)))

    @rule(hours=st.sampled_from([0.0, 0.5, 3.0, 13.0]))
    def time_passes(self, hours):
        self.time += round(hours * HOUR_MS)
        after, changes = lifecycle.tick(self.open, subjects=self.subjects, rules=RULES)
        again, nothing = lifecycle.tick(after, subjects=self.subjects, rules=RULES)
        assert again.equals(after)
        assert nothing.height == 0
        self.take(after, changes)

    @precondition(lambda self: self.open.height)
    @rule(deed=ALARM_ACTIONS, data=st.data())
    def somebody_acts(self, deed, data):
        ids = data.draw(st.lists(st.sampled_from(self.open["alarm"].to_list()), min_size=1, max_size=3, unique=True))
        self.deeds += 1
        more = {"for_s": 7200.0} if deed is Shelve else {}
        action = deed(id=str(self.deeds), alarms=ids, who="anna", at=self.time, why="a reason", **more)
        before = self.open
        after, changes, outcome = carry_out(before, action, subjects=self.subjects, rules=RULES)
        assert outcome.done + outcome.refused == len(ids)
        assert outcome.ok or after.equals(before)
        done = changes.filter(pl.col("action") == action.id)
        assert done.filter(pl.col("kind") != "refused").height == outcome.done
        again, _, second = carry_out(after, action, subjects=self.subjects, rules=RULES)
        assert again.equals(after)
        assert second.done == 0 or deed in {Note, Shelve}
        self.take(after, changes)

    def look(self, seen):
        after, changes = lifecycle.advance(self.open, seen, now=1, subjects=self.subjects, rules=RULES)
        again, nothing = lifecycle.advance(after, seen, now=2, subjects=self.subjects, rules=RULES)
        assert again.equals(after)
        assert nothing.height == 0
        self.take(after, changes)

    def observed(self, keys):
        rows = [(*key, self.time - 1, self.time, 1.0) for key in keys]
        return pl.DataFrame(rows, CONDITIONS, orient="row")

    def take(self, after, changes):
        """No alarm vanishes: who hears the changes alone knows which are open, and why one is not any more."""
        before = self.open
        raised = changes.filter(pl.col("kind") == "raised")["alarm"].to_list()
        cleared = changes.filter(pl.col("kind") == "cleared")["alarm"].to_list()
        assert sorted(after["alarm"]) == sorted({*before["alarm"], *raised} - set(cleared))
        assert len(set(raised)) == len(raised)
        self.cleared_rightly(before, changes, set(cleared))
        self.held_ones_come_back(before, after, changes)
        self.open = after

    def cleared_rightly(self, before, changes, cleared):
        """What is cleared had returned and been seen, or ended while another alarm held it back."""
        known = {row["alarm"]: row for row in before.iter_rows(named=True)}
        kinds: dict[str, set[str]] = {}
        for name, kind in changes.select("alarm", "kind").iter_rows():
            kinds.setdefault(name, set()).add(kind)
        for name in cleared:
            was, said = known[name], kinds[name]
            returned = was["returned"] is not None or "returned" in said
            seen = was["acknowledged_wall"] is not None or "acknowledged" in said
            assert (returned and seen) or was["under"] is not None
            assert was["rule"] != LATCHED_RULE or "reset" in said

    def held_ones_come_back(self, before, after, changes):
        """What was held and still stands when its cause is gone calls by itself, and is said to."""
        names = after.filter(pl.col("under").is_null() & pl.col("returned").is_null())
        was = set(before.filter(state_of() == SUPPRESSED)["alarm"])
        loud = set(names.filter(state_of().is_in(["unacknowledged", "acknowledged"]))["alarm"])
        released = set(changes.filter(pl.col("kind") == "released")["alarm"])
        assert was & loud <= released

    @invariant()
    def a_subject_has_one_alarm_of_a_rule_at_most(self):
        assert self.open.select(*KEY).is_unique().all()
        assert self.open["alarm"].is_unique().all()

    @invariant()
    def every_open_alarm_has_a_state_and_none_is_normal(self):
        states = set(self.open.select(state_of().alias("state"))["state"])
        assert states <= set(STATES) - {NORMAL}
        assert dict(self.open.schema) == lifecycle.SCHEMA

    @invariant()
    def every_held_alarm_has_a_standing_cause_and_on_top_one_that_people_see(self):
        rows = {row["alarm"]: row for row in self.open.with_columns(state_of().alias("state")).iter_rows(named=True)}
        for (name, row), top in zip(rows.items(), chains.roots(self.open), strict=True):
            if row["under"] is None:
                assert top == name
                continue
            cause = rows[row["under"]]
            assert cause["returned"] is None
            assert cause["out_wall"] is None
            assert row["rule"] in EXPLAINS[cause["rule"]]
            assert cause["pump"] in {None, row["pump"]}
            assert rows[top]["state"] != SUPPRESSED


Alarms.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
test_alarms_keep_their_promises = Alarms.TestCase
