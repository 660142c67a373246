"""One dashboard over two ranges: pumps, alarms, trends and events of both, and an acknowledgement for one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import polars as pl
import pytest

from broker.contract.action_answers import Answers
from broker.contract.actions import Action, Outcome
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store.snapshot import Health
from broker.store.snapshot_files import SnapshotWriter
from cluster import layout
from cluster.merging.service import MergerService
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble
from dashboard.data.live import Live
from dashboard.data.services import DataService
from dashboard.settings import Settings
from processor.pipeline import Pipeline
from processor.service.store import Store
from tests.dashboard.conftest import open_browser
from tests.processor.conftest import Watch
from tests.processor.notation import START_MS
from tests.unsigned import Unsigned

RANGES = 2
GIGABYTE = 1024**3
MINUTES = 8


@dataclass
class Range:
    """The processor of one range, without its connection: what it would write is in the directory of its epoch."""

    data: Path
    number: int
    watch: Watch = field(init=False)
    version: int = 0

    def __post_init__(self) -> None:
        self.directory = layout.take_over(self.data, self.number, 1)
        self.watch = Watch(Pipeline(verifier=Unsigned(), shared=True), gateway=f"ward-{self.number}")
        self.store = Store(self.directory, GIGABYTE)
        self.writer = SnapshotWriter(self.directory / "snapshot")

    @property
    def pump(self) -> str:
        return f"P-{self.number}"

    def run(self) -> None:
        """Let its pump report an empty battery for some minutes."""
        self.watch.birth(self.pump)
        reported = {"pump": self.pump, "boot": 1, "battery_v": 2.4}
        samples = [
            msgspec.json.encode({**reported, "seq": minute, "time": START_MS + 60_000 * minute})
            for minute in range(MINUTES)
        ]
        self.watch.deliver(b"\n".join(samples))
        self.watch.wait_s(MINUTES)
        self.save()

    def act(self, action: Action) -> Outcome:
        """Take in an action as it arrives from the broker; answer it when it is durable."""
        self.watch.take([Message(COMMAND, encode(action), 1, 1, False)])
        self.save()
        return msgspec.structs.replace(self.watch.outcomes[-1], part=self.number, parts=RANGES)

    def save(self) -> None:
        for result in self.watch.results[self.version :]:
            self.store.add(result)
        self.version = len(self.watch.results)
        self.store.write(self.watch.now)
        health = Health(version=self.version, started=1, written=self.watch.now, connected=True)
        self.writer.write(self.watch.pipeline.snapshot(health, self.watch.now))


@dataclass
class Cluster:
    """Two ranges, their merger, and a dashboard on the merged data directory."""

    data: Path

    def __post_init__(self) -> None:
        self.ranges = [Range(self.data, number) for number in range(RANGES)]
        self.merger = MergerService(self.data, RANGES, lambda: True, lambda: self.ranges[0].watch.now)
        settings = Settings("mqtt://127.0.0.1:1", self.data, key="the-right-key")
        self.live = Live(settings.snapshots, lambda: self.ranges[0].watch.now)
        self.dashboard = DataService(settings, self.live, lambda: self.ranges[0].watch.now, self.ask, self.act)

    def merge(self) -> None:
        self.merger.step(0.0)
        assert not self.merger.failing, self.merger.reason
        self.live.refresh()

    async def ask(self, _url: str, _commands: object) -> list[object]:
        return []

    async def act(self, _url: str, action: Action) -> Outcome:
        """All processors hear an action; the outcome is made of their answers."""
        answers = Answers(action)
        outcomes = [answers.add(each.act(action)) for each in self.ranges]
        return next(outcome for outcome in outcomes if outcome is not None)

    def states(self) -> dict[str, str]:
        return dict(self.dashboard.snapshot().alarms.select("alarm", "state").iter_rows())


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    for each in made.ranges:
        each.run()
    made.merge()
    yield made
    made.merger.close()
    for each in made.ranges:
        each.store.close()


async def test_a_dashboard_shows_the_pumps_alarms_trends_and_events_of_all_ranges(cluster):
    alarms = cluster.dashboard.snapshot().alarms
    assert set(alarms["pump"].drop_nulls()) == {"P-0", "P-1"}
    for each in cluster.ranges:
        assert cluster.dashboard.trend(each.pump, 0, 2**62)["seq"].to_list() == list(range(MINUTES))
        assert "raised" in cluster.dashboard.events(each.pump)["kind"].to_list()
    async with open_browser(assemble(cluster.dashboard).server) as browser:
        VISITOR.set(Visitor("anna", "operator"))
        answer = await browser.get("/api/v1/pumps")
        assert [pump["pump"] for pump in answer.json()["items"]] == ["P-0", "P-1"]


async def test_an_acknowledgement_reaches_only_the_owner_and_is_in_the_common_journal(cluster):
    VISITOR.set(Visitor("anna", "operator"))
    first, second = cluster.ranges
    alarm = cluster.dashboard.snapshot().alarms.filter(pump="P-1")["alarm"][0]
    answer = await cluster.dashboard.apply("acknowledge", [alarm])
    assert answer.good
    assert answer.text == "Acknowledged 1 alarm."
    cluster.merge()
    states = cluster.states()
    assert {name for name, state in states.items() if state == "acknowledged"} == {alarm}
    assert "acknowledged" not in first.watch.journal()["kind"].to_list()
    assert first.watch.outcomes[-1].text == ""
    assert second.watch.journal().filter(kind="acknowledged")["who"].to_list() == ["anna"]
    assert cluster.dashboard.events("P-1").filter(kind="acknowledged")["who"].to_list() == ["anna"]


async def test_one_action_on_pumps_of_both_ranges_has_one_answer(cluster):
    VISITOR.set(Visitor("anna", "operator"))
    ids = [*cluster.dashboard.snapshot().alarms["alarm"], "P-0/gone/1", "stranger/gone/1"]
    answer = await cluster.dashboard.apply("acknowledge", ids)
    assert answer.text.startswith(f"Done: {len(ids) - 2} of {len(ids)}. ")
    assert answer.text.endswith("1 refused: no longer open, or unknown.")
    cluster.merge()
    assert {cluster.states()[name] for name in ids[:-2]} == {"acknowledged"}

    VISITOR.set(Visitor("anna", "engineer"))
    answer = await cluster.dashboard.change_service("take_out", "P-0", rule=None, why="repair", for_s=None)
    assert answer.good
    cluster.merge()
    assert cluster.dashboard.snapshot().orders["subject"].to_list() == ["P-0"]
    answer = await cluster.dashboard.change_monitoring("retire", "P-9", why="explanted")
    assert (answer.good, answer.text) == (False, "Done: 0 of 1. 1 refused: no longer open, or unknown.")


async def test_what_is_done_at_one_dashboard_is_seen_at_another(cluster):
    settings = cluster.dashboard.settings
    live = Live(settings.snapshots, lambda: cluster.ranges[0].watch.now)
    other = DataService(settings, live, lambda: cluster.ranges[0].watch.now, cluster.ask, cluster.act)
    VISITOR.set(Visitor("anna", "operator"))
    first, second = cluster.dashboard.snapshot().alarms.filter(pl.col("pump").is_in(["P-0", "P-1"]))["alarm"][:2]
    assert (await cluster.dashboard.apply("acknowledge", [first])).good
    VISITOR.set(Visitor("bert", "operator"))
    assert (await other.apply("acknowledge", [second])).good
    assert (await other.apply("note", [first], why="called the ward")).good
    cluster.merge()
    live.refresh()
    for seen in (cluster.dashboard, other):
        alarms = seen.snapshot().alarms
        assert alarms.filter(alarm=first).select("state", "acknowledged_by", "note", "note_by").row(0) == (
            "acknowledged",
            "anna",
            "called the ward",
            "bert",
        )
        assert alarms.filter(alarm=second)["acknowledged_by"].item() == "bert"
