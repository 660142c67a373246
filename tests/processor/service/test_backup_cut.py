"""Checkpoint and message log in a backup: what belongs together, whatever the processor replaces meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.store.backup_staging import Staging, StagingError, staging
from processor.pipeline import Pipeline
from processor.service import backup_cut, checkpoint, recovery
from processor.service.message_log import MessageLog
from tests.processor.service.test_checkpoint import START_MS, run
from tests.processor.service.test_message_log import taken
from tests.unsigned import Unsigned


def save(data: Path, pipeline: Pipeline, part: int) -> None:
    checkpoint.save(data, recovery.cut(pipeline, part), START_MS)


def minutes(data: Path) -> list[int]:
    return recovery.restore(data, verifier=Unsigned()).state["samples"].to_list()


def log_of(data: Path) -> list[int]:
    return [record.now for record in MessageLog(data).read(checkpoint.log_part(data))]


@pytest.fixture
def log(tmp_path: Path) -> MessageLog:
    """A message log whose second part continues a checkpoint of ten minutes."""
    pipeline, log = Pipeline(verifier=Unsigned()), MessageLog(tmp_path)
    run(pipeline, 0, 10, 5.0)
    log.add(taken(1, b"before"))
    save(tmp_path, pipeline, log.begin())
    log.add(taken(2, b"after"))
    log.begin()
    log.add(taken(3, b"later"))
    log.sync()
    return log


def test_a_checkpoint_is_staged_with_the_log_that_continues_it(tmp_path: Path, log: MessageLog) -> None:
    with staging(tmp_path) as staged:
        backup_cut.stage(staged)
        log.add(taken(4, b"after the backup"))
        log.sync()
        for name, size in staged.sizes.items():
            content = (staged.root / name).read_bytes()[:size]
            (staged.root / name).unlink()
            (staged.root / name).write_bytes(content)
        assert minutes(staged.root) == [10]
        assert log_of(staged.root) == [2, 3]


def test_a_checkpoint_that_is_replaced_meanwhile_is_staged_anew(
    tmp_path: Path, log: MessageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_log, replaced = backup_cut._stage_log, False

    def replacing(staged: Staging, written: bytes) -> None:
        nonlocal replaced
        stage_log(staged, written)
        if not replaced:
            replaced = True
            pipeline = Pipeline(verifier=Unsigned())
            run(pipeline, 0, 20, 5.0)
            part = log.begin()
            save(tmp_path, pipeline, part)
            log.forget(part)
            log.add(taken(5, b"after the new one"))
            log.sync()

    monkeypatch.setattr(backup_cut, "_stage_log", replacing)
    with staging(tmp_path) as staged:
        backup_cut.stage(staged)
        assert minutes(staged.root) == [20]
        assert log_of(staged.root) == [5]


def test_a_damaged_checkpoint_is_not_backed_up(tmp_path: Path, log: MessageLog) -> None:
    (tmp_path / backup_cut.CHECKPOINT).write_bytes(b"{")
    with staging(tmp_path) as staged, pytest.raises(StagingError, match="cannot be read"):
        backup_cut.stage(staged)


def test_a_system_without_a_checkpoint_has_its_log_alone(tmp_path: Path) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one"))
    log.sync()
    with staging(tmp_path) as staged:
        backup_cut.stage(staged)
        assert log_of(staged.root) == [1]
