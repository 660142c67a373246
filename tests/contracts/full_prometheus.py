"""The alert rules by Prometheus's own tool, by `make contracts`: its package is larger than all that tests need."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.pumpwatch.test_watch_files import RULES


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, check=False, cwd=RULES.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_the_alert_rules_and_their_tests_pass() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES.name)
    promtool("test", "rules", "pumpwatch.rules.test.yml")
