"""A new signal is one row of the signal table, and one row of the sensors if the simulator measures it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl

from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("broker", "simulator", "processor", "dashboard", "tests/processor", "tests/broker", "tests/dashboard")
END_OF_SIGNALS = ')\n"""All signals, in the order'
END_OF_SENSORS = ')\n"""All sensors.'
START_MS = 1_767_225_600_000
SAMPLES = f"""
import sys
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
simulation = Simulation(default(pumps=50, interval_s=60, seed=3), start_ms={START_MS})
simulation.inject("mri_stall", [1], severity=1.0)
[simulation.tick() for _ in range(3)]
simulation.tick().write_ipc(sys.stdout.buffer)
"""


def add(path: Path, end: str, rows: list[str]) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(end) == 1
    path.write_text(text.replace(end, "".join(f"    {row},\n" for row in rows) + end), encoding="utf-8")


def run(root: Path, *arguments: str) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ran = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=root, env=environment, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stdout.decode()[-4000:] + ran.stderr.decode()[-2000:]
    return ran.stdout


def test_rows_are_all_that_new_signals_need_and_the_others_readings_stay_the_same(tmp_path):
    signals, sensors = 11, 10
    # With what is compiled already: the times of the sources are copied too, so what is changed is compiled anew.
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "tests/conftest.py", "tests/unsigned.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    names = [f"new_{number}" for number in range(1, signals + 1)]
    add(
        tmp_path / "broker/contract/signals.py",
        END_OF_SIGNALS,
        [f'Signal("{name}", "mV", "New signal {name}", -100.0, 100.0, 2, "mV")' for name in names],
    )
    add(
        tmp_path / "simulator/fleet/sensors.py",
        END_OF_SENSORS,
        [f'Sensor("{name}", lambda fleet: fleet.body_c, 0.1, 0.0, 0.01, -100.0, 100.0)' for name in names[:sensors]],
    )
    grown = pl.read_ipc(io.BytesIO(run(tmp_path, "-c", SAMPLES)))
    simulation = Simulation(default(pumps=50, interval_s=60, seed=3), start_ms=START_MS)
    simulation.inject("mri_stall", [1], severity=1.0)
    for _ in range(3):
        simulation.tick()
    before = simulation.tick()
    assert grown.select(before.columns).equals(before)
    assert grown.columns[len(before.columns) :] == names
    assert [grown[name].null_count() for name in names] == [0 if n < sensors else grown.height for n in range(signals)]
    readings = grown.select(names[:sensors]).to_numpy()
    assert len({tuple(column) for column in readings.T}) == sensors
    run(
        tmp_path,
        *("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
        "tests/processor/test_signal_journey.py",
        "tests/broker/contract/test_codec.py",
        "tests/dashboard/components/test_signal_panels.py",
    )
