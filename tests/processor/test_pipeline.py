"""The pipeline from messages to pumps, alarms and gateways as people see them, and to the journal."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

from broker.contract.actions import make_action
from broker.contract.alarm_events import AlarmEvent
from broker.contract.commands import Clear
from broker.contract.gateway_messages import Status
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store import snapshot, snapshot_files
from broker.store.journal import EVENTS_SCHEMA
from processor.engine import sequence
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service import recovery
from processor.watch import readings

START_MS = 1_767_225_600_000
MY_PUMP = '{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}'
LOW = {"battery_v": 2.5}
MINUTE_MS = 60_000


def low_battery(watch, json_sample, *, minutes: int, first: int = 0, step: int = 1, battery_v: float = 2.5) -> None:
    """Let a pump report a battery at the end of service each minute, while the clock runs on."""
    times = {minute: START_MS + minute * MINUTE_MS for minute in range(first, first + minutes, step)}
    values = {"boot": 1, "battery_v": battery_v}
    watch.say("\n".join(json_sample(time=time, seq=minute, **values) for minute, time in times.items()))
    watch.wait_s(minutes)


def test_json_of_any_client_appears_as_a_pump_whose_other_signals_are_unknown(watch):
    samples = watch.say(MY_PUMP, gateway="mine")
    assert samples["pump"].to_list() == ["MY-1"]
    pump = watch.snapshot().pumps.row(0, named=True)
    assert (pump["pump"], pump["gateway"], pump["seq"], pump["time"]) == ("MY-1", "mine", 1, START_MS)
    assert pump["flow_ul_h"] == pytest.approx(8.1)
    assert [pump[name] for name in SIGNAL_NAMES if name != "flow_ul_h"] == [None] * (len(SIGNAL_NAMES) - 1)
    assert (pump["priority"], pump["alarms"], pump["silent"], pump["worst"]) == (0, 0, False, None)


def test_the_history_gets_the_samples_as_they_were_sent(watch, stream):
    sent = stream("flow_ul_h", "8 ? 9", battery_v="3").with_columns(pl.lit("A").alias("pump")).cast(SAMPLE_SCHEMA)
    assert watch.samples(sent).select(*SAMPLE_SCHEMA).equals(sent.select(*SAMPLE_SCHEMA))


def test_the_result_of_a_batch_has_everything_it_led_to_and_the_next_one_nothing_of_it(watch, json_sample):
    low_battery(watch, json_sample, minutes=6)
    alarm = watch.snapshot().alarms["alarm"][0]
    acknowledge = encode(make_action("acknowledge", "1", alarms=[alarm], who="anna", at=watch.now))
    messages = [
        watch.message(json_sample(time=START_MS + 6 * MINUTE_MS, seq=6, boot=1, battery_v=2.5)),
        watch.message(b"no sample"),
        watch.message(encode(Clear(id="7", who="ben")), "command"),
        Message(COMMAND, acknowledge, 1, 1, retained=False),
    ]
    result, following = watch.pipeline.take(messages, watch.now), watch.pipeline.take([], watch.now)
    assert result.samples["seq"].to_list() == [6]
    assert result.events["kind"].to_list() == ["acknowledged"]
    assert result.entries.select("kind", "who").rows() == [("ordered", "ben")]
    assert [rejection.excerpt for rejection in result.rejected] == ["no sample"]
    assert [outcome.id for outcome in result.outcomes] == ["1"]
    assert [event.kind for event in result.announcements] == ["acknowledged"]
    assert [frame.height for frame in (following.samples, following.events, following.entries)] == [0, 0, 0]
    assert (following.rejected, following.outcomes, following.announcements) == ((), (), ())


def test_a_birth_shows_pumps_before_they_send_anything(watch):
    watch.birth("A", "B")
    shown = watch.snapshot()
    assert shown.pumps["pump"].to_list() == ["A", "B"]
    assert shown.pumps["silent"].to_list() == [True, True]
    assert shown.pumps["time"].null_count() == 2
    assert shown.gateways.select("gateway", "pumps", "state", "speed").row(0) == ("ward", 2, "online", 60.0)


def test_without_messages_the_snapshot_is_empty(watch):
    shown = watch.snapshot()
    assert (shown.pumps.height, shown.alarms.height, shown.gateways.height) == (0, 0, 0)
    watch.take([])
    assert watch.journal().height == 0


def test_an_alarm_is_shown_with_all_a_person_needs(watch, json_sample):
    low_battery(watch, json_sample, minutes=6)
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
    assert shown.alarms.columns == list(snapshot.ALARMS_SCHEMA)
    assert shown.pumps.select("priority", "alarms", "unacknowledged", "worst").row(0) == (1, 1, 1, "battery_end")


def test_a_person_acknowledges_an_alarm_and_the_journal_says_who(watch, json_sample):
    low_battery(watch, json_sample, minutes=6)
    name = watch.snapshot().alarms["alarm"][0]
    watch.acknowledge(name, who="anna")
    shown = watch.snapshot()
    assert shown.alarms.select("state", "acknowledged_by").row(0) == ("acknowledged", "anna")
    assert shown.pumps["unacknowledged"][0] == 0
    low_battery(watch, json_sample, minutes=90, first=6, battery_v=3.1)
    assert watch.snapshot().alarms.height == 0
    journal = watch.journal()
    assert journal["kind"].to_list() == ["raised", "acknowledged", "returned", "cleared"]
    assert journal["who"].to_list() == [None, "anna", None, None]
    assert journal["title"].unique().to_list() == ["Battery depleted"]
    assert dict(journal.schema) == EVENTS_SCHEMA


def test_alarms_suppressed_by_a_suppressed_alarm_are_listed_with_the_alarm_people_see(watch, json_sample):
    faulty = {"battery_v": 2.5, "motor_ul_h": 0, "flow_ul_h": 0, "commanded_ul_h": 8}
    for first, battery_v in ((0, 3.1), (60, 2.5)):
        times = [START_MS + minute * MINUTE_MS for minute in range(first, first + 60, 2)]
        watch.say("\n".join(json_sample(time=time, **{**faulty, "battery_v": battery_v}) for time in times))
    alarm = watch.snapshot().alarms.row(0, named=True)
    assert watch.snapshot().alarms.height == 1
    assert alarm["rule"] == "battery_end"
    assert {"Motor not driven", "Under-delivery"} <= set(alarm["explains"].split(", "))
    assert len(alarm["explains"].split(", ")) == watch.pipeline.alarms.height - 1


def test_the_same_samples_raise_the_same_alarms_in_any_batches(make_ward):
    ward = make_ward(8)
    ward.inject("motor_stall", 3)
    birth = ward.simulation.describe().serial
    batch = pl.concat([ward.simulation.tick().drop("index") for _ in range(45)])
    journals = []
    for size in (batch.height, 37):
        watch = type(ward.watch)(Pipeline(tuple(rule for rule in RULES if rule.name != "pump_silent")))
        watch.birth(*birth)
        for first in range(0, batch.height, size):
            watch.samples(batch[first : first + size])
        journals.append(watch.journal().drop("at").sort("alarm", "time"))
    assert journals[0]["rule"].unique().sort().to_list() == ["delivery_shift", "motor_stall", "under_delivery"]
    assert journals[1].equals(journals[0])


def test_duplicates_raise_nothing_and_change_nothing_but_the_count(watch, json_sample):
    low_battery(watch, json_sample, minutes=8)
    before, alarms = watch.snapshot().pumps.drop("age_s"), watch.pipeline.alarms
    low_battery(watch, json_sample, minutes=8)
    after = watch.snapshot().pumps.drop("age_s")
    assert after["repeated"][0] == 8
    assert after.drop("repeated").equals(before.drop("repeated"))
    assert watch.pipeline.alarms.equals(alarms)
    assert watch.journal()["kind"].to_list() == ["raised"]


def send_twice(watch, json_sample, form: str) -> list[str]:
    """Let a pump send for an hour and a half, five messages and then the same five; return the rules of its alarms."""
    for first in range(0, 90, 5):
        for attempt in (0, 1):
            for minute in range(first, first + 5):
                stamp = {"old stamps": minute, "new stamps": 2 * first + 5 * attempt + minute - first, "none": None}[
                    form
                ]
                sent = {} if stamp is None else {"sent": START_MS + stamp}
                watch.say(json_sample(time=START_MS + minute * MINUTE_MS, seq=minute, boot=1, flow_ul_h=8, **sent))
    return watch.pipeline.alarms.filter(pl.col("returned").is_null())["rule"].to_list()


def test_samples_that_a_gateway_redelivers_are_counted_but_not_blamed_on_its_pumps(watch, json_sample):
    watch.birth("A")
    assert "samples_repeated" not in send_twice(watch, json_sample, "old stamps")
    assert watch.snapshot().pumps.select("samples", "repeated").row(0) == (90, 90)
    assert sequence.totals(watch.pipeline.state) == sequence.Totals(received=180, lost=0, redelivered=90)


def test_duplicates_in_new_messages_are_blamed_on_the_link_of_the_pump(watch, json_sample):
    watch.birth("A")
    assert "samples_repeated" in send_twice(watch, json_sample, "new stamps")
    assert sequence.totals(watch.pipeline.state).redelivered == 0


@pytest.mark.parametrize("form", ["old stamps", "none"])
def test_a_gateway_without_a_birth_has_no_outbox_and_its_duplicates_are_a_fault(watch, json_sample, form):
    assert "samples_repeated" in send_twice(watch, json_sample, form)


def test_after_a_restart_the_processor_still_knows_what_a_gateway_had_sent(watch, json_sample, tmp_path):
    watch.birth("A")
    payloads = [
        json_sample(time=START_MS + minute * MINUTE_MS, seq=minute, sent=START_MS + minute) for minute in range(5)
    ]
    watch.take([watch.message(each) for each in payloads])
    recovery.save(tmp_path, watch.pipeline, watch.now)
    restored = type(watch)(recovery.restore(tmp_path))
    restored.take([restored.message(each) for each in payloads])
    assert sequence.totals(restored.pipeline.state) == sequence.Totals(received=10, lost=0, redelivered=5)


def test_the_samples_for_the_history_do_not_say_how_they_were_delivered(watch):
    watch.birth("A")
    assert watch.say('{"pump":"A","time":1767225600000,"sent":1767225600000}').columns == list(SAMPLE_SCHEMA)


def test_a_disk_that_cannot_be_written_is_an_alarm_like_others_and_outlives_a_restart(watch, tmp_path):
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
    watch.pipeline = recovery.restore(tmp_path)
    assert watch.snapshot().alarms["state"].to_list() == ["acknowledged"]
    for _ in range(4):
        watch.wait_s(10)
        watch.take([], readings=readings.frame())
    assert watch.snapshot().alarms.is_empty()


def test_a_pump_becomes_silent_by_the_clock_alone_and_is_heard_again_with_one_sample(watch, json_sample):
    watch.birth("A")
    watch.say(json_sample(seq=1))
    watch.wait_s(7.9)
    watch.take([])
    assert watch.snapshot().alarms.height == 0
    watch.wait_s(0.2)
    watch.take([])
    shown = watch.snapshot()
    assert shown.alarms.select("rule", "onset").row(0) == ("pump_silent", START_MS + 480_000)
    assert shown.pumps["silent"][0]
    watch.say(json_sample(seq=2, time=START_MS + 10 * MINUTE_MS))
    assert watch.snapshot().alarms["state"].to_list() == ["returned"]
    assert not watch.snapshot().pumps["silent"][0]


def test_a_pump_that_has_never_sent_anything_since_its_birth_is_silent_too(watch):
    watch.birth("A")
    watch.wait_s(9)
    watch.take([])
    assert watch.snapshot().alarms["rule"].to_list() == ["pump_silent"]


def test_pumps_of_a_gateway_that_was_offline_before_the_start_are_not_silent(watch):
    watch.birth("A")
    watch.say(encode(Status(gateway="ward", state="offline", sent=START_MS)), "status")
    watch.wait_s(60)
    watch.take([])
    assert watch.snapshot().alarms.height == 0


def test_time_runs_for_each_gateway_at_its_own_speed(watch, json_sample):
    watch.birth("A", speed=60)
    watch.birth("B", gateway="slow", speed=1)
    watch.say(json_sample(pump="A"))
    watch.say(json_sample(pump="B"), gateway="slow")
    watch.wait_s(5)
    ages = dict(watch.snapshot().pumps.select("pump", "age_s").iter_rows())
    assert ages == {"A": 300, "B": 5}


def test_a_snapshot_is_written_and_read_back_as_it_was(watch, json_sample, tmp_path):
    low_battery(watch, json_sample, minutes=6)
    shown = watch.snapshot()
    snapshot_files.write(tmp_path / "snapshot", shown)
    back = snapshot_files.read(tmp_path / "snapshot")
    for name in ("pumps", "alarms", "gateways"):
        assert getattr(back, name).rows() == getattr(shown, name).rows()
    assert dict(back.pumps.schema) == snapshot.PUMPS_SCHEMA
    assert dict(back.alarms.schema) == snapshot.ALARMS_SCHEMA
    assert dict(back.gateways.schema) == snapshot.GATEWAYS_SCHEMA


def test_a_thousand_pumps_in_one_frame_are_a_thousand_pumps(watch):
    serials = [f"P-{number}" for number in range(1000)]
    flows = np.linspace(1, 9, 1000, dtype=np.float32)
    empty = {name: [None] * 1000 for name in SAMPLE_SCHEMA}
    frame = pl.DataFrame({**empty, "pump": serials, "time": [START_MS] * 1000, "flow_ul_h": flows}, SAMPLE_SCHEMA)
    watch.birth(*serials)
    watch.samples(frame)
    shown = watch.snapshot().pumps
    assert shown["pump"].to_list() == serials
    assert shown["flow_ul_h"].to_list() == flows.tolist()


def test_an_operator_action_is_applied_once_answered_and_recorded_with_who_and_why(watch, json_sample):
    low_battery(watch, json_sample, minutes=6)
    name = watch.snapshot().alarms["alarm"][0]
    shelve = make_action("shelve", "action-1", alarms=[name, "gone/x/1"], who="anna", at=7, why="known", for_s=3600.0)
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


def test_a_refused_action_is_recorded_with_its_reason(watch, json_sample):
    low_battery(watch, json_sample, minutes=6)
    watch.acknowledge("gone/x/1", who="ben")
    entry = watch.journal().filter(pl.col("kind") == "refused").row(0, named=True)
    assert (entry["who"], entry["alarm"]) == ("ben", None)
    assert entry["text"] == "Acknowledged no alarm. 1 refused: no longer open."


def test_other_systems_receive_annunciated_alarms_in_the_documented_form(watch, json_sample):
    faulty = {"battery_v": 2.5, "motor_ul_h": 0, "flow_ul_h": 0, "commanded_ul_h": 8}
    for first, battery_v in ((0, 3.1), (60, 2.5)):
        times = [START_MS + minute * MINUTE_MS for minute in range(first, first + 60, 2)]
        watch.say("\n".join(json_sample(time=time, **{**faulty, "battery_v": battery_v}) for time in times))
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
    held = {event.rule for event in events if event.kind == "held"}
    raised = [event.rule for event in events if event.kind == "raised"]
    assert held <= set(raised)
    assert len(raised) < watch.journal().filter(pl.col("kind") == "raised").height


def test_a_pump_clock_that_runs_ahead_is_an_alarm_of_that_pump_and_makes_no_other_seem_silent(make_ward):
    ward = make_ward(8)
    ward.run(10)
    ward.inject("clock_skew", 0)
    ward.run(40)
    journal = ward.watch.journal()
    assert journal.select("pump", "rule").unique().rows() == [(ward.simulation.serials[0], "clock_ahead")]
