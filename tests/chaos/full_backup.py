"""A backup of a running system, restored elsewhere: nothing that it holds is lost, repeated or altered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from broker.store.journal_query import Query, entries
from broker.store.segments import trend
from pumpwatch.commands.doctor_journal import check
from tests.e2e.conftest import PATIENCE_S, ROOT, System, pairs, running, warmed_up

pytestmark = [pytest.mark.broker]
STALL = {("ITB-000000", "motor_stall")}


def heard(data: Path, boot: int) -> dict[str, list[int]]:
    """Return the numbers of all samples of these pumps since that boot, in the history."""
    found = {pump: trend(data, pump, 0) for pump in ("ITB-000000", "ITB-000001", "ITB-000002")}
    return {pump: samples.filter(pl.col("boot") == boot)["seq"].to_list() for pump, samples in found.items()}


def raised(data: Path) -> list[str]:
    """Return the alarms that were raised about pumps, as often as they were."""
    found = entries(data, Query(kinds=("raised",), alarms_only=True, limit=10_000))
    return sorted(found.filter(subject_kind="pump")["alarm"])


def restored(file: Path, data: Path) -> str:
    line = [sys.executable, "-m", "pumpwatch", "restore", str(file), "--data", str(data)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def acknowledge(system: System) -> None:
    # A busy machine may answer too late for the command; what was signed is carried out within the minute.
    system.command("alarm", "acknowledge", "--alarms", "all")
    system.wait_for("the acknowledgement", lambda now: now.alarms["state"].to_list() == ["acknowledged"])


@pytest.mark.usefixtures("mosquitto")
def test_a_system_restored_from_a_backup_made_under_load_goes_on_where_the_backup_was(
    tmp_path: Path, free_port: int
) -> None:
    file, new = tmp_path / "ward.backup", tmp_path / "new"
    with running(tmp_path / "data", "--port", str(free_port)) as system:
        system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
        assert system.command("inject", "motor_stall", "--pumps", "0").returncode == 0
        system.wait_for("the alarm", lambda now: pairs(now) == STALL)
        acknowledge(system)
        boot = int(system.look().pumps["boot"][0])
        before = heard(system.data, boot)
        done = system.command("backup", str(file))
        assert done.returncode == 0, done.stderr
        alarms = system.look().alarms["alarm"].to_list()
        assert not (system.data / ".backup").exists()

    assert "start it with" in restored(file, new)
    with running(new, "--port", str(free_port)) as system:
        system.wait_for("samples of the pumps that were started anew", lambda now: now.pumps["boot"].min() != boot)
        after = heard(new, boot)

    for pump, numbers in after.items():
        assert numbers[: len(before[pump])] == before[pump]
        assert numbers == list(range(1, len(numbers) + 1))
    # Each alarm was raised once, before the backup, and acknowledged once; those of the new fleet are later ones.
    assert [alarm for alarm in raised(new) if alarm in alarms] == alarms
    assert entries(new, Query(kinds=("acknowledged",)))["alarm"].to_list() == alarms
    assert check(new)[1] is None
