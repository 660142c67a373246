"""`pumpwatch load` on a system that it starts itself, in the words of a load tester."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from pumpwatch.__main__ import app
from trials.load.result import Result

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


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pumpwatch", "load", *arguments, "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "160"},
    )


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


def test_reports_agree_with_each_other_and_open_without_a_network(paused):
    _, _, folder = paused
    result = json.loads((folder / "run.json").read_text())
    assert set(result) == set(Result.__struct_fields__)
    assert result["blame"]["part"] == "processor"
    failed = ET.fromstring((folder / "run.junit").read_text()).findall(".//failure")
    assert [each.get("message", "").partition(" is ")[0] for each in failed] == ["latency.judged.max"]
    page = (folder / "run.html").read_text()
    assert "Gave way: processor" in page
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)\s*=", page)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "neither a file nor a packaged profile"),
        (["smoke", "--limit", "latency.shown.p99"], "is not a metric and its limit such as"),
        (["smoke", "--limit", "speed=3"], "no metric 'speed'"),
        (["smoke", "--hold", "soon"], "is not a duration"),
        (["smoke", "--compare", "nothing.json"], "cannot read"),
        (["smoke", "--broker", "mqtt://192.0.2.1"], "--i-know-what-i-do 192.0.2.1"),
        (["smoke", "--broker", "mqtt://192.0.2.1", "--i-know-what-i-do", "192.0.2.2"], "names 192.0.2.2"),
        (["smoke", "--broker", "mqtt://127.0.0.1:1"], "127.0.0.1:1"),
        (["smoke", "--broker", "mqtt://127.0.0.1:1", "--dashboard", "http://127.0.0.1:1"], "no dashboard answers"),
        (["smoke", "--broker", "http://x"], "allowed are mqtt:// and mqtts://"),
        (["smoke", "--processor-data", "/nowhere"], "no broker with passwords runs on /nowhere"),
        (["smoke", "--broker", "localhost", "--processor-data", "/nowhere"], "name two targets"),
        (["smoke", "--workers", "2"], "workers need a broker that they reach"),
        (["smoke", "--worker"], "a worker needs the broker where its runner is"),
        (["--worker", "--broker", "mqtt://127.0.0.1:1"], "no broker answers at mqtt://127.0.0.1:1"),
        (["breakpoint", "--find-knee=height"], "is not one of"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(arguments, said):
    result = CliRunner().invoke(app, ["load", *arguments], env={"COLUMNS": "300"})
    assert result.exit_code != 0
    assert said in f"{' '.join(result.output.replace('│', ' ').split())} {result.exception}"
