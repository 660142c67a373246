"""A node tells Prometheus about each of its processors, and the dashboards which ranges it has."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from broker.metrics.exposition import Exposition
from broker.metrics.readings import Distribution, Reading, Vitals
from cluster import node_reports
from cluster.leases import MERGER
from cluster.node import Elected, Node
from cluster.node_reports import MAX_REPORTS, SHOWN_S, SILENT_S, Held, NodeReport, NodeReports
from cluster.watching import NodeWatch
from tests.cluster.test_leases import Clock, FakeStore
from tests.cluster.test_node import RANGES, Processors, ended, made, processors, steps, until

__all__ = ["processors"]


async def merge(_mine: object, stop: asyncio.Event) -> None:
    await stop.wait()


def served(vitals: Vitals) -> dict[tuple[str, str], float]:
    """Return every series by its name and range, "" without one."""
    text = Exposition(vitals).text("")[0].decode()
    return {
        (sample.name, sample.labels.get("range", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def watch(node: Node, vitals: Vitals) -> NodeWatch:
    return NodeWatch(node, vitals, Vitals("merger"), lambda: 7_000)


async def test_the_metrics_of_a_node_have_those_of_each_of_its_processors_by_range(
    tmp_path: Path, processors: Processors
) -> None:
    node, vitals = made("a", FakeStore(), Clock(), tmp_path, (Elected(MERGER, "merger", merge),)), Vitals("processor")
    watched = watch(node, vitals)
    async with ended(node):
        await steps(node.clock, node)  # type: ignore[arg-type]
        await until(lambda: len(watched.running()) == RANGES)
        took = Distribution()
        took.add(0.1)
        for number, of_range in watched.running().items():
            of_range.problems = list if number else lambda: ["broker_away"]
            of_range.read = lambda number=number: [
                Reading("pumpwatch_pumps", 100 + number),
                Reading("pumpwatch_batch_duration_seconds", took),
            ]
        watched.step(watched.running())
        found = served(vitals)
    assert [found["pumpwatch_pumps", f"{number:02d}"] for number in range(RANGES)] == [*range(100, 100 + RANGES)]
    assert found["pumpwatch_batch_duration_seconds_count", "03"] == 1
    assert [found["pumpwatch_ready", each] for each in ("00", "01")] == [0, 1]
    assert found["pumpwatch_node_lease_epoch", "07"] == 1
    assert found["pumpwatch_node_lease_since_timestamp_seconds", "07"] == 7
    assert (found["pumpwatch_node_leases_held", ""], found["pumpwatch_merger_active", ""]) == (RANGES, 1)


async def test_a_node_that_takes_over_says_from_whom_and_counts_what_it_lost(
    tmp_path: Path, processors: Processors
) -> None:
    store, clock = FakeStore(), Clock()
    a, b = made("a", store, clock, tmp_path), made("b", store, clock, tmp_path)
    watches = [watch(node, Vitals("processor")) for node in (a, b)]
    async with ended(a, b):
        await steps(clock, a)
        await until(lambda: len(a.running) == RANGES)
        for each in watches:
            each.step(each.running())
        await steps(clock, b, count=8)
        await until(lambda: len(b.running) == RANGES)
        await steps(clock, a)
        for each in watches:
            each.step(each.running())
        nodes, owned = NodeReports(tmp_path).read(0.0)
        assert [(one.node, len(one.ranges), one.lost, one.taken_over) for one in nodes] == [
            ("a", 0, RANGES, 0),
            ("b", RANGES, 0, RANGES),
        ]
        assert owned[3] == ("b", Held(3, 2, 7_000, "a"))
        assert served(watches[0].vitals)["pumpwatch_node_leases_lost_total", ""] == RANGES


async def test_a_node_that_ends_takes_its_report_away_and_one_that_dies_is_shown_as_silent(
    tmp_path: Path, processors: Processors
) -> None:
    node, stop = made("a", FakeStore(), Clock(), tmp_path), asyncio.Event()
    running = asyncio.create_task(watch(node, Vitals("processor")).run(stop))
    reports = NodeReports(tmp_path)
    await until(lambda: reports.read(0.0)[0])
    stop.set()
    await running
    assert reports.read(1.0) == ([], {})

    dead = NodeReport(node="dead", started=1, held=[Held(2, 5, 1)])
    node_reports.write(tmp_path, dead)
    assert [reports.read(second)[0][0].silent_s for second in (10.0, 10.0 + SILENT_S)] == [0.0, SILENT_S]
    assert reports.read(10.0 + SHOWN_S) == ([], {})
    assert not list((tmp_path / "nodes").glob("*.json"))


def test_a_node_started_later_stands_for_one_that_died_and_for_no_other(tmp_path: Path) -> None:
    reports = NodeReports(tmp_path)

    def silent(second: float, **beats: int) -> list[str]:
        for node, beat in beats.items():
            node_reports.write(
                tmp_path, NodeReport(node=node, started=started[node], at=10_000 + 1_000 * beat, beat=beat)
            )
        return [one.node for one in reports.read(second)[0] if one.silent_s]

    started = {"a": 1_000, "b": 1_100, "c": 1_200, "d": 30_000, "e": 40_000}
    assert silent(0.0, a=1, b=1, c=1) == []
    assert silent(SILENT_S, c=15) == ["a", "b"]
    assert [silent(30.0 + second, c=30, d=30) for second in (0, 1)] == [["b"], ["b"]]
    assert silent(40.0, c=40, d=40, e=40) == []
    assert sorted(path.stem for path in (tmp_path / "nodes").iterdir()) == ["c", "d", "e"]
    assert silent(60.0, c=60, d=60) == ["e"]
    assert silent(61.0, c=61, d=61, e=61) == [], "it had only been suspended"


def test_reports_have_a_limit_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    for number in range(MAX_REPORTS + 3):
        node_reports.write(tmp_path, NodeReport(node=f"n-{number}", started=1, held=[Held(0, number, 1)]))
    (tmp_path / "nodes" / "n-1.json").write_text("damaged")
    nodes, owned = NodeReports(tmp_path).read(0.0)
    assert MAX_REPORTS - 1 <= len(nodes) <= MAX_REPORTS
    assert owned[0][1].epoch == MAX_REPORTS + 2
    assert len(list((tmp_path / "nodes").glob("*.json"))) == MAX_REPORTS


async def test_a_processor_that_stands_still_makes_its_node_one_that_does(
    tmp_path: Path, processors: Processors
) -> None:
    node, vitals, stop = made("a", FakeStore(), Clock(), tmp_path), Vitals("processor"), asyncio.Event()
    async with ended(node):
        await steps(node.clock, node)  # type: ignore[arg-type]
        await until(lambda: len(node.vitals) == RANGES)
        node.vitals[1].beat, node.vitals[2].beat = 1_000.0, 1_100.0
        running = asyncio.create_task(watch(node, vitals).run(stop))
        await until(lambda: vitals.beat is not None)
        assert vitals.stands_still(1_070.0)
        stop.set()
        await running
