"""Checkpoint: the pipeline is restored exactly, or the error states what happened to the checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from broker.contract.actions import Acknowledge, Unacknowledge
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store.snapshot import Health
from processor.pipeline import Pipeline
from processor.rules import RULES
from processor.service import checkpoint, recovery
from processor.service.checkpoint import CheckpointError
from tests.unsigned import Unsigned

START_MS = 1_790_000_000_000


def telemetry(minute: int, motor: float = 5.0) -> Message:
    sample = (
        f'{{"pump":"A-1","time":{START_MS + minute * 60_000},"seq":{minute + 1},"boot":1,'
        f'"commanded_ul_h":5,"motor_ul_h":{motor},"flow_ul_h":{motor}}}'
    )
    return Message("itb/00/gate/telemetry", sample.encode(), minute, 1, retained=False)


def run(pipeline: Pipeline, first: int, last: int, motor: float) -> None:
    for minute in range(first, last):
        pipeline.take([telemetry(minute, motor)], START_MS + minute * 1000)


def stalled() -> Pipeline:
    pipeline = Pipeline(verifier=Unsigned())
    run(pipeline, 0, 30, 5.0)
    run(pipeline, 30, 60, 0.0)
    assert "motor_not_driven" in pipeline.alarms["rule"].to_list()
    return pipeline


def test_state_alarms_and_registry_are_restored_exactly(tmp_path: Path) -> None:
    before = stalled()
    alarm = before.alarms["alarm"].to_list()
    acknowledge = Message(
        COMMAND, encode(Acknowledge(id="1", alarms=alarm, who="anna", at=START_MS)), 1, 1, retained=False
    )
    before.take([acknowledge], START_MS + 60_000)
    recovery.save(tmp_path, before, START_MS)
    after = recovery.restore(tmp_path, verifier=Unsigned())
    assert after.state.equals(before.state)
    assert after.alarms.equals(before.alarms)
    assert after.alarms["acknowledged_by"].to_list() == ["anna"] * len(alarm)
    assert after.registry.facts().equals(before.registry.facts())
    for pipeline in (before, after):
        run(pipeline, 60, 90, 5.0)
    assert after.state.equals(before.state)
    assert after.alarms.equals(before.alarms)


def test_an_operator_action_redelivered_after_a_restart_is_not_applied_again(tmp_path: Path) -> None:
    before = stalled()
    alarms = before.alarms["alarm"].to_list()
    acknowledge, unacknowledge = (
        Message(COMMAND, encode(kind(id=kind.__name__, alarms=alarms, who="anna", at=START_MS)), 1, 1, retained=False)
        for kind in (Acknowledge, Unacknowledge)
    )
    before.take([acknowledge], START_MS + 60_000)
    before.take([unacknowledge], START_MS + 60_000)
    recovery.save(tmp_path, before, START_MS)
    after = recovery.restore(tmp_path, verifier=Unsigned())
    result = after.take([acknowledge], START_MS + 61_000)
    assert result.events.height == 0
    assert after.alarms["acknowledged_wall"].null_count() == len(alarms)
    assert result.outcomes[0].text == "Already done."


def test_without_a_checkpoint_the_pipeline_is_new(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, RULES, RULES) is None
    assert recovery.restore(tmp_path).state.height == 0


def test_a_sample_that_fills_a_gap_after_a_restart_is_late(tmp_path: Path) -> None:
    before = Pipeline()
    for minute in (0, 3):
        before.take([telemetry(minute)], START_MS)
    recovery.save(tmp_path, before, START_MS)
    after = recovery.restore(tmp_path, verifier=Unsigned())
    after.take([telemetry(1)], START_MS)
    pumps = after.snapshot(Health(), START_MS).pumps
    assert pumps.select("lost", "late", "repeated").rows() == [(1, 1, 0)]


def test_only_the_latest_checkpoint_is_kept(tmp_path: Path) -> None:
    pipeline = stalled()
    for now in range(5):
        recovery.save(tmp_path, pipeline, now)
    assert len(list((tmp_path / "checkpoint").iterdir())) == 8


def test_an_added_rule_starts_from_scratch_and_alarms_of_a_removed_one_are_left_out(tmp_path: Path) -> None:
    before = stalled()
    recovery.save(tmp_path, before, START_MS)
    renamed = tuple(
        dataclasses.replace(rule, name="rotor_slow") if rule.name == "motor_not_driven" else rule for rule in RULES
    )
    saved = checkpoint.load(tmp_path, renamed, renamed) or pytest.fail("nothing was loaded")
    assert saved.state["rotor_slow"].to_list() == [0.0]
    assert saved.state["flow_ul_h"].equals(before.state["flow_ul_h"])
    assert "motor_not_driven" not in saved.alarms["rule"].to_list()


@pytest.mark.parametrize("damage", ["manifest", "frame", "missing", "format"])
def test_a_checkpoint_that_cannot_be_read_is_moved_aside_and_reported(tmp_path: Path, damage: str) -> None:
    recovery.save(tmp_path, stalled(), START_MS)
    directory = tmp_path / "checkpoint"
    manifest, state = directory / "manifest.json", next(directory.glob("state-*"))
    match damage:
        case "manifest":
            manifest.write_bytes(manifest.read_bytes()[:40])
        case "frame":
            state.write_bytes(state.read_bytes()[:100])
        case "missing":
            state.unlink()
        case _:
            manifest.write_bytes(manifest.read_bytes().replace(b'"format":3', b'"format":99'))
    with pytest.raises(CheckpointError, match="moved to"):
        recovery.restore(tmp_path)
    assert (tmp_path / "checkpoint.unreadable-1").is_dir()
    fresh = recovery.restore(tmp_path)
    assert fresh.state.height == 0
    assert fresh.take([telemetry(0)], START_MS).samples["pump"].to_list() == ["A-1"]


def test_a_checkpoint_that_fails_halfway_leaves_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = stalled()
    recovery.save(tmp_path, pipeline, START_MS)
    saved = pipeline.state
    run(pipeline, 60, 62, 5.0)

    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_ipc", disk_full)
        with pytest.raises(OSError, match="No space"):
            recovery.save(tmp_path, pipeline, START_MS + 1)
    assert recovery.restore(tmp_path).state.equals(saved)


def test_an_abandoned_checkpoint_leaves_the_previous_one_and_the_next_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = stalled()
    recovery.save(tmp_path, pipeline, START_MS)
    before = sorted((tmp_path / "checkpoint").iterdir())
    monkeypatch.setattr(checkpoint, "PART_VALUES", 20)
    answers = iter([False, True])
    with pytest.raises(checkpoint.AbandonedError):
        checkpoint.save(tmp_path, recovery.cut(pipeline), START_MS + 1, abandoned=lambda: next(answers))
    assert set(before) < set((tmp_path / "checkpoint").iterdir())
    assert recovery.restore(tmp_path).state.equals(pipeline.state)
    monkeypatch.undo()
    recovery.save(tmp_path, pipeline, START_MS + 2)
    assert len(list((tmp_path / "checkpoint").iterdir())) == len(before)


def test_files_left_half_written_by_a_power_failure_are_removed(tmp_path: Path) -> None:
    recovery.save(tmp_path, stalled(), START_MS)
    (tmp_path / "checkpoint" / ".state-9.arrow.new").write_bytes(b"half a frame")
    assert recovery.restore(tmp_path).alarms.height
    assert not list((tmp_path / "checkpoint").glob(".*"))


def test_a_checkpoint_is_restored_even_without_its_journal_and_history(tmp_path: Path) -> None:
    before = stalled()
    recovery.save(tmp_path, before, START_MS)
    after = recovery.restore(tmp_path, verifier=Unsigned())
    assert after.state.equals(before.state)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
