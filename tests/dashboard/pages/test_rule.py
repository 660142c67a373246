"""The page of a rule says which event of IEEE 11073 its alarms are, if there is one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from dashboard.pages import rule
from processor.rules import RULES
from processor.view.rule_table import rule_table


def test_a_rule_names_its_event_of_ieee_11073_or_none(fleet: Any) -> None:
    snapshot = replace(fleet(3), rules=rule_table(RULES))

    def shown(name: str) -> str:
        return json.dumps(rule.body(snapshot, name), default=lambda one: one.to_plotly_json(), ensure_ascii=False)

    assert "MDC_EVT_FLUID_LINE_OCCL (196940)" in shown("catheter_occlusion")
    assert '"Event in IEEE 11073"' in shown("refill_missed")
    assert "MDC_EVT" not in shown("refill_missed")
