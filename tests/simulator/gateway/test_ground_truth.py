"""Ground truth is published on its own topic and file, and the processor cannot have read it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from broker.contract import topics
from broker.contract.commands import Inject
from broker.truth.ground_truth import FaultChange, RunHeader, read_ground_truth
from cluster.node import topics_of
from processor.service.settings import Part
from simulator.gateway import ground_truth
from simulator.gateway.commands import CommandExecutor
from simulator.playback.scenario import ScheduledEvent, default
from simulator.playback.simulation import Simulation

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def fleet() -> Simulation:
    return Simulation(default(pumps=10), start_ms=0)


def test_what_begins_and_ends_is_told_once_with_the_severity_after_the_ramp(fleet):
    reporter = ground_truth.GroundTruthReporter(fleet)
    assert reporter.changes() == []
    fleet.tick()
    fleet.inject("motor_stall", np.array([7, 2]), severity=0.5, ramp_s=600)
    begun = [(each.kind, each.pump, each.fault, each.severity, each.since, each.time) for each in reporter.changes()]
    assert begun == [("begun", f"ITB-00000{n}", "motor_stall", 0.5, 60_000, 60_000) for n in (2, 7)]
    fleet.tick()
    assert reporter.changes() == []
    fleet.clear(np.array([2]))
    ended = reporter.changes()
    assert [(each.kind, each.pump, each.time) for each in ended] == [("ended", "ITB-000002", 120_000)]


def test_a_fault_that_heals_by_itself_is_told_to_have_ended(fleet):
    reporter = ground_truth.GroundTruthReporter(fleet)
    fleet.inject("motor_stall", np.array([2]), severity=1, hold_s=60)
    kinds = [[each.kind for each in reporter.changes()] for _ in range(4) if fleet.tick().height]
    assert kinds == [["begun"], ["ended"], [], []]


def test_that_gateways_are_cut_off_is_told_where_it_lasts_so_long_that_it_is_missed():
    events = tuple(
        ScheduledEvent(name, pumps, None, 60.0, hold_s=hold_s)
        for name, pumps, hold_s in (
            ("broker_outage", "0-1", 600.0),
            ("broker_outage", "2", 479.0),
            ("gateway_restart", "3", 480.0),
            ("fever", "4", 600.0),
        )
    )
    fleet = Simulation(replace(default(pumps=10), events=events), start_ms=0, on_wire=True)
    reporter, changes = ground_truth.GroundTruthReporter(fleet), []
    for _ in range(13):
        fleet.tick()
        changes += [(each.kind, each.fault, each.pump[-1], each.time // 60_000) for each in reporter.changes()]
    assert changes == [
        ("begun", "broker_outage", "0", 2),
        ("begun", "broker_outage", "1", 2),
        ("begun", "gateway_restart", "3", 2),
        ("ended", "gateway_restart", "3", 10),
        ("ended", "broker_outage", "0", 12),
        ("ended", "broker_outage", "1", 12),
    ]


def test_many_changes_are_split_into_messages_that_can_be_read(fleet, monkeypatch):
    monkeypatch.setattr(ground_truth, "MAX_CHANGES", 4)
    fleet.inject("motor_stall", np.arange(10), severity=1)
    sent = [
        read_ground_truth(message)
        for message in ground_truth.messages(ground_truth.GroundTruthReporter(fleet).changes(), 5)
    ]
    assert [len(each.changes) for each in sent] == [4, 4, 2]
    assert sent[0].sent == 5


def test_the_file_has_a_line_a_change_and_begins_anew_and_has_a_bound(fleet, tmp_path, monkeypatch, caplog):
    fleet.inject("motor_stall", np.arange(3), severity=1)
    changes, header = ground_truth.GroundTruthReporter(fleet).changes(), ground_truth.run_header(fleet)
    for _ in range(2):
        ground_truth.LedgerFile(tmp_path, header).write(changes)
    first, *lines = (tmp_path / ground_truth.FILE).read_bytes().splitlines()
    assert msgspec.json.decode(first, type=RunHeader) == header
    assert [msgspec.json.decode(line, type=FaultChange) for line in lines] == changes
    monkeypatch.setattr(ground_truth, "MAX_BYTES", 700)
    small = ground_truth.LedgerFile(tmp_path, RunHeader(time=1, pumps=1))
    for _ in range(9):
        small.write(changes)
    assert 0 < (tmp_path / ground_truth.FILE).stat().st_size <= 700
    assert caplog.text.count("reached its limit") == 1


def test_the_processor_neither_subscribes_to_the_truth_nor_knows_of_it():
    subscribed = set()
    for path in (ROOT / "processor").rglob("*.py"):
        source = path.read_text()
        assert not re.search("truth(?!y)", source, re.IGNORECASE), path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "subscribe":
                subscribed |= {ast.unparse(argument) for argument in node.args}
    assert subscribed == {"ALL_PROCESSORS", "topic"}, "each topic is one of those that follow"
    assert "(ALL, COMMAND, PART) if part is None else part.topics" in (ROOT / "processor/service/loop.py").read_text()
    some = topics_of(0, 8)
    assert set(Part(0, 8, "range 0", some, Path(), lambda: True).topics) == {*some, topics.COMMAND, topics.PART}
    assert all(topic.startswith("itb/") for topic in some)
    assert topics.ALL == "itb/#"
    assert not topics.TRUTH.startswith(("itb/", topics.ALL_PROCESSORS.removesuffix("+")))
    assert topics.TRUTH not in {topics.COMMAND, topics.PART}
    assert not {"#", "+"} & {*topics.COMMAND, *topics.PART}


def test_no_sample_tells_what_is_wrong(fleet):
    fleet.inject("motor_stall", np.arange(10), severity=1)
    assert not {"fault", "severity"} & set(fleet.tick().columns)


def test_the_truth_says_who_commanded_a_fault_and_that_nobody_did_what_a_scenario_began():
    simulation = Simulation(default(pumps=3), start_ms=0)
    executor = CommandExecutor(simulation)
    reporter = ground_truth.GroundTruthReporter(simulation, executor.commanded)
    executor.execute("g", range(3), Inject(id="1", fault="motor_stall", pumps=["ITB-000001"], who="maria"))
    simulation.inject("silent_pump", np.array([2]), severity=1.0)
    assert {(change.fault, change.by) for change in reporter.changes()} == {
        ("motor_stall", "maria"),
        ("silent_pump", ""),
    }
    assert executor.commanded == {}
