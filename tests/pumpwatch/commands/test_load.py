"""`pumpwatch load` on a system that it starts itself, in the words of a load tester."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from pumpwatch.__main__ import app
from trials.load.result import Result


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pumpwatch", "load", *arguments, "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "160"},
    )


def test_reports_agree_with_each_other_and_open_without_a_network(tmp_path):
    files = {kind: tmp_path / f"run.{kind}" for kind in ("json", "html", "junit")}
    process = start(
        *("smoke", "--pumps", "20", "--hold", "3s", "--limit", "latency.judged.max=0.001"),
        *(f"--{kind}={file}" for kind, file in files.items()),
    )
    try:
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    result = json.loads(files["json"].read_text())
    assert set(result) == set(Result.__struct_fields__)
    void = result["void_reasons"] or any(stage["void"] for stage in result["stages"])
    assert process.returncode == (2 if void else 1), said
    failed = [each.get("message", "") for each in ET.fromstring(files["junit"].read_text()).findall(".//failure")]
    assert any(each.startswith("latency.judged.max is ") for each in failed)
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)\s*=", files["html"].read_text())


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
