"""One table of names: rules, faults, states and signals are called the same on pages, by commands and in documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from broker.contract.signals import FLAGS, SIGNAL_BY_NAME
from broker.display.names import ALARM_STATES, entry_kind, words
from broker.store.snapshot import ALARMS_SCHEMA, Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble
from dashboard.components import grids
from dashboard.data.services import DataService
from processor.alarms.states import STATES
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from pumpwatch.__main__ import app
from pumpwatch.documentation import pictures
from simulator.faults import FAULTS
from tests.conftest import ROOT
from tests.dashboard.conftest import browser_of, data_of, make_fleet, settings, wire  # noqa: F401 - fixtures
from tests.dashboard.pages.test_pages import MODULES, answers

EVERY_RULE: Final = (*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)
SIGN_NOT_CAUSE: Final = {
    "telemetry_mode": "the motor is seen not to be driven; the mode is a guess",
    "mri_stall": "the motor is seen not to restart; that a scan stopped it is expected",
    "electrical_reset": "the rate is seen to be the minimum; a reset is one way to it",
    "feedthrough_short": "the current is seen to be erratic; the short is inside the can",
    "catheter_tip_mass": "the occlusion is seen to grow; what grows is not seen",
    "program_corrupted": "the program is seen to change; whether by mistake is not seen",
}
"""Faults whose one rule is named after what it sees, with the reason; every other has the fault's name in its title."""
FORMER: Final = (
    "Positional kink",
    "Tip mass",
    "Stuck sensor",
    "Noisy sensor",
    "Biased sensor",
    "Drifting sensor",
    "Unit slip",
    "Silent pump",
    "Wrong refill volume",
    "Clock skew",
    "Too little delivered",
    "Too much delivered",
)
"""Names that rules and faults once had."""
OTHER_THINGS: Final = {
    "Clock ahead": "a measurement of the rule Pump clock ahead",
    "Refill due": "the forecast on a pump's page",
}
"""Names that read like a second one of a rule, and are the one name of something else."""
SECOND: Final = sorted(
    {
        *FORMER,
        *(words(rule.name) for rule in EVERY_RULE if words(rule.name).lower() != rule.title.lower()),
        *(words(fault.name) for fault in FAULTS.values()),
    }
    - {rule.title for rule in EVERY_RULE}
    - {fault.title for fault in FAULTS.values()}
    - {flag.title for flag in FLAGS}
    - set(OTHER_THINGS)
)
"""Names that identifiers would give to rules and faults, had they no titles, and those they once had."""
_TITLES: Final = re.compile(
    "|".join(sorted((re.escape(one.title) for one in (*EVERY_RULE, *FAULTS.values())), key=len, reverse=True))
)
_SECOND: Final = re.compile("|".join(rf"\b{re.escape(name)}\b(?!-)" for name in SECOND))


def second_names(text: str) -> list[str]:
    """Return the second names in a text, outside of titles."""
    return sorted(set(_SECOND.findall(_TITLES.sub("·", text))))


def test_a_second_name_is_found() -> None:
    assert second_names("Mri stall, Under delivery; Under-delivery") == ["Mri stall", "Under delivery"]


@pytest.mark.parametrize("kind", ["rule", "fault"])
def test_no_two_rules_and_no_two_faults_have_one_name(kind: str) -> None:
    titles = [one.title.lower() for one in (EVERY_RULE if kind == "rule" else FAULTS.values())]
    assert sorted(titles) == sorted(set(titles))


def test_a_fault_and_the_one_rule_that_identifies_it_share_their_name() -> None:
    alone = {
        fault: rules[0].title
        for fault in FAULTS
        if len(rules := [rule for rule in EVERY_RULE if fault in rule.identifies]) == 1
        and len(rules[0].identifies) == 1
    }
    differ = {fault for fault, title in alone.items() if FAULTS[fault].title.lower() not in title.lower()}
    assert differ == set(SIGN_NOT_CAUSE)


def test_the_causes_that_evidence_rules_out_are_titles() -> None:
    known = {one.title.lower() for one in (*EVERY_RULE, *FAULTS.values())}
    unknown = {
        cause
        for rule in RULES
        for excluded in rule.rules_out
        for cause in excluded.cause.lower().split(" or ")
        if cause not in known
    }
    assert unknown == set()


def test_every_state_of_an_alarm_has_one_word() -> None:
    assert set(ALARM_STATES) == set(STATES)
    assert entry_kind("returned") == "Returned to normal"


def test_a_chart_calls_a_signal_by_its_title_or_part_of_it() -> None:
    labels = {name: label.partition(",")[0] for name, label in (*pictures.PANELS, *pictures.LINK_PANELS)}
    labels |= {"flow_ul_h": "Flow"}
    labels |= {column["field"]: column["headerName"] for column in grids.PUMP_COLUMNS}
    for name, signal in SIGNAL_BY_NAME.items():
        assert labels.get(name, "").lower() in signal.title.lower(), name


def prose() -> Iterator[str]:
    """Yield the paths of documents, but for the changelog and the decisions, which tell of former names."""
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/reference/*.md"):
        yield from (path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


@pytest.mark.parametrize("path", sorted(prose()))
def test_no_document_has_a_second_name(path: str) -> None:
    assert second_names((ROOT / path).read_text("utf-8")) == []


@pytest.mark.parametrize("command", ["faults", "rules"])
def test_no_command_has_a_second_name(command: str) -> None:
    result = CliRunner().invoke(app, [command], env={"COLUMNS": "400"})
    assert result.exit_code == 0
    assert second_names(result.output) == []
    for one in FAULTS.values() if command == "faults" else EVERY_RULE:
        assert one.title in result.output


def everything_at_once() -> Snapshot:
    """Return a fleet in which every rule has an alarm, and the titles that the processor sends along."""
    rules = EVERY_RULE
    snapshot = make_fleet(len(rules), alarms=len(rules))
    names = pl.DataFrame({"rule": [rule.name for rule in rules], "title": [rule.title for rule in rules]})
    alarms = pl.DataFrame([names.get_column(c) if c in names else snapshot.alarms[c] for c in ALARMS_SCHEMA])
    pumps = snapshot.pumps.with_columns(pl.Series("worst", names["rule"]).cast(snapshot.pumps["worst"].dtype))
    health = msgspec.structs.replace(
        snapshot.health,
        faults=list(FAULTS),
        fault_titles={name: fault.title for name, fault in FAULTS.items()},
        rules={rule.name: rule.title for rule in RULES},
    )
    return Snapshot.of(pumps, alarms, snapshot.gateways, health)


@pytest.mark.parametrize("page", MODULES, ids=lambda page: page.__name__.rpartition(".")[2])
async def test_no_page_has_a_second_name(
    page: Any,
    data_of: Callable[[Snapshot], DataService],  # noqa: F811
    browser_of: Any,  # noqa: F811
) -> None:
    data = data_of(everything_at_once())
    VISITOR.set(Visitor("eva", "engineer"))
    async with browser_of(assemble(data).server) as client:
        shown = json.dumps([text for _, _, text in await answers(client, page, data, "ITB-000003")], ensure_ascii=False)
    assert second_names(shown) == []
