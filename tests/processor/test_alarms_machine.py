"""Any sequence of violations, returns and acknowledgements keeps what alarms promise."""

from __future__ import annotations

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.messages import Acknowledge
from processor import alarms
from processor.alarms import OBSERVED, SCHEMA, Violations
from processor.rules import RULE_BY_NAME

RULES = tuple(RULE_BY_NAME[name] for name in ("catheter_occlusion", "motor_stall", "under_delivery"))
"""The first explains the second, and both explain the third."""
SERIALS = pl.Series("pump", ["P-0", "P-1"])
KEYS = [(pump, each.name) for pump in range(2) for each in RULES]
SEEN = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["stands", "over"]), max_size=4)


class Alarms(RuleBasedStateMachine):
    """Two pumps, three rules; every step is done twice."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000
        self.open = alarms.no_alarms()

    @rule(seen=SEEN, acknowledged=st.sets(st.sampled_from(KEYS), max_size=2), wait=st.integers(0, 5))
    def advance(self, seen, acknowledged, wait):
        self.time += wait
        frames = {
            what: self.observed([key for key, kind in seen.items() if kind == what]) for what in ("stands", "over")
        }
        chosen = [row for row in self.open.iter_rows(named=True) if (row["pump"], row["rule"]) in acknowledged]
        self.step(Violations(frames["stands"], frames["over"]), [row["alarm"] for row in chosen])

    @precondition(lambda self: self.open.height)
    @rule()
    def acknowledge_everything(self):
        self.step(Violations(self.observed([]), self.observed([])), self.open["alarm"].to_list())

    def observed(self, keys):
        rows = [(pump, name, self.time - 1, self.time, 1.0) for pump, name in keys]
        return pl.DataFrame(rows, OBSERVED, orient="row")

    def step(self, seen, acknowledged):
        before = alarms.held_under(self.open, RULES)
        action = (Acknowledge(id="1", alarms=acknowledged, who="anna", at=5),) if acknowledged else ()
        after, changes = alarms.advance(self.open, seen, action, now=1, serials=SERIALS, rules=RULES)
        again, nothing = alarms.advance(after, seen, action, now=2, serials=SERIALS, rules=RULES)
        assert again.equals(after)
        assert nothing.height == 0
        self.cleared_rightly(before, changes)
        self.changes_tell_the_difference(before, after, changes)
        self.open = after

    def cleared_rightly(self, before, changes):
        """What is cleared had returned and been acknowledged, or ended while another alarm held it."""
        known = {row["alarm"]: row for row in before.iter_rows(named=True)}
        kinds = {name: set() for name in changes["alarm"]}
        for name, kind in changes.select("alarm", "kind").iter_rows():
            kinds[name].add(kind)
        for name, said in kinds.items():
            if "cleared" in said:
                was = known.get(name, dict.fromkeys(before.columns))
                returned = was["returned"] is not None or "returned" in said
                seen = was["acknowledged_wall"] is not None or "acknowledged" in said
                assert (returned and seen) or was["under"] is not None

    def changes_tell_the_difference(self, before, after, changes):
        """Who hears the changes alone knows which alarms are open."""
        raised = changes.filter(pl.col("kind") == "raised")["alarm"].to_list()
        cleared = changes.filter(pl.col("kind") == "cleared")["alarm"].to_list()
        assert sorted(after["alarm"]) == sorted({*before["alarm"], *raised} - set(cleared))
        assert len(set(raised)) == len(raised)

    @invariant()
    def a_pump_has_one_alarm_of_a_rule_at_most(self):
        assert self.open.select("pump", "rule").is_unique().all()
        assert self.open["alarm"].is_unique().all()

    @invariant()
    def nothing_open_is_over_and_seen(self):
        done = pl.col("returned").is_not_null() & pl.col("acknowledged_wall").is_not_null()
        assert self.open.filter(done).height == 0
        assert dict(self.open.schema) == SCHEMA

    @invariant()
    def every_held_alarm_has_a_standing_cause_on_its_pump_that_is_named_in_the_list(self):
        held = alarms.held_under(self.open, RULES)
        causes = {row["alarm"]: row for row in held.iter_rows(named=True)}
        for row in held.filter(pl.col("under").is_not_null()).iter_rows(named=True):
            cause = causes[row["under"]]
            assert cause["returned"] is None
            assert cause["pump"] == row["pump"]
            assert row["rule"] in RULE_BY_NAME[cause["rule"]].explains


Alarms.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
test_alarms_keep_their_promises = Alarms.TestCase
