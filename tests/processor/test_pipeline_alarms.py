"""Alarms from message to alarm summary: shown, acted on, recorded in the journal and announced to other systems."""

from __future__ import annotations

import msgspec
import polars as pl

from broker.contract.actions import make_action
from broker.contract.alarm_events import AlarmEvent
from broker.contract.gateway_messages import Status
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store import snapshot
from broker.store.journal import EVENTS_SCHEMA
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service import recovery
from processor.watch import readings
from tests.unsigned import Unsigned

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000


def test_an_alarm_is_shown_with_title_meaning_action_and_time_to_respond(watch, low_battery):
    low_battery(minutes=6)
    shown = watch.snapshot()
    alarm = shown.alarms.row(0, named=True)
    rule = next(rule for rule in RULES if rule.name == "battery_end")
    texts = (rule.title, rule.meaning, rule.action, rule.time_to_respond)
    assert (alarm["pump"], alarm["gateway"], alarm["rule"], alarm["state"]) == (
        "A",
        "ward",
        "battery_end",
        "unacknowledged",
    )
    assert tuple(alarm[name] for name in ("title", "meaning", "action", "deadline")) == texts
    assert (alarm["onset"], alarm["raised"]) == (START_MS, START_MS + 5 * MINUTE_MS)
    assert alarm["age_s"] == 5 * 60 + 6
    assert (alarm["speed"], alarm["harm_s"]) == (1.0, None)
    assert shown.alarms.columns == list(snapshot.ALARMS_SCHEMA)
    assert shown.pumps.select("priority", "alarms", "unacknowledged", "worst").row(0) == (1, 1, 1, "battery_end")


def test_an_acknowledged_alarm_clears_after_it_returns_to_normal_and_the_journal_records_who(watch, low_battery):
    low_battery(minutes=6)
    name = watch.snapshot().alarms["alarm"][0]
    watch.acknowledge(name, who="anna")
    shown = watch.snapshot()
    assert shown.alarms.select("state", "acknowledged_by").row(0) == ("acknowledged", "anna")
    assert shown.pumps["unacknowledged"][0] == 0
    low_battery(minutes=90, first=6, battery_v=3.1)
    assert watch.snapshot().alarms.height == 0
    journal = watch.journal()
    assert journal["kind"].to_list() == ["raised", "acknowledged", "returned", "cleared"]
    assert journal["who"].to_list() == [None, "anna", None, None]
    assert journal["title"].unique().to_list() == ["Battery depleted"]
    assert dict(journal.schema) == EVENTS_SCHEMA


def test_a_redelivered_operator_action_is_applied_once_and_recorded_with_operator_and_reason(watch, low_battery):
    low_battery(minutes=6)
    name = watch.snapshot().alarms["alarm"][0]
    shelve = make_action(
        "shelve", "action-1", alarms=[name, "gone/x/1"], who="anna", at=1_767_225_600_000, why="known", for_s=3600.0
    )
    for _ in range(2):
        watch.take([Message(COMMAND, encode(shelve), 1, 1, retained=False)])
    alarm = watch.snapshot().alarms.row(0, named=True)
    assert (alarm["state"], alarm["shelved_by"], alarm["shelved_why"]) == ("shelved", "anna", "known")
    assert alarm["shelved_left_s"] == 3600
    assert [outcome.text for outcome in watch.outcomes] == [
        "Shelved 1 alarm. 1 refused: no longer open.",
        "Already done.",
    ]
    entries = watch.journal().filter(pl.col("action") == "action-1")
    assert entries.select("kind", "who", "text", "pump").rows() == [("shelved", "anna", "known", "A")]


def test_a_refused_action_is_recorded_with_its_reason(watch, low_battery):
    low_battery(minutes=6)
    watch.acknowledge("gone/x/1", who="ben")
    entry = watch.journal().filter(pl.col("kind") == "refused").row(0, named=True)
    assert (entry["who"], entry["alarm"]) == ("ben", None)
    assert entry["text"] == "Acknowledged no alarm. 1 refused: no longer open."


def test_all_alarms_suppressed_directly_or_indirectly_are_listed_with_the_annunciated_alarm(watch, json_sample):
    faulty = {"battery_v": 2.5, "motor_ul_h": 0, "flow_ul_h": 0, "commanded_ul_h": 8}
    for first, battery_v in ((0, 3.1), (60, 2.5)):
        times = [START_MS + minute * MINUTE_MS for minute in range(first, first + 60, 2)]
        watch.deliver("\n".join(json_sample(time=time, **{**faulty, "battery_v": battery_v}) for time in times))
    alarm = watch.snapshot().alarms.row(0, named=True)
    assert watch.snapshot().alarms.height == 1
    assert alarm["rule"] == "battery_end"
    assert {"Motor not driven", "Under-delivery"} <= set(alarm["explains"].split(", "))
    assert len(alarm["explains"].split(", ")) == watch.pipeline.alarms.height - 1


def test_other_systems_receive_annunciated_alarms_in_the_documented_format(watch, json_sample):
    faulty = {"battery_v": 2.5, "motor_ul_h": 0, "flow_ul_h": 0, "commanded_ul_h": 8}
    for first, battery_v in ((0, 3.1), (60, 2.5)):
        times = [START_MS + minute * MINUTE_MS for minute in range(first, first + 60, 2)]
        watch.deliver("\n".join(json_sample(time=time, **{**faulty, "battery_v": battery_v}) for time in times))
    watch.acknowledge(watch.snapshot().alarms["alarm"][0])
    events = [msgspec.json.decode(encode(event), type=AlarmEvent) for event in watch.announcements]
    kinds = [(event.kind, event.rule) for event in events]
    assert ("raised", "battery_end") in kinds
    assert kinds[-1] == ("acknowledged", "battery_end")
    last = events[-1]
    assert (last.subject, last.pump, last.gateway, last.priority, last.state) == (
        "A",
        "A",
        "ward",
        "high",
        "acknowledged",
    )
    assert last.who == "anna"
    assert last.action.startswith("Replace the pump now.")
    suppressed = {event.rule for event in events if event.kind == "held"}
    raised = [event.rule for event in events if event.kind == "raised"]
    assert suppressed <= set(raised)
    assert len(raised) < watch.journal().filter(pl.col("kind") == "raised").height


