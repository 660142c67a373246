"""A fleet of any size, the dashboard around it, a broker that agrees to everything, a browser without a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from broker.contract.actions import Action, Outcome, PumpAction, ServiceAction
from broker.contract.commands import Reply
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from broker.mqtt.request_reply import AddressedCommand
from broker.store.pump_table import PUMPS_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, CapacityLimit, Health, Refusal, Snapshot, empty
from broker.store.snapshot_files import write
from dashboard.access.accounts import NOBODY, VISITOR
from dashboard.data.live import Live
from dashboard.data.services import DataService
from dashboard.settings import Settings

THERAPY_MS = 1_768_221_120_000
"""12 January 2026, 12:32 UTC."""
WALL_MS = 1_790_000_000_000
FleetOf = Callable[..., Snapshot]


def make_fleet(
    pumps: int, *, alarms: int | None = None, version: int = 1, written: int = WALL_MS, name: str = "ITB-"
) -> Snapshot:
    """Return a fleet in which the first pumps have alarms of every priority and state, and a few are silent."""
    if not pumps:
        return empty()
    number = np.arange(pumps)
    faulty = min(pumps, pumps // 10 + 1 if alarms is None else alarms)
    serials = [f"{name}{one + 1:06d}" for one in number]
    columns: dict[str, object] = {
        "pump": serials,
        "gateway": [f"gateway-{one // 1000:02d}" for one in number],
        "site": [f"Site {one % 7}" for one in number],
        "model": ["B"] * pumps,
        "reservoir_capacity_ml": np.full(pumps, 20.0),
        "concentration_ug_ml": np.full(pumps, 2000.0),
        "time": np.full(pumps, THERAPY_MS - 30_000),
        "age_s": np.full(pumps, 30.0),
        "silent": number % 50 == 49,
        "flags": (number % 5 == 4).astype(int),
        "priority": np.where(number < faulty, number % 3 + 1, 0),
        "alarms": (number < faulty).astype(int),
        "unacknowledged": ((number < faulty) & (number % 4 != 2)).astype(int),
        "worst": [f"rule_{one % 3}" if one < faulty else None for one in number],
        "lost": number % 3,
        "seq": number,
        **dict.fromkeys(SIGNAL_NAMES, 8.0 + number % 10 / 10),
    }
    pump_frame = pl.DataFrame(
        {name: columns.get(name, [None] * pumps) for name in PUMPS_SCHEMA}, schema_overrides=PUMPS_SCHEMA
    )
    states = ["unacknowledged", "returned", "acknowledged", "unacknowledged"]
    alarm_columns: dict[str, object] = {
        "alarm": [f"{serial}/rule" for serial in serials[:faulty]],
        "subject": serials[:faulty],
        "subject_kind": ["pump"] * faulty,
        "pump": serials[:faulty],
        "gateway": columns["gateway"][:faulty],  # type: ignore[index]
        "site": columns["site"][:faulty],  # type: ignore[index]
        "rule": [f"rule_{one % 3}" for one in range(faulty)],
        "title": [f"Alarm of rule {one % 3}" for one in range(faulty)],
        "priority": [one % 3 + 1 for one in range(faulty)],
        "state": [states[one % 4] for one in range(faulty)],
        "onset": [THERAPY_MS - 60_000 * (one + 12) for one in range(faulty)],
        "raised": [THERAPY_MS - 60_000 * (one + 10) for one in range(faulty)],
        "raised_wall": [WALL_MS - 10_000] * faulty,
        "returned": [THERAPY_MS - 60_000 if states[one % 4] == "returned" else None for one in range(faulty)],
        "age_s": [60.0 * (one + 12) for one in range(faulty)],
        "meaning": ["What is the matter with this pump, in a sentence of the usual length."] * faulty,
        "action": ["Interrogate the pump and prepare oral bridging"] * faulty,
        "deadline": ["within 1 h"] * faulty,
        "held": [0] * faulty,
    }
    alarm_frame = pl.DataFrame(
        {name: alarm_columns.get(name, [None] * faulty) for name in ALARMS_SCHEMA}, schema_overrides=ALARMS_SCHEMA
    )
    gateways = sorted(set(columns["gateway"]))  # type: ignore[call-overload]
    gateway_columns: dict[str, object] = {
        "gateway": gateways,
        "shard": list(range(len(gateways))),
        "state": ["online"] * len(gateways),
        "pumps": [min(1000, pumps)] * len(gateways),
        "speed": [60.0] * len(gateways),
        "heard_wall": [WALL_MS - 400] * len(gateways),
    }
    gateway_frame = pl.DataFrame(
        {name: gateway_columns.get(name, [0] * len(gateways)) for name in GATEWAYS_SCHEMA},
        schema_overrides=GATEWAYS_SCHEMA,
    )
    health = Health(
        version=version,
        written=written,
        therapy_ms=THERAPY_MS,
        speed=60,
        connected=True,
        samples_per_s=float(pumps),
        latency_ms={"p50": 40, "p95": 80, "p99": 120},
        bounds=[CapacityLimit("inbox", 10, 65_535, "messages", 2)],
        refused=1,
        refusals=[Refusal("itb/00/mine/telemetry", WALL_MS, "the payload is empty", "<b>")],
        faults=["catheter_occlusion", "motor_stall"],
        notes=["The embedded broker is for evaluation."],
    )
    return Snapshot.of(pump_frame, alarm_frame, gateway_frame, health)


def make_samples(pump: str, minutes: int, *, until_ms: int = THERAPY_MS) -> pl.DataFrame:
    """Return a sample a minute of one pump."""
    number = np.arange(minutes)
    columns: dict[str, object] = {
        "pump": [pump] * minutes,
        "time": until_ms - (minutes - 1 - number) * 60_000,
        "seq": number,
        **{signal: 8.0 + np.sin(number / 50) for signal in SIGNAL_NAMES},
    }
    return pl.DataFrame(
        {name: columns.get(name, [0] * minutes) for name in SAMPLE_SCHEMA}, schema_overrides=SAMPLE_SCHEMA
    )


@dataclass
class Wire:
    """A broker that records commands and actions; every gateway accepts."""

    orders: list[AddressedCommand] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    participle: str = "Acknowledged"

    async def ask(self, _url: str, orders: list[AddressedCommand]) -> list[Reply]:
        self.orders += orders
        return [
            Reply(id=order.command.id, gateway=order.gateway, ok=True, text="done", pumps=1, time=THERAPY_MS)
            for order in orders
        ]

    async def act(self, _url: str, action: Action) -> Outcome:
        self.actions.append(action)
        if isinstance(action, PumpAction):
            return Outcome(id=action.id, done=len(action.pumps), refused=0, text="Done.")
        count = len(action.subjects if isinstance(action, ServiceAction) else action.alarms)
        return Outcome(
            id=action.id, done=count, refused=0, text=f"{self.participle} {count} alarm{'s' * (count != 1)}."
        )


def make_data(settings: Settings, wire: Wire, snapshot: Snapshot) -> DataService:
    """Write a snapshot and return a data service on it."""
    if snapshot.version:
        write(settings.snapshots, snapshot)
    return DataService(settings, Live(settings.snapshots, lambda: WALL_MS), lambda: WALL_MS, wire.ask, wire.act)


def open_browser(application: object) -> httpx.AsyncClient:
    """Return a client that speaks to an ASGI application as a browser on the same page would."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application),  # type: ignore[arg-type]
        base_url="http://pumpwatch",
        headers={"Origin": "http://pumpwatch"},
    )


@pytest.fixture(autouse=True)
def visitor() -> Iterator[None]:
    """Nobody is signed in until a test says who is, whatever an earlier one left."""
    token = VISITOR.set(NOBODY)
    yield
    VISITOR.reset(token)


@pytest.fixture
def fleet() -> FleetOf:
    return make_fleet


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings("mqtt://127.0.0.1:1", tmp_path, key="the-right-key")


@pytest.fixture
def data_of(settings: Settings, wire: Wire) -> Callable[[Snapshot], DataService]:
    """Return a function that writes a snapshot and returns a data service on it."""
    return partial(make_data, settings, wire)


@pytest.fixture
def samples_of() -> Callable[..., pl.DataFrame]:
    return make_samples


@pytest.fixture
def browser_of() -> Callable[[object], httpx.AsyncClient]:
    return open_browser
