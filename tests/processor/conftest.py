"""Shared fixtures: notation for one pump's samples, a processor that monitors simulated pumps, an alarm story."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import polars as pl
import pytest

from broker.contract.actions import Acknowledge, Outcome
from broker.contract.alarm_events import AlarmEvent
from broker.contract.codec import encode_arrow, encode_json
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store.snapshot import Health, Snapshot
from processor.batch_result import BatchResult
from processor.detectors.limit import limit
from processor.pipeline import Pipeline
from processor.rules import Rule
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from tests.processor.notation import START_MS, feed, rule_of, stream, trace
from tests.processor.story import Story
from tests.unsigned import Unsigned

SPEED = 60.0


@dataclass
class Watch:
    """Processor that tests feed: wall-clock time advances only by `wait_s`, therapy time `SPEED` times as fast."""

    pipeline: Pipeline
    gateway: str = "ward"
    now: int = START_MS
    results: list[BatchResult] = field(default_factory=list)

    def deliver(self, payload: bytes | str, leaf: str = "telemetry", *, gateway: str | None = None) -> pl.DataFrame:
        """Deliver one message of the gateway; return the accepted samples."""
        return self.take([self.message(payload, leaf, gateway=gateway)])

    def message(
        self, payload: bytes | str, leaf: str = "telemetry", *, gateway: str | None = None, retained: bool = False
    ) -> Message:
        data = payload.encode() if isinstance(payload, str) else payload
        return Message(f"itb/00/{gateway or self.gateway}/{leaf}", data, 1, 1, retained=retained)

    def take(
        self, messages: Sequence[Message], *, listening: bool = True, readings: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Process messages and keep the result; return its samples."""
        result = self.pipeline.take(list(messages), self.now, listening=listening, readings=readings)
        self.results.append(result)
        return result.samples

    def birth(self, *serials: str, gateway: str | None = None, speed: float = SPEED, retained: bool = False) -> None:
        born = Birth(
            gateway=gateway or self.gateway,
            pumps=Pumps(serial=list(serials)),
            sent=self.now,
            time=self.now,
            speed=speed,
        )
        self.take([self.message(encode(born), "birth", gateway=gateway, retained=retained)])

    def samples(self, samples: pl.DataFrame, *, json: bool = False) -> pl.DataFrame:
        wire = samples.select(*SAMPLE_SCHEMA)
        return self.deliver(encode_json(wire) if json else encode_arrow(wire))

    def acknowledge(self, *alarms: str, who: str = "anna") -> None:
        self.take(
            [Message(COMMAND, encode(Acknowledge(id="1", alarms=list(alarms), who=who, at=self.now)), 1, 1, False)]
        )

    @property
    def now_therapy(self) -> int:
        return START_MS + round((self.now - START_MS) * SPEED)

    def wait_s(self, wall_s: float) -> None:
        self.now += round(wall_s * 1000)

    def snapshot(self) -> Snapshot:
        return self.pipeline.snapshot(Health(), self.now)

    @property
    def reasons(self) -> list[str]:
        return [rejection.reason for rejection in self.pipeline.quarantine.latest]

    def journal(self) -> pl.DataFrame:
        """Return the alarm events so far."""
        return pl.concat([result.events for result in self.results])

    def entries(self) -> pl.DataFrame:
        """Return the other journal entries so far."""
        return pl.concat([result.entries for result in self.results])

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of operator actions so far."""
        return [outcome for result in self.results for outcome in result.outcomes]

    @property
    def announcements(self) -> list[AlarmEvent]:
        """The alarm events announced to other systems so far."""
        return [event for result in self.results for event in result.announcements]


@dataclass
class Ward:
    """Simulated pumps connected to a processor, one sample a minute."""

    simulation: Simulation
    watch: Watch

    def begin(self) -> None:
        start = self.simulation.time_ms
        born = Birth(
            gateway="ward",
            pumps=self.simulation.describe(),
            sent=self.watch.now,
            time=start,
            speed=SPEED,
            interval_s=60,
        )
        self.watch.deliver(encode(born), "birth")

    def run(self, minutes: int) -> None:
        for _ in range(minutes):
            self.watch.wait_s(60 / SPEED)
            self.watch.samples(self.simulation.tick().drop("index"))

    def inject(self, fault: str, pump: int, severity: float = 1.0) -> None:
        self.simulation.inject(fault, np.array([pump]), severity=severity)


@pytest.fixture(name="stream", scope="session")
def stream_notation() -> Callable[..., pl.DataFrame]:
    return stream


@pytest.fixture(name="trace", scope="session")
def trace_detector() -> Callable[..., list[float]]:
    """Return a function that traces a detector's score, or a memory column, over the samples of a stream."""
    return trace


@pytest.fixture(name="rule_of", scope="session")
def make_rule() -> Callable[..., Rule]:
    return rule_of


@pytest.fixture(name="feed", scope="session")
def feed_engine() -> Callable[..., pl.DataFrame]:
    return feed


@pytest.fixture
def watch() -> Watch:
    return Watch(Pipeline(verifier=Unsigned()))


@pytest.fixture(scope="session")
def make_ward() -> Callable[[int], Ward]:
    """Return a function that starts a ward of that many simulated pumps."""

    def admit(pumps: int) -> Ward:
        simulation = Simulation(default(pumps=pumps, interval_s=60, seed=11), start_ms=START_MS)
        ward = Ward(simulation, Watch(Pipeline(verifier=Unsigned())))
        ward.begin()
        return ward

    return admit


@pytest.fixture(scope="session")
def json_sample() -> Callable[..., str]:
    """Return a function that encodes one sample as JSON: by default of pump A at `START_MS`, all signals unknown."""

    def sample(**values: object) -> str:
        return msgspec.json.encode({"pump": "A", "time": START_MS, **values}).decode()

    return sample


@pytest.fixture
def story(rule_of: Callable[..., Rule]) -> Callable[..., Story]:
    """Return a function that starts a story with the rule `low`: battery_v below 2."""

    def begin(on_s: float = 0, off_s: float = 0, **settings: object) -> Story:
        low = rule_of(limit("battery_v", below=2, span=1), "low", on_delay_s=on_s, off_delay_s=off_s, **settings)
        return Story((low,))

    return begin


@pytest.fixture
def chain(rule_of: Callable[..., Rule]) -> Story:
    """A story with the rule `cause` (battery below 2, high priority), which suppresses `effect` (flow below 2)."""
    cause = rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",))
    effect = rule_of(limit("flow_ul_h", below=2, span=1), "effect", priority="medium")
    return Story((effect, cause))


@pytest.fixture
def low_battery(watch: Watch, json_sample: Callable[..., str]) -> Callable[..., None]:
    """Return a function that lets pump A report a battery at the end of service each minute while the clock runs."""

    def report(*, minutes: int, first: int = 0, battery_v: float = 2.5) -> None:
        numbers = range(first, first + minutes)
        reported = {"boot": 1, "battery_v": battery_v}
        samples = (json_sample(time=START_MS + number * 60_000, seq=number, **reported) for number in numbers)
        watch.deliver("\n".join(samples))
        watch.wait_s(minutes)

    return report
