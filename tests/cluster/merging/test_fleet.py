"""A fleet in several ranges is silent if all of them together are: that is one alarm, and one acknowledgment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from broker.contract.actions import Acknowledge
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store import fleet_silence, journal_query, snapshot_files
from broker.store.fleet_silence import FleetSilence, SilenceCount
from broker.store.snapshot import Health
from cluster import layout
from cluster.merging import fleet
from cluster.merging.service import MergerService
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service.fleet_reading import FleetReading
from processor.service.store import Store
from tests.processor.conftest import Watch
from tests.processor.watch.test_gateways import PUMPS, send, serials
from tests.unsigned import Unsigned

RANGES = 2
SILENCE = tuple(rule for rule in RULES if rule.name in {"pump_silent", "motor_stall", RULES[0].name})


@dataclass
class Cluster:
    """Two processors without connections, with two gateways each, and the merger of their snapshots."""

    data: Path
    watches: list[Watch] = field(default_factory=list)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        for number in range(RANGES):
            pipeline = Pipeline(SILENCE, verifier=Unsigned(), shared=True)
            pipeline.gateways.fleet = FleetReading(self.data)
            self.watches.append(Watch(pipeline))
            layout.take_over(self.data, number, 1)
            for gateway in self.gateways(number):
                self.watches[number].birth(*serials(gateway), gateway=gateway)
                send(self.watches[number], gateway, serials(gateway))
        self.merger = MergerService(self.data, RANGES, lambda: True, lambda: self.watches[0].now)
        self.merge()

    @staticmethod
    def gateways(number: int) -> list[str]:
        return [f"{side}-{number}" for side in ("east", "west")]

    def minutes(self, count: int, *sending: int) -> None:
        """Let minutes of therapy pass, in which only the gateways of these ranges send."""
        for _ in range(count // 3):
            for number, watch in enumerate(self.watches):
                watch.wait_s(3)
                for gateway in self.gateways(number) if number in sending else ():
                    send(watch, gateway, serials(gateway))
                watch.take([])
            self.merge()

    def merge(self) -> None:
        self.now_s += 1.0
        for number, watch in enumerate(self.watches):
            directory = layout.epoch_directory(self.data, number, 1)
            health = Health(
                version=round(self.now_s), started=1, written=watch.now, connected=True,
                silence=watch.pipeline.gateways.counted,
            )  # fmt: skip
            snapshot_files.write(directory / "snapshot", watch.pipeline.snapshot(health, watch.now))
        self.merger.step(self.now_s)
        assert not self.merger.failing, self.merger.reason

    def events(self) -> pl.DataFrame:
        """Return the events in the journal of the cluster, after the processors have written theirs."""
        for number, watch in enumerate(self.watches):
            store = Store(layout.epoch_directory(self.data, number, 1), 1024**3)
            for result in watch.results:
                store.add(result)
            watch.results.clear()
            store.write(watch.now)
            store.close()
        self.merge()
        return journal_query.events(self.data)

    def shown(self) -> list[tuple[str, str, str, int]]:
        alarms = snapshot_files.read(self.data / "snapshot").alarms.sort("subject")
        return alarms.select("subject", "rule", "state", "held").rows()


@pytest.fixture
def cluster(tmp_path: Path):
    made = Cluster(tmp_path)
    yield made
    made.merger.close()


def test_one_range_that_is_silent_is_no_silent_fleet(cluster):
    cluster.minutes(12, 0)
    assert cluster.shown() == [
        ("east-1", "gateway_silent", "unacknowledged", PUMPS),
        ("west-1", "gateway_silent", "unacknowledged", PUMPS),
    ]


def test_a_fleet_that_is_silent_in_all_ranges_is_one_alarm_until_it_is_acknowledged_and_over(cluster):
    cluster.minutes(12)
    assert cluster.shown() == [("fleet", "fleet_silent", "unacknowledged", 4 * PUMPS + 4)]
    raised = cluster.events().filter(subject="fleet", kind="raised")
    assert raised.height == 1
    alarm = raised["alarm"][0]
    assert {watch.pipeline.alarms.filter(rule="fleet_silent")["alarm"].item() for watch in cluster.watches} == {alarm}

    action = Message(
        COMMAND,
        encode(Acknowledge(id="a-1", who="anna", at=cluster.watches[0].now, alarms=[alarm])),
        1,
        1,
        retained=False,
    )
    for watch in cluster.watches:
        watch.take([action])
    cluster.merge()
    assert [row[:3] for row in cluster.shown()] == [("fleet", "fleet_silent", "acknowledged")]
    cluster.minutes(18, 0, 1)
    assert cluster.shown() == []
    acknowledged = cluster.events().filter(alarm=alarm, kind="acknowledged")
    assert acknowledged["who"].to_list() == ["anna"]


def test_the_onset_stays_while_the_fleet_is_silent_also_for_a_successor_of_the_merger(tmp_path):
    def count(onset: int, silent: int = 20, *, away: bool = False) -> SilenceCount:
        return SilenceCount(20, silent, int(silent > 0), onset, onset, away)

    found = fleet.judged([count(5), count(7)], None)
    assert found == FleetSilence(40, 40, offline=False, onset=7, time=7)
    assert fleet.judged([count(9), count(11)], found).onset == 7
    assert fleet.judged([count(9, 0), count(11)], found) == FleetSilence(40, 0, offline=False, onset=11, time=11)
    assert fleet.judged([count(9, away=True), count(9, away=True)], None).offline
    assert fleet.judged([SilenceCount()], found) is None

    fleet_silence.write(tmp_path, found)
    reading = FleetReading(tmp_path)
    assert reading() == found
    (tmp_path / "ranges" / "fleet.json").write_text("damaged")
    assert reading() == found
