"""`pumpwatch score`: what it writes where, and how it says what cannot be."""

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


def test_a_score_is_a_table_on_stdout_and_files_where_they_are_asked_for(story: Path, tmp_path: Path) -> None:
    page, data = tmp_path / "score.html", tmp_path / "score.json"
    done = CliRunner().invoke(app, ["score", str(story), "--seed-shift", "7", "--json", str(data), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert "motor_stall" in done.stdout
    told = json.loads(data.read_text())
    assert (told["pumps"], told["seed"], told["samples"]) == (4, 49, 56)
    assert told["faults"]["motor_stall"]["injected"] == 1
    assert "ITB-" in page.read_text() or not told["missed"]
    assert "<h1>Score of" in page.read_text()


def test_a_sweep_needs_no_scenario(tmp_path: Path) -> None:
    data = tmp_path / "sweep.json"
    words = ["score", "--sweep", "--only", "motor_stall", "--pumps", "1", "--days", "0.01", "--json", str(data)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    told = json.loads(data.read_text())
    assert told["pumps"] == 9
    assert told["sweep"] == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score"], "name a scenario"),
        (["score", "nowhere"], "no scenario"),
        (["score", "demo", "--pumps", "5"], "are not in the fleet"),
        (["score", "--sweep", "--only", "motor_stal"], "did you mean motor_stall"),
    ],
)
def test_what_cannot_be_scored_is_a_usage_error_that_says_why(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert said in done.stderr
