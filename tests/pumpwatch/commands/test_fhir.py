"""FHIR and PCD-04 from the command line: valid resources of a data directory, and clear refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import audit
from broker.store.history import History
from broker.store.journal import Journal
from broker.store.journal_query import Query, entries
from broker.store.pump_table import PUMPS_SCHEMA
from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, Health, Snapshot
from broker.store.snapshot_files import write
from pumpwatch.__main__ import app
from tests.broker.interop import rows
from tests.broker.interop.validation import ballot_problems, problems

ALARM = rows.alarm()["alarm"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pumps, of which one has an occluded catheter, and three samples."""
    rules = pl.DataFrame(
        [{**dict.fromkeys(RULES_SCHEMA), "rule": "catheter_occlusion", "mdc": "MDC_EVT_FLUID_LINE_OCCL"}], RULES_SCHEMA
    )
    snapshot = Snapshot.of(
        pl.DataFrame([rows.pump(), rows.pump(pump="MY-1")], PUMPS_SCHEMA),
        pl.DataFrame([rows.alarm()], ALARMS_SCHEMA),
        pl.DataFrame([rows.gateway()], GATEWAYS_SCHEMA),
        Health(version=1),
        rules=rules,
    )
    write(tmp_path / "snapshot", snapshot)
    samples = [rows.sample(), rows.sample(time=rows.NOON + 60_000), rows.sample(pump="MY-1")]
    History(tmp_path).append(pl.DataFrame(samples, SAMPLE_SCHEMA), rows.NOON)
    Journal(tmp_path).close()
    return tmp_path


def run(*words: str, data: Path) -> Any:
    return CliRunner().invoke(app, [*words, "--data", str(data)])


def resources(*words: str, data: Path) -> list[dict[str, Any]]:
    done = run("fhir", "export", *words, data=data)
    assert done.exit_code == 0, done.stderr
    bundle = json.loads(done.stdout)
    assert bundle["type"] == "collection"
    return [entry["resource"] for entry in bundle["entry"]]


def test_an_export_has_devices_metrics_samples_and_alarms_all_valid_and_marked(data: Path) -> None:
    found = resources(data=data)
    kinds = [one["resourceType"] for one in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {"Device": 4, "DeviceMetric": 20, "Observation": 4}
    assert [problem for one in found for problem in problems(one)] == []
    assert all(one["meta"]["tag"][0]["code"] == "simulated" for one in found)
    references = {one["parent"]["reference"] for one in found if "parent" in one}
    assert references <= {f"Device/{one['id']}" for one in found}


def test_an_export_of_some_pumps_and_a_period_has_no_others(data: Path) -> None:
    words = ("--resource", "Observation", "--pumps", "ITB-000003", "--from", "2026-01-01T12:00:30Z")
    alarm, sample = resources(*words, data=data)
    assert alarm["valueCodeableConcept"]["text"] == "unacknowledged"
    assert alarm["code"]["coding"][0]["code"] == "196940"
    assert sample["effectiveDateTime"] == "2026-01-01T12:01:00.000Z"


def test_ndjson_is_one_resource_a_line(data: Path) -> None:
    done = run("fhir", "export", "--resource", "Device", "--format", "ndjson", data=data)
    assert [json.loads(line)["resourceType"] for line in done.stdout.splitlines()] == ["Device"] * 4
    assert done.stderr == "4 resources\n"


def test_the_audit_trail_is_exported_and_the_export_is_in_it(data: Path) -> None:
    for number in range(3):
        audit.record(data, "denied", who="vera", origin="10.0.0.9", text="inject", at=rows.NOON + number)
    found = resources("--resource", "AuditEvent", data=data)
    assert [one["subtype"][0]["code"] for one in found] == ["exported", "denied", "denied", "denied"]
    assert [problem for one in found for problem in problems(one)] == []
    assert "AuditEvent of pumps all" in entries(data, Query(kinds=("exported",)))["text"][0]


def test_device_alerts_are_exported_alone_because_they_are_of_another_release(data: Path) -> None:
    [alert] = resources("--resource", "DeviceAlert", data=data)
    assert ballot_problems(alert) == []
    refused = run("fhir", "export", "--resource", "DeviceAlert", "--resource", "Device", data=data)
    assert refused.exit_code == 2
    assert "export it alone" in refused.stderr


def test_alarms_that_are_over_are_exported_with_when_they_ended_and_those_since_a_time_alone(data: Path) -> None:
    about = {"subject": "MY-1", "pump": "MY-1", "alarm": "MY-1/motor_stall/1", "rule": "motor_stall", "priority": 1}
    journal = Journal(data)
    course = {"raised": rows.NOON, "returned": rows.NOON + 60_000, "cleared": rows.NOON + 90_000}
    journal.append(pl.DataFrame([{**about, "kind": kind, "at": at + 1, "time": at} for kind, at in course.items()]))
    journal.close()
    alert, over = resources("--resource", "DeviceAlert", data=data)
    assert (alert["status"], over["status"], over["presence"]) == ("in-progress", "completed", False)
    assert ballot_problems(over) == []
    assert over["meta"]["lastUpdated"] == "2026-01-01T12:01:30.001Z"
    words = ("--resource", "Observation", "--pumps", "MY-1")
    assert [one["status"] for one in resources(*words, "--since", "2026-01-01T12:01:30Z", data=data)] == ["final"]
    before = resources(*words, "--to", "2026-01-01T12:00:00Z", data=data)
    after = resources(*words, "--from", "2026-01-01T12:00:00Z", data=data)
    assert [len([one for one in found if "alarm" in one["id"]]) for found in (before, after)] == [1, 1], "it stood then"


def test_an_export_without_a_match_says_so(data: Path) -> None:
    done = run("fhir", "export", "--resource", "Device", "--pumps", "nobody", data=data)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["resourceType"] == "Bundle"


def test_without_a_snapshot_there_is_nothing_to_export(tmp_path: Path) -> None:
    for words in (("fhir", "export"), ("alarms", "pcd04", "x")):
        done = run(*words, data=tmp_path)
        assert done.exit_code == 1
        assert "there is no snapshot" in str(done.exception)


def test_an_alarm_is_printed_as_pcd_04_in_lines_or_in_segments(data: Path) -> None:
    lines = run("alarms", "pcd04", ALARM, data=data).stdout.splitlines()
    assert lines[0].startswith("MSH|^~\\&|PUMPWATCH|SIMULATED|")
    assert "|196940^MDC_EVT_FLUID_LINE_OCCL^MDC^" in lines[2]
    segments = run("alarms", "pcd04", ALARM, "--ends", "segment", data=data).stdout_bytes
    assert segments.count(b"\r") == len(lines)
    assert b"\n" not in segments


def test_an_alarm_that_is_not_open_is_refused_with_what_to_do(data: Path) -> None:
    done = run("alarms", "pcd04", "nothing", data=data)
    assert done.exit_code == 1
    assert "no alarm 'nothing' is open; `pumpwatch alarms --json` lists the ids" in str(done.exception)
