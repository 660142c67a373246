"""The snapshots of ranges become one, as if a single processor had made it."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.store import snapshot_files
from broker.store.pump_table import PUMPS_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, CapacityLimit, Health, Snapshot
from cluster import layout, node_reports
from cluster.merging.merger import Merger
from cluster.merging.servers import ServerDown
from cluster.merging.stale import DEAF_S, STALE_S
from cluster.node_reports import Held, NodeReport


def fleet(homes: list[int], priorities: list[int], *, version: int = 1, time: int = 1_000) -> Snapshot:
    """A fleet with a pump per entry of `homes`, which are its gateways; those with a priority have an alarm."""
    columns: dict[str, object] = {
        "pump": [f"P-{home}-{at}" for at, home in enumerate(homes)],
        "gateway": [f"G-{home}" for home in homes],
        "lot": [f"lot {home % 2}" for home in homes],
        "priority": priorities,
        "alarms": [int(priority > 0) for priority in priorities],
        "unacknowledged": [int(priority > 0) for priority in priorities],
        "worst": ["stall" if priority else None for priority in priorities],
        "time": [time] * len(homes),
        "seq": list(range(len(homes))),
    }
    pumps = pl.DataFrame({name: columns.get(name, [None] * len(homes)) for name in PUMPS_SCHEMA}, PUMPS_SCHEMA)
    alarms = [
        {**dict.fromkeys(ALARMS_SCHEMA), "alarm": f"stall-{pump}", "pump": pump, "gateway": gateway, "onset": 5}
        for pump, gateway, priority in pumps.select("pump", "gateway", "priority").iter_rows()
        if priority
    ]
    gateways = [
        {**dict.fromkeys(GATEWAYS_SCHEMA), "gateway": f"G-{home}", "shard": home} for home in sorted(set(homes))
    ]
    health = Health(
        version=version, started=1, written=10_000, samples=len(homes), lost=sum(priorities), connected=True
    )
    return Snapshot.of(pumps, pl.DataFrame(alarms, ALARMS_SCHEMA), pl.DataFrame(gateways, GATEWAYS_SCHEMA), health)


def part(whole: Snapshot, number: int, ranges: int) -> Snapshot:
    """What the processor of one range shows of this fleet."""
    mine = [home for home in whole.gateways["shard"] if layout.range_of(home, ranges) == number]
    names = [f"G-{home}" for home in mine]
    of_mine = pl.col("gateway").is_in(names)
    pumps = whole.pumps.filter(of_mine)
    health = Health(
        version=1, started=1, written=10_000, samples=pumps.height, lost=int(pumps["priority"].sum()), connected=True
    )
    return Snapshot.of(pumps, whole.alarms.filter(of_mine), whole.gateways.filter(of_mine), health)


def own(data, number: int, snapshot: Snapshot, epoch: int = 1) -> None:
    """Write the snapshot of a range as its owner in that epoch does."""
    directory = layout.epoch_directory(data, number, epoch)
    directory.mkdir(parents=True, exist_ok=True)
    snapshot_files.write(directory / "snapshot", snapshot)


def merged(data) -> Snapshot:
    return snapshot_files.read(data / "snapshot")


with_ = msgspec.structs.replace


def yes() -> bool:
    return True


pumps_of_fleet = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 3)), max_size=12)


@settings(max_examples=20, deadline=None)
@given(pumps_of_fleet, st.sampled_from([1, 2, 4]))
def test_a_fleet_in_ranges_looks_as_it_does_whole(tmp_path_factory, pumps, ranges):
    data = tmp_path_factory.mktemp("cluster")
    whole = fleet([home for home, _ in pumps], [priority for _, priority in pumps])
    for number in range(ranges):
        own(data, number, part(whole, number, ranges))
    assert Merger(data, ranges, started=7).step(0.0, 20_000, yes)
    seen = merged(data)
    assert seen.pumps.sort("pump").equals(whole.pumps.sort("pump"))
    assert seen.alarms.sort("alarm").equals(whole.alarms.sort("alarm"))
    assert seen.gateways.sort("gateway").equals(whole.gateways.sort("gateway"))
    assert (seen.health.samples, seen.health.lost) == (whole.health.samples, whole.health.lost)
    rows = np.arange(seen.table.height)
    assert seen.table.take(rows).equals(seen.pumps)


def test_a_pump_that_moved_to_another_range_is_shown_once_as_last_heard_with_the_alarms_of_both(tmp_path):
    here, there = fleet([0], [1], time=1_000), fleet([0], [3], time=2_000)
    other = there.alarms.with_columns(pl.lit("later").alias("alarm"))
    own(tmp_path, 0, here)
    own(tmp_path, 1, dataclasses.replace(there, alarms=other))
    Merger(tmp_path, 2, started=7).step(0.0, 20_000, yes)
    row = merged(tmp_path).pumps.row(0, named=True)
    assert (merged(tmp_path).table.height, row["time"], row["priority"], row["alarms"]) == (1, 2_000, 1, 2)
    assert set(merged(tmp_path).alarms["alarm"]) == {"stall-P-0-0", "later"}


def test_a_range_that_shows_nothing_new_is_an_alarm_until_somebody_takes_it_over(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    own(tmp_path, 1, fleet([40], [0]))
    merger = Merger(tmp_path, 2, started=7)
    merger.step(0.0, 20_000, yes)
    assert merged(tmp_path).alarms.is_empty()
    own(tmp_path, 0, fleet([0], [0], version=2))
    merger.step(STALE_S + 1, 31_000, yes)
    seen = merged(tmp_path)
    assert seen.alarms["subject"].to_list() == ["system: range 01"]
    assert seen.alarms["raised_wall"].to_list() == [20_000]
    assert set(seen.alarms["rule"]) <= set(seen.rules["rule"])
    assert seen.health.notes == ["range 01 with 1 pumps is not judged for 11 s: no processor works on it"]
    assert seen.table.height == 2
    own(tmp_path, 1, fleet([40], [0]), epoch=2)
    merger.step(STALE_S + 2, 32_000, yes)
    assert merged(tmp_path).alarms.is_empty()


def test_a_lost_node_and_a_server_that_is_down_are_alarms_until_they_are_back(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    node_reports.write(tmp_path, NodeReport(node="a", started=1))
    merger = Merger(tmp_path, 1, started=7)

    def step(second: float, *servers: ServerDown) -> list[tuple[str, str, int]]:
        own(tmp_path, 0, fleet([0], [0], version=round(second) + 1))
        merger.step(second, 100_000 + round(second * 1_000), yes, servers)
        return merged(tmp_path).alarms.select("rule", "subject", "raised_wall").rows()

    down = ServerDown("nats2:8222", 105_000, "Connection refused")
    assert step(0.0) == []
    lost, server = (
        ("node_lost", "system: node a", 100_000),
        ("nats_server_down", "system: NATS server nats2:8222", 105_000),
    )
    assert step(15.0, down) == [lost, server]
    assert step(16.0, down) == [lost, server]
    seen = merged(tmp_path)
    assert set(seen.alarms["rule"]) <= set(seen.rules["rule"])
    assert seen.health.notes == [
        "node a has not reported for 16 s",
        "NATS server nats2:8222 is down: Connection refused",
    ]
    node_reports.write(tmp_path, NodeReport(node="a", started=1, beat=2))
    assert step(17.0) == []


def test_a_range_that_nobody_ever_owned_is_an_alarm(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    merger = Merger(tmp_path, 2, started=7)
    merger.step(0.0, 20_000, yes)
    own(tmp_path, 0, fleet([0], [0], version=2))
    merger.step(STALE_S, 30_000, yes)
    assert merged(tmp_path).alarms["subject"].to_list() == ["system: range 01"]


def test_a_take_over_shows_the_snapshot_of_before_until_there_is_a_new_one(tmp_path):
    own(tmp_path, 0, fleet([0], [2]))
    merger = Merger(tmp_path, 1, started=7)
    merger.step(0.0, 20_000, yes)
    layout.epoch_directory(tmp_path, 0, 2).mkdir()
    merger.step(1.0, 21_000, yes)
    assert merged(tmp_path).table.height == 1
    own(tmp_path, 0, fleet([0, 1], [0, 0]), epoch=2)
    merger.step(2.0, 22_000, yes)
    assert merged(tmp_path).table.height == 2
    assert merged(tmp_path).alarms.is_empty()


def test_a_former_owner_that_wakes_up_is_not_read(tmp_path):
    own(tmp_path, 0, fleet([0], [0]), epoch=2)
    own(tmp_path, 0, fleet([0, 0, 0], [1, 1, 1]), epoch=1)
    Merger(tmp_path, 1, started=7).step(0.0, 20_000, yes)
    assert merged(tmp_path).table.height == 1


def test_a_merger_that_lost_its_lease_leaves_the_snapshot_alone(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    merger = Merger(tmp_path, 1, started=7)
    assert not merger.step(0.0, 20_000, lambda: False)
    assert merged(tmp_path).version == 0
    assert merger.step(1.0, 21_000, yes)
    assert merged(tmp_path).table.height == 1


def test_a_damaged_snapshot_of_one_range_leaves_what_was_seen(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    own(tmp_path, 1, fleet([40], [0]))
    merger = Merger(tmp_path, 2, started=7)
    merger.step(0.0, 20_000, yes)
    (layout.epoch_directory(tmp_path, 1, 1) / "snapshot" / "manifest.json").write_text("{")
    merger.step(1.0, 21_000, yes)
    assert merged(tmp_path).table.height == 2


def test_the_alarm_about_the_fleet_is_shown_once_with_all_that_it_suppresses(tmp_path):
    for number, held in enumerate((0, 3, 5)):
        row = {
            **dict.fromkeys(ALARMS_SCHEMA),
            "alarm": "fleet/fleet_silent/7",
            "subject": "fleet",
            "state": f"{number}",
        }
        row |= {"subject_kind": "fleet", "rule": "fleet_silent", "held": held, "state": f"{number}"}
        row["explains"] = f"Gateway silent, Pump silent ({held} pumps)" if held else None
        shown = fleet([20 * number], [1])
        alarms = pl.concat([shown.alarms, pl.DataFrame([row], ALARMS_SCHEMA)])
        own(tmp_path, number, dataclasses.replace(shown, alarms=alarms))
    Merger(tmp_path, 4, started=7).step(0.0, 20_000, yes)
    alarms = merged(tmp_path).alarms
    assert alarms.filter(subject="fleet").select("state", "held", "explains").rows() == [
        ("0", 8, "Gateway silent, Pump silent")
    ]
    assert alarms.height == 4


def test_a_range_whose_processor_has_no_broker_is_not_judged_but_a_fleet_without_one_is_no_matter_of_ranges(tmp_path):
    def steps(*connected: bool) -> list[str]:
        merger = Merger(tmp_path, 2, started=7)
        for second in (0, 20, 20 + DEAF_S):
            for number, alive in enumerate(connected):
                shown = fleet([40 * number], [0], version=round(second) + 1)
                own(tmp_path, number, dataclasses.replace(shown, health=with_(shown.health, connected=alive)))
            merger.step(second, 20_000, yes)
        return merged(tmp_path).alarms["subject"].to_list()

    assert steps(True, False) == ["system: range 01"]
    assert "no connection to its broker" in merged(tmp_path).alarms["meaning"][0]
    assert steps(False, False) == []


def test_nothing_is_written_while_no_range_has_a_new_snapshot(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    merger = Merger(tmp_path, 1, started=7)
    assert merger.step(0.0, 20_000, yes)
    assert not merger.step(1.0, 21_000, yes)
    own(tmp_path, 0, fleet([0], [0], version=2))
    assert merger.step(2.0, 22_000, yes)


def test_parts_that_changed_in_no_range_are_not_written_again(tmp_path):
    shown = fleet([0], [0])
    writer = snapshot_files.SnapshotWriter(layout.epoch_directory(tmp_path, 0, 1) / "snapshot")
    frames = {"facts": shown.table.facts, "values": shown.table.frame, "forecasts": shown.table.frame}
    files = writer.write_table(frames, snapshot_files.TableFiles(), at=1, run=1, version=1)
    merger = Merger(tmp_path, 1, started=7)
    for version in (1, 2):
        small = {name: shown.table.marks if name == "marks" else getattr(shown, name) for name in snapshot_files.SMALL}
        writer.publish(files, small, msgspec.structs.replace(shown.health, version=version))
        merger.step(float(version), 20_000 + version, yes)
    assert merged(tmp_path).version == 2
    assert [path.name for path in (tmp_path / "snapshot").glob("facts-*")] == ["facts-7-1.arrow"]
    assert [path.name for path in (tmp_path / "snapshot").glob("values-*")] == ["values-7-1.columns"]


@pytest.mark.parametrize("both", [True, False])
def test_the_health_of_all_is_that_of_the_worst(tmp_path, both):
    parts = [fleet([0], [0]), fleet([40], [0])]
    for number, (snapshot, latency, value) in enumerate(zip(parts, (5.0, 90.0), (1.0, 8.0), strict=True)):
        health = snapshot.health
        health.latency_ms = {"p95": latency}
        health.bounds = [CapacityLimit("queue", value, 10.0, "messages", reached=1)]
        health.connected = both or number == 0
        own(tmp_path, number, snapshot)
    Merger(tmp_path, 2, started=7).step(0.0, 20_000, yes)
    health = merged(tmp_path).health
    assert (health.latency_ms, health.connected) == ({"p95": 90.0}, both)
    assert [(bound.value, bound.reached) for bound in health.bounds] == [(8.0, 2)]


def test_of_each_range_one_sees_who_has_it_and_how_long_nobody_judged_it_when_it_was_taken_over(tmp_path):
    node_reports.write(tmp_path, NodeReport(node="a", started=1, held=[Held(0, 1, 500)]))
    own(tmp_path, 0, fleet([0], [0]))
    merger = Merger(tmp_path, 2, started=7)
    merger.step(0.0, 20_000, yes)
    node_reports.write(tmp_path, NodeReport(node="b", started=2, held=[Held(0, 2, 8_000, "a")], lost=3))
    layout.epoch_directory(tmp_path, 0, 2).mkdir()
    merger.step(6.0, 26_000, yes)
    successor = fleet([0], [0])
    own(tmp_path, 0, dataclasses.replace(successor, health=with_(successor.health, started=9)), 2)
    merger.step(8.0, 28_000, yes)
    health = merged(tmp_path).health
    first, second = health.ranges
    assert (first.node, first.epoch, first.since, first.former) == ("b", 2, 8_000, "a")
    assert (first.gap_s, first.shown_s, first.pumps, first.judged) == (8.0, 0.0, 1, True)
    assert (second.node, second.pumps, second.gap_s) == ("", 0, None)
    assert [(one.node, one.ranges, one.lost) for one in health.nodes] == [("a", [0], 0), ("b", [0], 3)]
