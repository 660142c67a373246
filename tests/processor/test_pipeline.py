"""Pipeline from messages to pumps and gateways as people see them, to the history and to the snapshot."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.actions import make_action
from broker.contract.commands import Clear
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store import snapshot, snapshot_files
from processor.engine import sequence
from processor.service import recovery
from tests.unsigned import Unsigned

START_MS = 1_767_225_600_000
FOREIGN_SAMPLE = '{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}'
MINUTE_MS = 60_000


def test_a_json_sample_of_any_client_appears_as_a_pump_with_all_other_signals_unknown(watch):
    samples = watch.deliver(FOREIGN_SAMPLE, gateway="mine")
    assert samples["pump"].to_list() == ["MY-1"]
    pump = watch.snapshot().pumps.row(0, named=True)
    assert (pump["pump"], pump["gateway"], pump["seq"], pump["time"]) == ("MY-1", "mine", 1, START_MS)
    assert pump["flow_ul_h"] == pytest.approx(8.1)
    assert [pump[name] for name in SIGNAL_NAMES if name != "flow_ul_h"] == [None] * (len(SIGNAL_NAMES) - 1)
    assert (pump["priority"], pump["alarms"], pump["silent"], pump["worst"]) == (0, 0, False, None)


def test_the_history_receives_the_samples_unchanged(watch, stream):
    sent = stream("flow_ul_h", "8 ? 9", battery_v="3").with_columns(pl.lit("A").alias("pump")).cast(SAMPLE_SCHEMA)
    assert watch.samples(sent).select(*SAMPLE_SCHEMA).equals(sent.select(*SAMPLE_SCHEMA))


def test_each_event_entry_rejection_and_outcome_is_in_the_result_of_its_own_batch_only(watch, json_sample, low_battery):
    low_battery(minutes=6)
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


def test_pumps_of_a_birth_are_shown_before_they_send_a_sample(watch):
    watch.birth("A", "B")
    shown = watch.snapshot()
    assert shown.pumps["pump"].to_list() == ["A", "B"]
    assert shown.pumps["silent"].to_list() == [True, True]
    assert shown.pumps["time"].null_count() == 2
    assert shown.gateways.select("gateway", "pumps", "state", "speed").row(0) == ("ward", 2, "online", 60.0)


def test_the_snapshot_is_empty_before_any_message(watch):
    shown = watch.snapshot()
    assert (shown.pumps.height, shown.alarms.height, shown.gateways.height) == (0, 0, 0)
    watch.take([])
    assert watch.journal().height == 0


def test_duplicate_samples_are_counted_and_change_nothing_else(watch, low_battery):
    low_battery(minutes=8)
    before, alarms = watch.snapshot().pumps.drop("age_s"), watch.pipeline.alarms
    low_battery(minutes=8)
    after = watch.snapshot().pumps.drop("age_s")
    assert after["repeated"][0] == 8
    assert after.drop("repeated").equals(before.drop("repeated"))
    assert watch.pipeline.alarms.equals(alarms)
    assert watch.journal()["kind"].to_list() == ["raised"]


def send_twice(watch, json_sample, form: str) -> list[str]:
    """Send samples for 90 minutes, every five of them twice; return the rules of the standing alarms."""
    for first in range(0, 90, 5):
        for attempt in (0, 1):
            for minute in range(first, first + 5):
                stamp = {"old stamps": minute, "new stamps": 2 * first + 5 * attempt + minute - first, "none": None}[
                    form
                ]
                sent = {} if stamp is None else {"sent": START_MS + stamp}
                watch.deliver(json_sample(time=START_MS + minute * MINUTE_MS, seq=minute, boot=1, flow_ul_h=8, **sent))
    return watch.pipeline.alarms.filter(pl.col("returned").is_null())["rule"].to_list()


def test_samples_redelivered_by_a_gateway_are_counted_and_raise_no_alarm_on_its_pumps(watch, json_sample):
    watch.birth("A")
    assert "samples_repeated" not in send_twice(watch, json_sample, "old stamps")
    assert watch.snapshot().pumps.select("samples", "repeated").row(0) == (90, 90)
    assert sequence.totals(watch.pipeline.state) == sequence.Totals(
        received=180, lost=0, late=0, repeated=90, redelivered=90
    )


def test_duplicates_in_new_messages_raise_an_alarm_about_the_link_of_the_pump(watch, json_sample):
    watch.birth("A")
    assert "samples_repeated" in send_twice(watch, json_sample, "new stamps")
    assert sequence.totals(watch.pipeline.state).redelivered == 0


@pytest.mark.parametrize("form", ["old stamps", "none"])
def test_duplicates_from_a_gateway_without_a_birth_raise_an_alarm(watch, json_sample, form):
    assert "samples_repeated" in send_twice(watch, json_sample, form)


def test_samples_sent_before_a_restart_are_recognized_as_redelivered_after_it(watch, json_sample, tmp_path):
    watch.birth("A")
    payloads = [
        json_sample(time=START_MS + minute * MINUTE_MS, seq=minute, sent=START_MS + minute) for minute in range(5)
    ]
    watch.take([watch.message(each) for each in payloads])
    recovery.save(tmp_path, watch.pipeline, watch.now)
    restored = type(watch)(recovery.restore(tmp_path, verifier=Unsigned()))
    restored.take([restored.message(each) for each in payloads])
    assert sequence.totals(restored.pipeline.state) == sequence.Totals(
        received=10, lost=0, late=0, repeated=5, redelivered=5
    )


def test_samples_for_the_history_have_no_delivery_columns(watch):
    watch.birth("A")
    assert watch.deliver('{"pump":"A","time":1767225600000,"sent":1767225600000}').columns == list(SAMPLE_SCHEMA)


def test_therapy_time_runs_at_the_speed_of_each_gateway(watch, json_sample):
    watch.birth("A", speed=60)
    watch.birth("B", gateway="slow", speed=1)
    watch.deliver(json_sample(pump="A"))
    watch.deliver(json_sample(pump="B"), gateway="slow")
    watch.wait_s(5)
    ages = dict(watch.snapshot().pumps.select("pump", "age_s").iter_rows())
    assert ages == {"A": 300, "B": 5}


def test_a_snapshot_is_read_back_as_it_was_written(watch, low_battery, tmp_path):
    low_battery(minutes=6)
    shown = watch.snapshot()
    snapshot_files.write(tmp_path / "snapshot", shown)
    back = snapshot_files.read(tmp_path / "snapshot")
    for name in ("pumps", "alarms", "gateways"):
        assert getattr(back, name).rows() == getattr(shown, name).rows()
    assert dict(back.pumps.schema) == snapshot.PUMPS_SCHEMA
    assert dict(back.alarms.schema) == snapshot.ALARMS_SCHEMA
    assert dict(back.gateways.schema) == snapshot.GATEWAYS_SCHEMA


def test_one_frame_may_contain_a_thousand_pumps(watch):
    serials = [f"P-{number}" for number in range(1000)]
    flows = np.linspace(1, 9, 1000, dtype=np.float32)
    empty = {name: [None] * 1000 for name in SAMPLE_SCHEMA}
    frame = pl.DataFrame({**empty, "pump": serials, "time": [START_MS] * 1000, "flow_ul_h": flows}, SAMPLE_SCHEMA)
    watch.birth(*serials)
    watch.samples(frame)
    shown = watch.snapshot().pumps
    assert shown["pump"].to_list() == serials
    assert shown["flow_ul_h"].to_list() == flows.tolist()