def test_the_same_samples_raise_the_same_alarms_however_they_are_batched(make_ward):
    ward = make_ward(8)
    ward.inject("motor_stall", 3)
    birth = ward.simulation.describe().serial
    batch = pl.concat([ward.simulation.tick().drop("index") for _ in range(45)])
    journals = []
    for size in (batch.height, 37):
        watch = type(ward.watch)(
            Pipeline(tuple(rule for rule in RULES if rule.name != "pump_silent"), verifier=Unsigned())
        )
        watch.birth(*birth)
        for first in range(0, batch.height, size):
            watch.samples(batch[first : first + size])
        journals.append(watch.journal().drop("at").sort("alarm", "time"))
    assert journals[0]["rule"].unique().sort().to_list() == ["delivery_shift", "motor_stall", "under_delivery"]
    assert journals[1].equals(journals[0])


def test_a_disk_failure_is_an_alarm_that_survives_a_restart(watch, tmp_path):
    full = readings.frame(readings.troubles({"storage": "no space left on the disk"}))
    for _ in range(3):
        watch.wait_s(5)
        watch.take([], readings=full)
    alarm = watch.snapshot().alarms.row(0, named=True)
    assert (alarm["subject"], alarm["rule"], alarm["state"]) == ("system: storage", "storage_failing", "unacknowledged")
    assert (alarm["subject_kind"], watch.announcements[-1].subject_kind) == ("system", "system")
    raised = watch.journal().filter(pl.col("kind") == "raised").row(0, named=True)
    assert (raised["subject"], raised["subject_kind"]) == ("system: storage", "system")
    event = watch.announcements[-1]
    assert (event.subject, event.pump, event.priority, event.text) == (
        "system: storage", None, "medium", "No space left on the disk"
    )  # fmt: skip
    watch.acknowledge(alarm["alarm"])
    recovery.save(tmp_path, watch.pipeline, watch.now)
    watch.pipeline = recovery.restore(tmp_path, verifier=Unsigned())
    assert watch.snapshot().alarms["state"].to_list() == ["acknowledged"]
    for _ in range(4):
        watch.wait_s(10)
        watch.take([], readings=readings.frame())
    assert watch.snapshot().alarms.is_empty()


def test_a_pump_becomes_silent_as_time_passes_and_returns_to_normal_with_one_sample(watch, json_sample):
    watch.birth("A")
    watch.deliver(json_sample(seq=1))
    watch.wait_s(7.9)
    watch.take([])
    assert watch.snapshot().alarms.height == 0
    watch.wait_s(0.2)
    watch.take([])
    shown = watch.snapshot()
    assert shown.alarms.select("rule", "onset").row(0) == ("pump_silent", START_MS + 480_000)
    assert shown.pumps["silent"][0]
    watch.deliver(json_sample(seq=2, time=START_MS + 10 * MINUTE_MS))
    assert watch.snapshot().alarms["state"].to_list() == ["returned"]
    assert not watch.snapshot().pumps["silent"][0]


def test_silence_is_noticed_within_the_interval_however_many_batches_there_are(watch, json_sample):
    watch.pipeline.watching.interval_ms = 1000
    watch.birth("A")
    watch.deliver(json_sample(seq=1))
    watch.wait_s(7.5)
    watch.take([])
    watch.wait_s(0.9)
    watch.take([])
    assert watch.snapshot().alarms.height == 0
    watch.wait_s(0.1)
    watch.take([])
    assert watch.snapshot().alarms.select("rule", "onset").row(0) == ("pump_silent", START_MS + 480_000)
    watch.deliver(json_sample(seq=2, time=START_MS + 10 * MINUTE_MS))
    assert not watch.snapshot().pumps["silent"][0]


def test_no_pump_is_silent_while_what_it_sent_may_be_waiting(watch, json_sample):
    watch.birth("A")
    watch.deliver(json_sample(seq=1))
    for _ in range(20):
        watch.wait_s(1)
        watch.pipeline.take([], watch.now, current=False)
    assert watch.snapshot().alarms.height == 0
    watch.take([])
    assert watch.snapshot().alarms["rule"].to_list() == ["pump_silent"]


def test_a_pump_that_has_sent_nothing_since_its_birth_becomes_silent(watch):
    watch.birth("A")
    watch.wait_s(9)
    watch.take([])
    assert watch.snapshot().alarms["rule"].to_list() == ["pump_silent"]


def test_pumps_of_a_gateway_that_was_already_offline_raise_no_silence_alarm(watch):
    watch.birth("A", retained=True)
    watch.deliver(encode(Status(gateway="ward", state="offline", sent=START_MS)), "status")
    watch.wait_s(60)
    watch.take([])
    assert watch.snapshot().alarms.height == 0


def test_a_pump_clock_that_runs_ahead_is_an_alarm_of_that_pump_and_no_other_pump_becomes_silent(make_ward):
    ward = make_ward(8)
    ward.run(10)
    ward.inject("clock_skew", 0)
    ward.run(40)
    journal = ward.watch.journal()
    assert journal.select("pump", "rule").unique().rows() == [(ward.simulation.serials[0], "clock_ahead")]
