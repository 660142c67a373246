"""A silent gateway is one alarm that suppresses those of its pumps; so is the fleet without its broker."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.gateway_messages import Status
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA
from processor.rules import RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.service import recovery
from processor.watch.gateways import BROKER_LOST_S

START_MS = 1_767_225_600_000
PUMPS = 12
SECOND_MS = 1000


def serials(gateway: str, count: int = PUMPS) -> list[str]:
    return [f"{gateway}-{number:02d}" for number in range(count)]


def send(watch, gateway: str, names: list[str]) -> None:
    """Send a healthy sample of each of these pumps of a gateway, taken now."""
    empty = {name: [None] * len(names) for name in SAMPLE_SCHEMA}
    values = {"pump": names, "time": [watch.now_therapy] * len(names), "battery_v": np.full(len(names), 3.0)}
    frame = pl.DataFrame({**empty, **values}, SAMPLE_SCHEMA)
    watch.gateway, before = gateway, watch.gateway
    watch.samples(frame)
    watch.gateway = before


@pytest.fixture
def two(watch):
    """Two gateways of a dozen pumps, each of which has sent a sample; therapy time runs sixty times as fast."""
    for gateway in ("north", "south"):
        watch.birth(*serials(gateway), gateway=gateway)
    for gateway in ("north", "south"):
        send(watch, gateway, serials(gateway))
    return watch


def minutes(watch, count: int, *sending: str) -> None:
    """Let minutes of therapy time pass, in which only these gateways send samples."""
    for _ in range(count):
        watch.wait_s(1)
        for gateway in sending:
            send(watch, gateway, serials(gateway))
        watch.take([])


def shown(watch) -> list[tuple[str, str, str, int]]:
    alarms = watch.snapshot().alarms.sort("subject")
    return alarms.select("subject", "rule", "state", "held").rows()


def test_a_silent_gateway_is_one_alarm_that_suppresses_those_of_its_pumps(two):
    minutes(two, 9, "south")
    assert shown(two) == [("north", "gateway_silent", "unacknowledged", PUMPS)]
    alarm = two.snapshot().alarms.row(0, named=True)
    assert (alarm["pump"], alarm["gateway"]) == (None, "north")
    assert alarm["explains"] == f"Pump silent ({PUMPS} pumps)"
    assert alarm["alarm"] == f"north/gateway_silent/{alarm['onset']}"
    assert alarm["onset"] == START_MS
    pumps = two.snapshot().pumps.filter(pl.col("gateway") == "north")
    assert pumps["silent"].all()
    assert pumps["alarms"].sum() == 0


def test_other_systems_receive_one_event_for_a_silent_gateway(two):
    minutes(two, 9, "south")
    assert [(event.kind, event.subject, event.pump) for event in two.announcements] == [("raised", "north", None)]
    journal = two.journal()
    assert journal.filter(pl.col("kind") == "raised").height == PUMPS + 1
    suppressed = journal.filter(pl.col("kind") == "held")
    assert set(suppressed["text"]) == {"suppressed by: Gateway silent"}
    assert set(suppressed["cause"]) == {"gateway_silent"}


def test_when_the_gateway_sends_again_its_alarm_returns_to_normal_and_those_of_its_pumps_clear(two):
    minutes(two, 9, "south")
    minutes(two, 9, "south", "north")
    assert shown(two)[0][2] == "unacknowledged"
    minutes(two, 3, "south", "north")
    assert shown(two) == [("north", "gateway_silent", "returned", 0)]


def test_a_pump_that_stays_silent_when_its_gateway_sends_again_is_annunciated(two):
    minutes(two, 9, "south")
    for _ in range(12):
        two.wait_s(1)
        send(two, "north", serials("north")[1:])
        send(two, "south", serials("south"))
    assert shown(two) == [
        ("north", "gateway_silent", "returned", 0),
        ("north-00", "pump_silent", "unacknowledged", 0),
    ]
    assert [event.kind for event in two.announcements] == ["raised", "returned", "released"]


def test_an_offline_gateway_is_an_alarm_before_any_of_its_pumps_is_silent(two):
    two.wait_s(1)
    two.deliver(encode(Status(gateway="north", state="offline", sent=two.now)), "status", gateway="north")
    minutes(two, 1, "south")
    assert shown(two) == [("north", "gateway_silent", "unacknowledged", 0)]


def test_a_few_silent_pumps_have_alarms_of_their_own(two):
    for _ in range(9):
        two.wait_s(1)
        send(two, "north", serials("north")[3:])
        send(two, "south", serials("south"))
    assert [row[:2] for row in shown(two)] == [(name, "pump_silent") for name in serials("north")[:3]]


def test_a_fleet_that_falls_silent_behind_several_gateways_is_one_alarm(two):
    minutes(two, 9)
    assert shown(two) == [("fleet", "fleet_silent", "unacknowledged", 2 * PUMPS + 2)]


def test_a_long_broker_outage_is_one_alarm_about_the_fleet_and_none_about_pumps(two):
    for wall_s in (1, BROKER_LOST_S - 1):
        two.wait_s(wall_s)
        two.take([], listening=False)
        assert shown(two) == []
    two.wait_s(1)
    two.take([], listening=False)
    assert shown(two) == [("fleet", "fleet_silent", "unacknowledged", 0)]
    minutes(two, 12, "north", "south")
    assert shown(two) == [("fleet", "fleet_silent", "returned", 0)]


def test_each_broker_outage_returns_to_normal_only_after_the_off_delay(two):
    for _ in range(2):
        for _ in range(2):
            two.wait_s(BROKER_LOST_S)
            two.take([], listening=False)
        minutes(two, 9, "north", "south")
        assert [row[2] for row in shown(two)] == ["unacknowledged"]
        minutes(two, 3, "north", "south")
        assert [row[2] for row in shown(two)] == ["returned"]


def test_alarms_and_timers_of_gateways_are_restored_from_a_checkpoint(two, tmp_path):
    minutes(two, 9, "south")
    recovery.save(tmp_path, two.pipeline, two.now)
    restored = recovery.restore(tmp_path)
    assert restored.alarms.equals(two.pipeline.alarms)
    assert restored.timers.equals(two.pipeline.timers)
    assert restored.timers.height > PUMPS


def test_rule_names_are_unique_and_no_three_rules_suppress_each_other_in_a_cycle():
    listed = {rule.name: rule.explains for rule in (*RULES, *GATEWAY_RULES)}
    assert len(listed) == len(RULES) + len(GATEWAY_RULES)
    for one, effects in listed.items():
        assert set(effects) <= set(listed)
        for other in effects:
            for three in set(listed[other]) - {one}:
                assert one not in listed[three], f"{one}, {other}, {three}"
