"""Files for those who watch Pumpwatch: alert rules, Grafana dashboard, scrape configuration and systemd unit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.metrics.table import METRICS, PARTS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "pumpwatch.rules.yml"
UNIT = DEPLOY / "systemd" / "pumpwatch.service"
SERIES = {name for metric in METRICS for name in metric.series}
LABELS = {label for metric in METRICS for label in metric.labels} | {"le", "job", "instance"}
MAX_EXPOSURE = 2.0


def unknown(expression: str) -> set[str]:
    """Return the names of our metrics in an expression that no part serves."""
    return set(re.findall(r"\b(?:pumpwatch|process)_[a-z_]+\b", expression)) - SERIES


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in json.loads((DEPLOY / "grafana" / "pumpwatch.json").read_text())["panels"]:
        yield from ((panel["title"], target) for target in panel["targets"])


def test_every_alert_rule_asks_for_metrics_that_are_served_and_says_what_to_do() -> None:
    assert len(rules()) == len({rule["alert"] for rule in rules()})
    for rule in rules():
        assert not unknown(rule["expr"]), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_alert_rule_is_explained() -> None:
    text = (DEPLOY.parent / "docs" / "operate.md").read_text()
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in text] == []


def test_every_query_of_the_grafana_dashboard_asks_for_metrics_that_are_served() -> None:
    queries = list(targets())
    assert len(queries) > 30
    for title, target in queries:
        assert not unknown(target["expr"]), title
        assert re.search(r"\b(pumpwatch|process)_", target["expr"]), title
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= LABELS, title


def test_the_scrape_configuration_has_a_port_for_each_part_in_their_order() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    (static,) = job["static_configs"]
    assert static["targets"] == [f"127.0.0.1:{9464 + number}" for number in range(len(PARTS))]


def test_the_unit_starts_the_system_where_it_may_write_and_nowhere_else() -> None:
    lines = [line for line in UNIT.read_text().splitlines() if line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    assert settings["ExecStart"].endswith("pumpwatch run --data /var/lib/pumpwatch --metrics-port 9464")
    assert settings["StateDirectory"] == "pumpwatch"
    hardened = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "DynamicUser": "yes", "Restart": "on-failure"}
    assert {name: settings[name] for name in hardened} == hardened


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/pumpwatch/bin/pumpwatch", "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, timeout=30, check=False
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found, judged.stdout + judged.stderr
    assert float(found[1]) <= MAX_EXPOSURE
