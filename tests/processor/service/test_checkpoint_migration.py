"""Migration of a checkpoint of format 1: every hold timer that it had is restored."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from processor.alarms import lifecycle
from processor.alarms.hold import TIMERS
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service import recovery
from processor.service.checkpoint_migration import Cohorts, Format1, Rests, timers_of_format_1
from tests.processor.watch.test_gateways import minutes, send, serials

LISTED = Pipeline().listed
DRIFT = "cohort_over_delivery"


def as_format_1(data: Path) -> None:
    """Rewrite a checkpoint as the version before hold timers wrote it."""
    directory = data / "checkpoint"
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    timers = pl.read_ipc((directory / manifest.pop("timers")).read_bytes())
    off_delays = timers.filter(pl.col("standing") & ~pl.col("above"))
    manifest["rests"] = {
        "gateways": off_delays.filter(pl.col("rule").is_in(["gateway_silent", "fleet_silent"]))
        .select("gateway", "rule", "since")
        .rows(),
        "system": off_delays.filter(pl.col("other_kind") == "system").select("rule", "other", "since").rows(),
    }
    manifest["cohorts"] = {"compared": manifest.pop("compared"), "since": []}
    (manifest["state"],) = manifest["state"]
    state = pl.read_ipc((directory / manifest["state"]).read_bytes())
    older = state.rename(lambda name: name.replace(".in_state_s", ".held"))
    assert older.columns != state.columns
    older.write_ipc(directory / manifest["state"])
    path.write_text(json.dumps({**manifest, "format": 1}))


@pytest.fixture
def two(watch):
    """Two gateways of a dozen pumps that have sent a sample."""
    for gateway in ("north", "south"):
        watch.birth(*serials(gateway), gateway=gateway)
        send(watch, gateway, serials(gateway))
    return watch


@pytest.mark.parametrize(("silent", "back"), [(9, 0), (9, 4), (9, 11)], ids=["silent", "off-delay", "returned"])
def test_gateways_and_pumps_continue_from_format_1_as_from_the_current_format(two, tmp_path, silent, back):
    minutes(two, silent, "south")
    minutes(two, back, "north", "south")
    recovery.save(tmp_path, two.pipeline, two.now)
    current = recovery.restore(tmp_path)
    as_format_1(tmp_path)
    older = recovery.restore(tmp_path)
    assert older.state.equals(current.state)
    assert older.timers.sort("rule", "pump").equals(current.timers.sort("rule", "pump"))
    assert older.cohorts.compared == current.cohorts.compared > 0


def alarms(*rows: dict[str, object]) -> pl.DataFrame:
    """Return standing alarms."""
    return pl.DataFrame([{**dict.fromkeys(lifecycle.SCHEMA), **row} for row in rows], lifecycle.SCHEMA)


def timer(found: pl.DataFrame, rule: str) -> tuple[object, ...]:
    """Return whether the score is above the limit, since when, the onset, and whether the condition stands."""
    return found.filter(pl.col("rule") == rule).select("above", "since", "onset", "standing").row(0)


def test_off_delays_of_system_alarms_continue():
    standing = alarms(
        {"rule": "storage_failing", "other": "system: storage", "other_kind": "system", "onset": 5, "raised_wall": 900},
        {"rule": "clock_set", "other": "system: clock", "other_kind": "system", "onset": 6, "raised_wall": 901},
    )
    saved = Format1(rests=Rests(system=(("storage_failing", "system: storage", 950),)))
    found = timers_of_format_1(saved, standing, LISTED)
    assert dict(found.schema) == TIMERS
    assert timer(found, "storage_failing") == (False, 950, 5, True)
    assert timer(found, "clock_set") == (True, 901, 6, True), "the wall clock, on which its delays run"


def test_cohorts_keep_their_timers_before_and_after_their_alarm_is_raised():
    standing = alarms(*({"rule": DRIFT, "other": f"lot {lot}", "other_kind": "cohort", "onset": 100} for lot in "AB"))
    since = ((None, None, "lot A", DRIFT, True, 100), (None, None, "lot B", DRIFT, False, 700))
    pending = ((None, None, "lot C", DRIFT, True, 650), (None, 3, None, DRIFT, True, 660))
    found = timers_of_format_1(Format1(cohorts=Cohorts(since=since + pending)), standing, LISTED)
    columns = ("gateway", "other", "other_kind", "above", "since", "onset", "standing")
    assert found.select(columns).rows() == [
        (None, "lot A", "cohort", True, 100, 100, True),
        (None, "lot B", "cohort", False, 700, 100, True),
        (None, "lot C", "cohort", True, 650, 650, False),
        (3, None, None, True, 660, 660, False),
    ]


def test_returned_alarms_and_removed_rules_have_no_timer():
    returned = alarms({"rule": "gateway_silent", "gateway": 0, "onset": 5, "returned": 9})
    saved = Format1(rests=Rests(gateways=((0, "gateway_silent", 8), (1, "gateway_gone", 8))))
    assert timers_of_format_1(saved, returned, LISTED).is_empty()
    assert timers_of_format_1(saved, returned, RULES).is_empty()
