"""Journal recorder: commands, replies and gateway changes are recorded, and never reach detection."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from broker.contract.commands import Clear, Inject, Refill, Reply
from broker.contract.gateway_messages import Status
from broker.contract.messages import encode
from broker.contract.part_notices import Notice
from broker.contract.topics import PART, TRUTH
from broker.mqtt.link import Message
from processor.pipeline import Pipeline
from tests.unsigned import Unsigned

START_MS = 1_767_225_600_000
ROOT = Path(__file__).resolve().parents[3]


def recorded(watch) -> list[dict[str, object]]:
    """Return the entries of all batches since this function last ran."""
    entries = watch.entries().to_dicts()
    watch.results.clear()
    return entries


def test_a_command_and_its_reply_are_recorded_with_operator_action_and_pumps(watch):
    watch.birth("A", "B")
    recorded(watch)
    watch.deliver(encode(Inject(id="7", fault="motor_stall", pumps=["A"], severity=0.5, who="anna")), "command")
    watch.deliver(encode(Reply(id="7", gateway="ward", ok=True, text="motor_stall begins", time=START_MS)), "reply")
    watch.deliver(encode(Refill(id="8", pumps=["A", "B"], entered_ml=90, who="ben")), "command")
    watch.deliver(encode(Reply(id="8", gateway="ward", ok=False, text="90 mL is too much")), "reply")
    command, done, refill, refused = recorded(watch)
    assert (command["kind"], command["title"], command["who"]) == ("ordered", "inject on ward", "anna")
    assert (command["pump"], command["pumps"], command["text"]) == ("A", ["A"], "fault motor_stall, severity 0.5")
    assert (done["kind"], done["who"], done["time"], done["pumps"]) == ("done", "anna", START_MS, ["A"])
    assert (refill["title"], refill["pump"], refill["pumps"]) == ("refill on ward", None, ["A", "B"])
    assert (refused["kind"], refused["text"], refused["who"]) == ("refused", "90 mL is too much", "ben")
    assert len({row["once"] for row in (command, done, refill, refused)}) == 4


def test_a_command_for_all_pumps_names_those_of_its_gateway(watch):
    watch.birth("A", "B")
    watch.birth("C", gateway="other")
    recorded(watch)
    watch.deliver(encode(Clear(id="1", who="anna")), "command")
    assert recorded(watch)[0]["pumps"] == ["A", "B"]


def test_each_change_of_a_gateway_is_recorded_once_even_if_it_is_received_again(watch):
    watch.birth("A")
    offline = encode(Status(gateway="ward", state="offline", sent=START_MS))
    watch.deliver(offline, "status")
    watch.deliver(offline, "status")
    watch.birth("A")
    watch.birth("A")
    watch.deliver(b"", "birth")
    assert [row["kind"] for row in recorded(watch)] == ["online", "offline", "online", "left"]


def test_notices_of_the_supervisor_are_recorded_once(watch):
    notice = encode(Notice(part="dashboard", state="ended", text="was killed (SIGKILL)", at=START_MS))
    for _ in range(2):
        watch.take([Message(PART, notice, 1, 1, retained=False)])
    first, second = recorded(watch)
    assert (first["kind"], first["title"], first["text"]) == ("ended", "dashboard", "was killed (SIGKILL)")
    assert first["once"] == second["once"]
    watch.take([Message(PART, b"{}", 1, 1, retained=False)])
    assert watch.reasons[-1].startswith("not a notice of a part")


def test_messages_received_again_after_a_restart_are_recorded_under_the_same_keys(watch):
    keys = []
    for _ in range(2):
        processor = type(watch)(Pipeline(verifier=Unsigned()))
        processor.birth("A")
        processor.deliver(encode(Status(gateway="ward", state="offline", sent=START_MS)), "status")
        keys.append([row["once"] for row in recorded(processor)])
    assert keys[0] == keys[1]
    assert None not in keys[0]


def test_commands_replies_and_the_ground_truth_do_not_affect_detection(make_ward):
    ward = make_ward(3)
    ward.inject("motor_stall", 1)
    batches = [ward.simulation.tick().drop("index") for _ in range(40)]
    watches = [type(ward.watch)(Pipeline(verifier=Unsigned())) for _ in range(2)]
    for watch in watches:
        watch.birth(*ward.simulation.describe().serial)
    informed, uninformed = watches
    for at, batch in enumerate(batches):
        serial = f"ITB-{at % 3:06d}"
        command = Inject(id=str(at), fault="motor_stall", pumps=[serial], who="anna")
        informed.deliver(encode(command), "command")
        informed.deliver(encode(Reply(id=str(at), gateway="ward", ok=True, text="begins")), "reply")
        informed.take([Message(TRUTH, b"{}", 1, 1, retained=False)])
        for watch in watches:
            watch.samples(batch)
    assert informed.pipeline.alarms["rule"].to_list()
    assert informed.pipeline.state.equals(uninformed.pipeline.state)
    assert informed.pipeline.alarms.equals(uninformed.pipeline.alarms)


@pytest.mark.parametrize("path", ["alarms", "detectors", "engine", "rules", "view", "watch"])
def test_no_detection_module_names_commands_or_the_ground_truth(path):
    source = ROOT / "processor" / path
    for file in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"Inject", "GatewayCommand", "Reply", "Truth", "JournalRecorder", "TRUTH"}, file
