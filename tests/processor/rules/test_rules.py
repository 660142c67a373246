"""The alarm list says everything a person needs, and nothing that does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from broker.store.snapshot import PRIORITIES
from processor import detectors
from processor.rules import RULES, Rule
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES

SENTENCES = ("meaning", "action", "rationale")
PHRASES = ("title", "time_to_respond")


def flaws(rules: tuple[Rule, ...]) -> Iterator[str]:
    """Say what is wrong with an alarm list."""
    names = [rule.name for rule in rules]
    yield from (f"{name} stands twice" for name in set(names) if names.count(name) > 1)
    for rule in rules:
        yield from (f"{rule.name} explains {name}, which is no rule" for name in rule.explains if name not in names)
        yield from (f"{rule.name} has no {text}" for text in (*SENTENCES, *PHRASES) if len(getattr(rule, text)) < 8)
        yield from (
            f"{rule.name}: {text} ends in no full stop" for text in SENTENCES if getattr(rule, text)[-1:] != "."
        )
        yield from (f"{rule.name}: {text} ends in a full stop" for text in PHRASES if getattr(rule, text)[-1:] == ".")
        yield from (f"{rule.name}: {text} shouts" for text in (*SENTENCES, *PHRASES) if "!" in getattr(rule, text))
        if rule.priority not in PRIORITIES:
            yield f"{rule.name} has priority {rule.priority}"
        if min(rule.on_delay_s, rule.off_delay_s) < 0 or rule.on_delay_s > rule.detection_target_h * 3600:
            yield f"{rule.name} has delays that cannot be"
        if rule.name in rule.explains:
            yield f"{rule.name} explains itself"


def test_the_alarm_list_has_no_flaws():
    assert list(flaws((*RULES, *GATEWAY_RULES, *SYSTEM_RULES))) == []


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"explains": ("motor_stal",)}, "pump_silent explains motor_stal, which is no rule"),
        ({"explains": ("pump_silent",)}, "pump_silent explains itself"),
        ({"action": ""}, "pump_silent has no action"),
        ({"meaning": "Nothing has been heard"}, "pump_silent: meaning ends in no full stop"),
        ({"title": "Pump silent."}, "pump_silent: title ends in a full stop"),
        ({"action": "Call the patient now! Do not wait."}, "pump_silent: action shouts"),
        ({"priority": "urgent"}, "pump_silent has priority urgent"),
        ({"on_delay_s": 7200.0}, "pump_silent has delays that cannot be"),
        ({"off_delay_s": -1.0}, "pump_silent has delays that cannot be"),
        ({"name": "motor_stall"}, "motor_stall stands twice"),
    ],
)
def test_a_planted_flaw_is_found(change, flaw):
    listed = [replace(rule, **change) if rule.name == "pump_silent" else rule for rule in RULES]
    assert flaw in list(flaws(tuple(listed)))


def test_no_two_rules_explain_each_other_over_others():
    causes = {rule.name: rule.explains for rule in RULES}
    assert len(list(TopologicalSorter(causes).static_order())) == len(RULES)


def test_every_detector_of_the_folder_is_used_by_a_rule():
    folder = {path.stem for path in Path(detectors.__file__).parent.glob("*.py")} - {"__init__"}
    used = {rule.detector.score.__module__.rpartition(".")[2] for rule in RULES}
    assert used == folder


def test_an_alarm_that_latches_says_for_whom_it_waits():
    latched = {rule.name: rule.rationale for rule in (*RULES, *GATEWAY_RULES, *SYSTEM_RULES) if rule.latch}
    assert set(latched) == {
        "motor_intermittent", "pump_reset", "catheter_kink", "program_changed", "records_thrown_away"
    }  # fmt: skip
    assert [name for name, why in latched.items() if "stays until a person" not in why] == []
