"""`make audit`: what is said about a report of pip-audit, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINE = {"name": "polars", "version": "2.1.0", "vulns": []}
SKIPPED = {"name": "plotly", "skip_reason": "Dependency not found on PyPI"}
OURS = {"name": "pumpwatch", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {"name": "dash", "version": "4.4.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["4.4.1"]}]}


def audit(report: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/audit.py", report], check=False, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([FINE, OURS], 0, "1 packages looked up, no known vulnerability"),
        ([FINE, VULNERABLE], 1, "dash 4.4.0: PYSEC-2026-1; fixed in 4.4.1"),
        ([FINE, SKIPPED], 2, "1 of 2 packages were not looked up (plotly)"),
        ([], 2, "the report lists no package"),
    ],
)
def test_a_report_says_whether_it_is_good_news(
    packages: list[dict[str, Any]], code: int, said: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    found, text = audit(report)
    assert (found, said in text) == (code, True), text


def test_no_report_is_no_good_news(tmp_path: Path) -> None:
    code, text = audit(tmp_path / "missing.json")
    assert code == 2
    assert "Nothing was audited" in text
    assert "Traceback" not in text
