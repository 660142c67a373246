"""What the snapshot says about rules is what the rules say themselves."""

from __future__ import annotations

import polars as pl

from broker.store.snapshot_files import SnapshotWriter, TableFiles, read
from processor.rules import RULE_BY_NAME, RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from processor.view.rule_table import rule_table
from tests.broker.store.test_snapshot import numbered

ALL = (*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)


def test_every_rule_has_a_row_with_its_own_title_and_what_to_do() -> None:
    table = rule_table(ALL)
    assert table["rule"].to_list() == [rule.name for rule in ALL]
    assert table["title"].to_list() == [rule.title for rule in ALL]
    assert table.filter(pl.col("action") == "").is_empty()
    assert set(table["subject_kind"]) == {"pump", "gateway", "fleet", "cohort", "system"}


def test_a_threshold_is_a_sentence_with_unit_and_normal_value() -> None:
    stall = rule_table(ALL).row(by_predicate=pl.col("rule") == "motor_stall", named=True)
    assert stall["thresholds"][0] == "Rotor turns vs. commanded: limit 88 % (normally 100 %)"
    assert stall["on_delay_s"] == RULE_BY_NAME["motor_stall"].on_delay_s
    assert "feedthrough_short" in stall["suppressed_by"]
    closing = rule_table(ALL).row(by_predicate=pl.col("rule") == "catheter_closing", named=True)
    assert closing["thresholds"][0].endswith("limit set for each pump from its program and baseline")
    of = dict(rule_table(ALL).select("rule", "thresholds").iter_rows())
    assert of["fleet_silent"] == ["Silent pumps: limit set from the number of pumps"]
    assert of["cohort_battery"][0].endswith("limit set from the rest of the fleet")


def test_the_snapshot_carries_the_rules_and_writes_them_once(tmp_path) -> None:
    writer, small = SnapshotWriter(tmp_path), {"rules": rule_table(RULES)}
    first = numbered(1)
    parts = {"facts": first.table.facts, "values": first.table.values, "forecasts": first.table.forecasts}
    files = writer.write_table(parts, TableFiles(), at=1, run=1, version=1)
    for version in (1, 2, 3):
        writer.publish(files, small, numbered(version).health)
    assert read(tmp_path).rules.equals(rule_table(RULES))
    assert len(list(tmp_path.glob("rules-*"))) == 1
