"""Shared fixtures: a notation for one pump's samples, and a processor that monitors simulated pumps."""

from __future__ import annotations

import re
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
from processor.detectors import Detector
from processor.detectors.limit import limit
from processor.engine import engine
from processor.intake.inbox import BATCH_SCHEMA
from processor.pipeline import Pipeline
from processor.rules import RULES, Rule
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from tests.processor.story import Story

START_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC: therapy time and wall-clock time of these tests start here."""
SPEED = 60.0
GAP, UNKNOWN = "-", "?"


def stream(signal: str, notation: str, *, every_s: float = 60, pump: int = 0, **others: str) -> pl.DataFrame:
    """Return the batch of samples that one pump sends: `stream("flow_ul_h", "10x3 4 - ? 4")`.

    One word per sample, every `every_s` seconds from `START_MS`: a value, `?` for a sample in which the signal is
    unknown, or `-` for a lost sample (its `seq` is missing, too). `x3` repeats a word three times. Other columns are
    given by name in the same notation; a single value applies to all samples.
    """
    words = _words(notation)
    columns: dict[str, object] = {
        "pump": [pump] * len(words),
        "time": [START_MS + round(at * every_s * 1000) for at in range(len(words))],
        "seq": list(range(1, len(words) + 1)),
        "boot": [1] * len(words),
    }
    for name, text in {signal: notation, **others}.items():
        given = _words(text)
        given = given * len(words) if len(given) == 1 else given
        assert len(given) == len(words), f"{name} has {len(given)} samples, {signal} {len(words)}"
        scale = int if BATCH_SCHEMA[name].is_integer() else float
        columns[name] = [None if word in {GAP, UNKNOWN} else scale(word) for word in given]
    empty = {name: [None] * len(words) for name in BATCH_SCHEMA if name not in columns}
    batch = pl.DataFrame({**columns, **empty}, BATCH_SCHEMA)
    return batch.filter(pl.Series([word != GAP for word in words]))


def _words(notation: str) -> list[str]:
    words = (re.fullmatch(r"(\S+?)(?:x(\d+))?", word) for word in notation.split())
    return [word[1] for word in words if word for _ in range(int(word[2] or 1))]


def rule_of(detector: Detector, name: str = "rule", **changes: object) -> Rule:
    """Return a minimal rule around a detector."""
    texts = dict.fromkeys(("title", "meaning", "action", "time_to_respond", "rationale"), "Something.")
    fields = {"priority": "high", "on_delay_s": 0.0, "off_delay_s": 0.0, "detection_target_h": 1.0, **texts, **changes}
    return Rule(name=name, detector=detector, **fields)  # type: ignore[arg-type]


def feed(
    batch: pl.DataFrame, rules: engine.Rules = RULES, state: pl.DataFrame | None = None, window_s: float = 0.0
) -> pl.DataFrame:
    """Return the engine's state after a batch, with as many pumps as the batch or the given state."""
    pumps = 0 if batch.height == 0 else int(batch["pump"].max()) + 1  # type: ignore[arg-type]
    state = engine.grow(engine.new_state(0, rules) if state is None else state, pumps, rules)
    for wave in engine.waves(batch):
        state = engine.step(state, wave, rules, window_s=window_s).state
    return state


def trace(detector: Detector, batch: pl.DataFrame, column: str = "rule") -> list[float]:
    """Return the score, or the memory column of that name, after each sample of one pump; each sample is a window."""
    rules = (rule_of(detector),)
    state, values = engine.new_state(1, rules), []
    for wave in engine.waves(batch):
        state = engine.step(state, wave, rules, window_s=0).state
        values.append(state[column if column == "rule" else f"{detector.family or 'rule'}.memory.{column}"][0])
    return values


@dataclass
class Watch:
    """A processor fed by hand: wall-clock time stands still until `wait_s`, therapy time runs `SPEED` times as fast."""

    pipeline: Pipeline
    gateway: str = "ward"
    now: int = START_MS
    results: list[BatchResult] = field(default_factory=list)

    def say(self, payload: bytes | str, leaf: str = "telemetry", *, gateway: str | None = None) -> pl.DataFrame:
        """Deliver one message of the gateway; return the accepted samples."""
        return self.take([self.message(payload, leaf, gateway=gateway)])

    def message(self, payload: bytes | str, leaf: str = "telemetry", *, gateway: str | None = None) -> Message:
        data = payload.encode() if isinstance(payload, str) else payload
        return Message(f"itb/00/{gateway or self.gateway}/{leaf}", data, 1, 1, retained=False)

    def take(
        self, messages: Sequence[Message], *, listening: bool = True, readings: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Process messages and keep the result; return its samples."""
        result = self.pipeline.take(list(messages), self.now, listening=listening, readings=readings)
        self.results.append(result)
        return result.samples

    def birth(self, *serials: str, gateway: str | None = None, speed: float = SPEED) -> None:
        born = Birth(
            gateway=gateway or self.gateway,
            pumps=Pumps(serial=list(serials)),
            sent=self.now,
            time=self.now,
            speed=speed,
        )
        self.say(encode(born), "birth", gateway=gateway)

    def samples(self, samples: pl.DataFrame, *, json: bool = False) -> pl.DataFrame:
        wire = samples.select(*SAMPLE_SCHEMA)
        return self.say(encode_json(wire) if json else encode_arrow(wire))

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
        return [refusal.reason for refusal in self.pipeline.quarantine.latest]

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
        self.watch.say(encode(born), "birth")

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
    return Watch(Pipeline())


@pytest.fixture(scope="session")
def make_ward() -> Callable[[int], Ward]:
    """Return a function that starts a ward of that many simulated pumps."""

    def admit(pumps: int) -> Ward:
        simulation = Simulation(default(pumps=pumps, interval_s=60, seed=11), start_ms=START_MS)
        ward = Ward(simulation, Watch(Pipeline()))
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

    def begin(on_s: float = 0, off_s: float = 0, **more: object) -> Story:
        low = rule_of(limit("battery_v", below=2, span=1), "low", on_delay_s=on_s, off_delay_s=off_s, **more)
        return Story((low,))

    return begin


@pytest.fixture
def tale(rule_of: Callable[..., Rule]) -> Story:
    """A story with the rule `cause` (battery below 2, high priority), which explains `effect` (flow below 2)."""
    cause = rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",))
    effect = rule_of(limit("flow_ul_h", below=2, span=1), "effect", priority="medium")
    return Story((effect, cause))
