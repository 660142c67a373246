"""`pumpwatch score`: tables, files and usage errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pumpwatch.__main__ import app

STORY = """
pumps = 4
days = 0.02
interval = "120s"
[[fault]]
name = "motor_stall"
pumps = "1"
at = 0
"""


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.toml"
    path.write_text(STORY)
    return path


def test_a_score_is_printed_and_written_to_files_on_request(story: Path, tmp_path: Path) -> None:
    page, data = tmp_path / "score.html", tmp_path / "score.json"
    result = CliRunner().invoke(
        app, ["score", str(story), "--seed-shift", "7", "--json", str(data), "--html", str(page)]
    )
    assert result.exit_code == 0, result.output
    assert "Motor stall" in result.stdout
    report = json.loads(data.read_text())
    assert (report["pumps"], report["seed"], report["samples"]) == (4, 49, 56)
    assert report["faults"]["motor_stall"]["injected"] == 1
    assert "ITB-" in page.read_text() or not report["missed"]
    assert "<h1>Score of" in page.read_text()


def test_a_sweep_needs_no_scenario(tmp_path: Path) -> None:
    data = tmp_path / "sweep.json"
    words = ["score", "--sweep", "--only", "motor_stall", "--pumps", "1", "--days", "0.01", "--json", str(data)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    report = json.loads(data.read_text())
    assert report["pumps"] == 9
    assert report["sweep"] == {}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["score"], "name a scenario"),
        (["score", "nowhere"], "no scenario"),
        (["score", "demo", "--pumps", "5"], "are not in the fleet"),
        (["score", "--sweep", "--only", "motor_stal"], "did you mean motor_stall"),
    ],
)
def test_an_impossible_score_is_a_usage_error_with_a_reason(words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert sentence in result.stderr
