"""What a simulator and drills leave in the data directory, so that the pages of engineers have something to show."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace

from broker.contract.messages import encode
from broker.truth.ground_truth import FILE, FaultChange, FaultFacts, RunHeader
from broker.truth.playback import CATALOGUE_FILE, STATE_FILE, Catalogue, PlaybackState, ScenarioEntry, Step
from dashboard.data.drill_records import Drill
from dashboard.data.drill_store import DrillStore
from tests.dashboard.conftest import THERAPY_MS

FAULT = "catheter_kink"
HOUR_MS = 3_600_000


def write_files_of_engineers(data: Path) -> None:
    """Write a scenario that plays, injections on several pumps, and drills with results."""
    _scenario(data)
    _injections(data)
    _drills(data)


def _scenario(data: Path) -> None:
    step = Step(at_s=600, kind="fault", name=FAULT, pumps="pumps 3,5-9", severity="0.5 to 1")
    entry = ScenarioEntry(
        name="fault-after-refill-or-program",
        uploaded=True,
        description="A day.",
        pumps=20,
        days=None,
        random=False,
        steps=tuple(replace(step, at_s=600.0 * number) for number in range(8)),
        steps_left_out=0,
        toml="pumps = 20",
    )
    (data / CATALOGUE_FILE).write_bytes(encode(Catalogue(gateway="gateway-00", scenarios=[entry])))
    now = time.time_ns() // 1_000_000
    playing = PlaybackState(
        sent=now, name=entry.name, state="playing", position_s=3_700, speed=60, remaining=2, pumps=20
    )
    (data / STATE_FILE).write_bytes(encode(playing))


def _injections(data: Path) -> None:
    began = FaultChange(
        kind="begun", pump="ITB-000002", fault=FAULT, severity=0.6, since=THERAPY_MS, time=THERAPY_MS, by="maria"
    )
    changes = [replace(began, pump=f"ITB-{number:06d}") for number in range(2, 9)]
    ended = replace(began, kind="ended", time=THERAPY_MS + HOUR_MS)
    header = RunHeader(time=THERAPY_MS - 24 * HOUR_MS, pumps=20, faults=[FaultFacts(fault=FAULT)])
    (data / FILE).write_bytes(b"".join(encode(line) + b"\n" for line in [header, *changes, ended]))


def _drills(data: Path) -> None:
    now = time.time_ns() // 1_000_000
    drill = Drill(
        id="1",
        planned_by="maria",
        planned_at=now,
        span_min=15,
        due_at=now,
        fault="motor_stall",
        severity=0.9,
        pump="ITB-000003",
        injected_at=now,
        alarm_at=now,
        acknowledged_at=now,
        acknowledged_by="maria",
        right="Interrogate the pump and read its event log",
        answer="Refill now",
        state="ended",
    )
    DrillStore(data).change(lambda _: [drill, replace(drill, id="2", state="cancelled")])
