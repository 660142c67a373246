"""Alert rules and queries of the Grafana dashboard by promtool, in `make contracts`: its package is large."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.pumpwatch.test_watch_files import RULES, targets


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


def test_prometheus_understands_every_query_of_the_grafana_dashboard(tmp_path: Path) -> None:
    # Grafana fills in its variables before it asks; any length of time serves to read the query.
    queries = [re.sub(r"\$__\w+", "5m", target["expr"]) for _, target in targets()]
    recorded = [{"record": f"pumpwatch:query_{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "grafana", "rules": recorded}]}))
    assert f"SUCCESS: {len(queries)} rules found" in promtool("check", "rules", str(file))
