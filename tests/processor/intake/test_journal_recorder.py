"""What people order is in the journal, and nowhere near detection."""

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

START_MS = 1_767_225_600_000
ROOT = Path(__file__).resolve().parents[3]


def noted(watch) -> list[dict[str, object]]:
    return watch.pipeline.clerk.take().to_dicts()


def test_an_order_and_what_became_of_it_say_who_what_and_whom(watch):
    watch.birth("A", "B")
    noted(watch)
    watch.say(encode(Inject(id="7", fault="motor_stall", pumps=["A"], severity=0.5, who="anna")), "command")
    watch.say(encode(Reply(id="7", gateway="ward", ok=True, text="motor_stall begins", time=START_MS)), "reply")
    watch.say(encode(Refill(id="8", pumps=["A", "B"], entered_ml=90, who="ben")), "command")
    watch.say(encode(Reply(id="8", gateway="ward", ok=False, text="90 mL is too much")), "reply")
    ordered, done, refill, refused = noted(watch)
    assert (ordered["kind"], ordered["title"], ordered["who"]) == ("ordered", "inject on ward", "anna")
    assert (ordered["pump"], ordered["pumps"], ordered["text"]) == ("A", ["A"], "fault motor_stall, severity 0.5")
    assert (done["kind"], done["who"], done["time"], done["pumps"]) == ("done", "anna", START_MS, ["A"])
    assert (refill["title"], refill["pump"], refill["pumps"]) == ("refill on ward", None, ["A", "B"])
    assert (refused["kind"], refused["text"], refused["who"]) == ("refused", "90 mL is too much", "ben")
    assert len({row["once"] for row in (ordered, done, refill, refused)}) == 4


def test_an_order_for_all_names_the_pumps_of_its_gateway(watch):
    watch.birth("A", "B")
    watch.birth("C", gateway="other")
    noted(watch)
    watch.say(encode(Clear(id="1", who="anna")), "command")
    assert noted(watch)[0]["pumps"] == ["A", "B"]


def test_gateways_come_and_go_once_each_also_when_it_is_heard_again(watch):
    watch.birth("A")
    gone = encode(Status(gateway="ward", state="offline", sent=START_MS))
    watch.say(gone, "status")
    watch.say(gone, "status")
    watch.birth("A")
    watch.birth("A")
    watch.say(b"", "birth")
    assert [row["kind"] for row in noted(watch)] == ["online", "offline", "online", "left"]


def test_what_the_supervisor_says_of_parts_is_noted_once(watch):
    notice = encode(Notice(part="dashboard", state="ended", text="was killed (SIGKILL)", at=START_MS))
    for _ in range(2):
        watch.take([Message(PART, notice, 1, 1, retained=False)])
    first, again = noted(watch)
    assert (first["kind"], first["title"], first["text"]) == ("ended", "dashboard", "was killed (SIGKILL)")
    assert first["once"] == again["once"]
    watch.take([Message(PART, b"{}", 1, 1, retained=False)])
    assert watch.reasons[-1].startswith("not a notice of a part")


def test_a_restart_that_hears_the_same_again_notes_the_same_again(watch, tmp_path):
    told = []
    for name in ("one", "two"):
        again = type(watch)(Pipeline(tmp_path / name))
        again.birth("A")
        again.say(encode(Status(gateway="ward", state="offline", sent=START_MS)), "status")
        told.append([row["once"] for row in noted(again)])
    assert told[0] == told[1]
    assert None not in told[0]


def test_detection_sees_nothing_of_orders_replies_and_the_truth(make_ward, tmp_path):
    ward = make_ward(3)
    ward.inject("motor_stall", 1)
    batches = [ward.simulation.tick().drop("index") for _ in range(40)]
    watches = [type(ward.watch)(Pipeline(tmp_path / name)) for name in ("told", "untold")]
    for watch in watches:
        watch.birth(*ward.simulation.describe().serial)
    told, untold = watches
    for at, batch in enumerate(batches):
        serial = f"ITB-{at % 3:06d}"
        order = Inject(id=str(at), fault="motor_stall", pumps=[serial], who="anna")
        told.say(encode(order), "command")
        told.say(encode(Reply(id=str(at), gateway="ward", ok=True, text="begins")), "reply")
        told.take([Message(TRUTH, b"{}", 1, 1, retained=False)])
        for watch in watches:
            watch.samples(batch)
    assert told.pipeline.alarms["rule"].to_list()
    assert told.pipeline.state.equals(untold.pipeline.state)
    assert told.pipeline.alarms.equals(untold.pipeline.alarms)


@pytest.mark.parametrize("path", ["alarms", "detectors", "engine", "rules", "view", "watch"])
def test_no_part_of_detection_names_orders_or_the_truth(path):
    where = ROOT / "processor" / path
    for file in sorted(where.rglob("*.py")) if where.is_dir() else [where]:
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"Inject", "GatewayCommand", "Reply", "Truth", "JournalRecorder", "TRUTH"}, file
