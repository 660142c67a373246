"""Page Load: who may start a test, one at a time, what it shows, and reports that are opened and compared."""

from __future__ import annotations

import asyncio
import sys

import msgspec
import pytest

from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.audit_trail import AuditTrail
from dashboard.components import load_views
from dashboard.data import load_runs
from dashboard.data.load_runs import LIVE, MAX_REPORTS, PROFILES, LiveFile, LoadRunError, LoadRuns, Report
from dashboard.pages import load
from tests.trials.load.test_judging import stage
from trials.load.live import Live
from trials.load.profile import packaged
from trials.load.result import Check, Result

NOW_MS = 1_800_000_000_000


@pytest.fixture
def runs(tmp_path):
    token = VISITOR.set(Visitor("eva", "engineer"))
    yield LoadRuns(tmp_path / "load", AuditTrail(tmp_path, lambda: NOW_MS), lambda: NOW_MS)
    VISITOR.reset(token)


def result(shown_s: float, began: str) -> Result:
    late = {"shown": shown_s}
    checks = [Check(metric="latency.shown.p99", below=1.0, measured=shown_s)]
    return Result(
        profile="smoke", title="Smoke", began=began, machine={}, versions={}, settings={},
        stages=[stage(late, checks=checks)],
    )  # fmt: skip


def save(runs: LoadRuns, name: str, content: Result) -> str:
    runs.folder.mkdir(exist_ok=True)
    (runs.folder / name).write_bytes(msgspec.json.encode(content))
    return name


def test_the_profiles_are_those_of_the_command():
    assert sorted(PROFILES) == packaged()


async def test_a_viewer_may_not_start_or_stop_a_test(runs):
    VISITOR.set(Visitor("vera", "viewer"))
    with pytest.raises(LoadRunError, match="only engineers and admins"):
        await runs.start("smoke")
    with pytest.raises(LoadRunError, match="only engineers and admins"):
        await runs.stop()


async def test_an_unknown_profile_is_refused_with_those_there_are(runs):
    with pytest.raises(LoadRunError, match="allowed profiles are smoke, clinic"):
        await runs.start("../../etc/passwd")


async def test_one_test_runs_at_a_time_and_ends_with_the_dashboard(runs, monkeypatch, tmp_path):
    waits = tmp_path / "waits"
    waits.write_text("#!/bin/sh\nexec sleep 60\n")
    waits.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(waits))
    async with runs.running():
        assert await runs.start("smoke") == "Load test smoke started."
        with pytest.raises(LoadRunError, match="smoke is running"):
            await runs.start("city")
        async with asyncio.timeout(5):
            while runs._process is None:
                await asyncio.sleep(0.01)
    assert not runs.busy
    assert runs._process.returncode is not None


async def test_a_test_that_cannot_run_says_why(runs, monkeypatch, tmp_path):
    fails = tmp_path / "fails"
    fails.write_text("#!/bin/sh\necho a load test needs Mosquitto >&2\nexit 1\n")
    fails.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(fails))
    await runs.start("smoke")
    assert runs._watching is not None
    await runs._watching
    assert "needs Mosquitto" in runs.failure
    assert "needs Mosquitto" in str(load_views.live("smoke", None, runs.failure, busy=False))


def test_the_state_that_the_command_writes_is_shown(runs):
    runs.folder.mkdir()
    state = Live("100 pumps", 100, 5.0, 30.0, 99.0, 98.0, 4, 5, {"shown": 0.4}, {"broker": 0.1})
    (runs.folder / LIVE).write_bytes(msgspec.json.encode({"said": ["stage 1"], "state": state}))
    found = runs.live()
    assert isinstance(found, LiveFile)
    shown = str(load_views.live("smoke", found, "", busy=True))
    assert load_views.disabled(busy=True, may=True) == (True, False), "only Stop"
    assert load_views.disabled(busy=False, may=True) == (False, True), "only Start"
    assert load_views.disabled(busy=True, may=False) == (True, True)
    assert "100 pumps" in shown
    assert "0.400 s" in shown


def test_reports_are_listed_opened_and_compared(runs):
    old = save(runs, "20270101T000000-smoke.json", result(0.5, "2027-01-01T00:00:00+00:00"))
    new = save(runs, "20270102T000000-smoke.json", result(2.0, "2027-01-02T00:00:00+00:00"))
    (runs.folder / "20270103T000000-smoke.json").write_text("{")
    found = runs.reports()
    assert list(found) == [new, old], "what cannot be read is left out"
    assert (found[old].verdict, found[new].verdict) == ("passed", "1 broken")
    opened = str(load.figures(runs, new, old))
    assert "latency.shown.p99 is 2; allowed 1" in opened
    assert "+300 %" in opened
    assert "Choose a report" in str(load.figures(runs, "../accounts.json", None))


async def test_the_oldest_reports_are_removed(runs, monkeypatch, tmp_path):
    for number in range(MAX_REPORTS + 3):
        save(runs, f"20270101T{number:06d}-smoke.json", result(0.5, "2027-01-01T00:00:00+00:00"))
    nothing = tmp_path / "nothing"
    nothing.write_text("#!/bin/sh\nexit 0\n")
    nothing.chmod(0o700)
    monkeypatch.setattr(load_runs.sys, "executable", str(nothing))
    await runs.start("smoke")
    assert runs._watching is not None
    await runs._watching
    assert len(runs.names()) == MAX_REPORTS
    assert "20270101T000000-smoke.json" not in runs.names()


def test_a_void_run_is_no_success():
    assert Report(profile="smoke", title="", began="", void_reasons=["worker lost"]).verdict == "void"
