"""`pumpwatch load` whose processor stands still, or that is interrupted; by `make chaos`, on an idle machine."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.pumpwatch.commands.test_load import start

PAUSE_S = 2.0
PROFILE = f"""
title = "Two seconds without a processor"
interval = "500ms"
pumps_per_gateway = 5
faulty = 0.02
[[stage]]
pumps = 100
ramp = "1s"
hold = "7s"
[[disturbance]]
kind = "pause"
part = "processor"
at = "5s"
hold = {PAUSE_S}
[[threshold]]
metric = "latency.judged.max"
below = 1
[[threshold]]
metric = "loss"
below = 0
"""


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """A run in which the processor stood still for two seconds: exit code, what it said, its files."""
    folder = tmp_path_factory.mktemp("load")
    (folder / "pause.toml").write_text(PROFILE.replace('"500ms"', "0.5"))
    files = [f"--{kind}={folder / f'run.{kind}'}" for kind in ("json", "html", "junit")]
    process = start(str(folder / "pause.toml"), *files)
    try:
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, said, folder


def test_a_profile_whose_threshold_is_broken_exits_with_1_and_says_which(paused):
    code, said, _ = paused
    assert code == 1, said
    assert re.search(r"BROKEN latency\.judged\.max = \d", said)
    assert "kept   loss = 0" in said


def test_when_the_processor_is_stopped_for_two_seconds_the_latency_shows_two_seconds(paused):
    _, _, folder = paused
    (stage,) = json.loads((folder / "run.json").read_text())["stages"]
    assert stage["latency"]["judged"]["max"] > PAUSE_S - 0.3
    assert stage["latency"]["judged"]["p50"] < stage["latency"]["judged"]["max"]
    assert stage["latency"]["published"]["max"] < PAUSE_S - 0.3, "the generator keeps its schedule meanwhile"
    assert stage["made"] == stage["offered"]
    assert stage["shown"] == stage["made"]
    assert not stage["void"]


def test_the_reports_name_the_part_that_gave_way(paused):
    _, _, folder = paused
    result = json.loads((folder / "run.json").read_text())
    assert result["blame"]["part"] == "processor"
    failed = ET.fromstring((folder / "run.junit").read_text()).findall(".//failure")
    assert [each.get("message", "").partition(" is ")[0] for each in failed] == ["latency.judged.max"]
    page = (folder / "run.html").read_text()
    assert "Gave way: processor" in page


def test_a_run_that_is_interrupted_still_writes_its_report_marked_as_such(tmp_path):
    file = tmp_path / "run.json"
    process = start("smoke", "--pumps", "20", "--hold", "10m", f"--json={file}")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "stage 1 of 1" in line:
                break
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert json.loads(file.read_text())["interrupted"] is True
