"""Checkpoint and message log of a running processor, staged for a backup as they belong together at one moment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from broker.store.backup_staging import ATTEMPTS, Staging, StagingError
from processor.service import checkpoint, message_log
from processor.service.checkpoint_manifest import MANIFEST, Manifest

CHECKPOINT: Final = f"{checkpoint.DIRECTORY}/{MANIFEST}"


def stage(staging: Staging) -> None:
    """Stage the checkpoint and the parts of the message log that continue it.

    Whatever the processor does meanwhile, the result is what it would resume from if it had been killed at one moment:
    if it replaces the checkpoint, this begins anew. Raises `StagingError`.
    """
    for _ in range(ATTEMPTS):
        before = _manifest(staging.data)
        try:
            _stage_checkpoint(staging, before)
            _stage_log(staging, before)
        except FileNotFoundError:
            unchanged = False
        else:
            unchanged = _manifest(staging.data) == before
        if unchanged:
            return
        staging.discard(checkpoint.DIRECTORY)
        staging.discard(message_log.DIRECTORY)
    raise StagingError(f"the checkpoint in {staging.data} is replaced faster than it can be read; try again")


def _manifest(data: Path) -> bytes:
    try:
        return (data / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return b""


def _stage_checkpoint(staging: Staging, written: bytes) -> None:
    if not written:
        return
    try:
        manifest = msgspec.json.decode(written, type=Manifest)
    except msgspec.DecodeError as error:
        raise StagingError(
            f"{staging.data / CHECKPOINT} cannot be read ({error}); start the processor first"
        ) from error
    parts = [manifest.state] if isinstance(manifest.state, str) else manifest.state
    others = (manifest.alarms, manifest.pumps, manifest.gaps, manifest.orders, manifest.timers, manifest.backlog)
    for name in (*parts, *filter(None, others)):
        staging.keep(f"{checkpoint.DIRECTORY}/{name}")
    target = staging.root / CHECKPOINT
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(written)


def _stage_log(staging: Staging, written: bytes) -> None:
    """Stage the parts from the newest to the oldest: a part is complete when a record is in the one after it."""
    since = msgspec.json.decode(written, type=Manifest).log if written else 0
    found = (staging.data / message_log.DIRECTORY).glob("*.log")
    for path in sorted((path for path in found if path.stem.isdecimal() and int(path.stem) >= since), reverse=True):
        staging.keep(f"{message_log.DIRECTORY}/{path.name}", size=path.stat().st_size)
