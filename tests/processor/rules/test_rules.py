"""Alarm rules are complete and consistent, and refer only to rules that exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from broker.store.snapshot import PRIORITIES
from processor import detectors
from processor.rules import RULES, Rule
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES

SENTENCES = ("meaning", "action", "rationale")
PHRASES = ("title", "time_to_respond")


def flaws(rules: tuple[Rule, ...]) -> Iterator[str]:
    """Yield a description of each flaw in a list of rules."""
    names = [rule.name for rule in rules]
    yield from (f"{name} is listed twice" for name in set(names) if names.count(name) > 1)
    titles = [rule.title for rule in rules]
    yield from (f'two rules are titled "{title}"' for title in set(titles) if titles.count(title) > 1)
    for rule in rules:
        yield from (f"{rule.name} explains {name}, which is not a rule" for name in rule.explains if name not in names)
        yield from (f"{rule.name} has no {text}" for text in (*SENTENCES, *PHRASES) if len(getattr(rule, text)) < 8)
        yield from (
            f"{rule.name}: {text} does not end with a period" for text in SENTENCES if getattr(rule, text)[-1:] != "."
        )
        yield from (f"{rule.name}: {text} ends with a period" for text in PHRASES if getattr(rule, text)[-1:] == ".")
        yield from (
            f"{rule.name}: {text} has an exclamation mark"
            for text in (*SENTENCES, *PHRASES)
            if "!" in getattr(rule, text)
        )
        if rule.priority not in PRIORITIES:
            yield f"{rule.name} has priority {rule.priority}"
        if min(rule.on_delay_s, rule.off_delay_s) < 0 or rule.on_delay_s > rule.detection_target_h * 3600:
            yield f"{rule.name} has impossible delays"
        if rule.name in rule.explains:
            yield f"{rule.name} explains itself"


def test_the_rules_have_no_flaws():
    assert list(flaws((*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES))) == []


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"explains": ("motor_stal",)}, "pump_silent explains motor_stal, which is not a rule"),
        ({"explains": ("pump_silent",)}, "pump_silent explains itself"),
        ({"action": ""}, "pump_silent has no action"),
        ({"meaning": "No data is arriving"}, "pump_silent: meaning does not end with a period"),
        ({"title": "Pump silent."}, "pump_silent: title ends with a period"),
        ({"action": "Call the patient now! Do not wait."}, "pump_silent: action has an exclamation mark"),
        ({"priority": "urgent"}, "pump_silent has priority urgent"),
        ({"on_delay_s": 7200.0}, "pump_silent has impossible delays"),
        ({"off_delay_s": -1.0}, "pump_silent has impossible delays"),
        ({"name": "motor_stall"}, "motor_stall is listed twice"),
        ({"title": "Motor stall"}, 'two rules are titled "Motor stall"'),
    ],
)
def test_a_flaw_in_a_rule_is_found(change, flaw):
    listed = [replace(rule, **change) if rule.name == "pump_silent" else rule for rule in RULES]
    assert flaw in list(flaws(tuple(listed)))


def test_no_rule_suppresses_itself_through_others():
    causes = {rule.name: rule.explains for rule in RULES}
    assert len(list(TopologicalSorter(causes).static_order())) == len(RULES)


def test_every_detector_module_is_used_by_a_rule():
    folder = {path.stem for path in Path(detectors.__file__).parent.glob("*.py")} - {"__init__"}
    used = {rule.detector.score.__module__.rpartition(".")[2] for rule in RULES}
    assert used == folder


def test_the_rationale_of_a_latching_rule_states_when_it_is_reset():
    latched = {rule.name: rule.rationale for rule in (*RULES, *GATEWAY_RULES, *SYSTEM_RULES) if rule.latch}
    assert set(latched) == {
        "motor_intermittent", "pump_reset", "catheter_kink", "program_changed", "records_thrown_away",
        "journal_altered",
    }  # fmt: skip
    assert [name for name, why in latched.items() if "atched until a person" not in why] == []
