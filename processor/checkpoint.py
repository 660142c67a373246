"""This file saves what the processor knows and brings it back: state, open alarms, pumps and gateways.

Messages are acknowledged only after the checkpoint that has them, so that a processor that was killed goes on exactly
where its checkpoint stands: the broker sends the rest again.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker import durable
from broker.journal import BEGINNING, Head
from processor import alarms as alarm_list
from processor import engine
from processor.engine import Rules
from processor.registry import Gateway, Registry

DIRECTORY: Final = "checkpoint"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
NOTHING_WRITTEN: Final = Head()
_serial = itertools.count()


class CheckpointError(Exception):
    """A checkpoint that cannot be read; the text says why and where it was put."""


class _Manifest(msgspec.Struct, kw_only=True):
    format: int
    state: str
    alarms: str
    pumps: str
    gateways: list[Gateway]
    faults: list[str]
    saved: int
    acted: list[str] = []
    entries: int = 0
    hash: bytes = BEGINNING


def save(
    data: Path,
    state: pl.DataFrame,
    alarms: pl.DataFrame,
    registry: Registry,
    now: int,
    *,
    acted: tuple[str, ...] = (),
    head: Head = NOTHING_WRITTEN,
) -> None:
    """Make all of it durable; `now` is wall ms, `acted` the ids of what people did with alarms.

    `head` is where the journal ends, which is durable already.

    The one before stays until the new one is complete.
    """
    directory = data / DIRECTORY
    mark = f"{now}-{next(_serial)}"
    names = {}
    for name, frame in {"state": state, "alarms": alarms, "pumps": registry.facts()}.items():
        names[name] = f"{name}-{mark}.arrow"
        durable.replace(directory / names[name], frame.write_ipc)
    manifest = msgspec.json.encode(
        _Manifest(
            format=FORMAT,
            gateways=registry.gateways,
            faults=list(registry.faults),
            saved=now,
            acted=list(acted),
            entries=head.entries,
            hash=head.hash,
            **names,
        )
    )
    durable.replace(directory / MANIFEST, lambda fresh: fresh.write_bytes(manifest))
    for path in directory.glob("*.arrow"):
        if path.name not in names.values():
            path.unlink(missing_ok=True)


def journal_head(data: Path) -> Head | None:
    """Return where the journal ended when the checkpoint was saved; None where there is none that can be read."""
    try:
        manifest = msgspec.json.decode((data / DIRECTORY / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    return Head(manifest.entries, manifest.hash)


def _check(manifest: _Manifest) -> None:
    if manifest.format != FORMAT:
        raise ValueError(f"its format is {manifest.format}, this version reads {FORMAT}")


def load(
    data: Path, rules: Rules, listed: Rules
) -> tuple[pl.DataFrame, pl.DataFrame, Registry, tuple[str, ...]] | None:
    """Return state, open alarms, registry and ids of actions as last saved, or None where nothing was.

    `rules` are those of the state, `listed` all by which alarms are raised. Rules that were added since begin anew and
    alarms of rules that are gone are left out. One that cannot be read is moved aside, and `CheckpointError` says so.
    """
    directory = data / DIRECTORY
    durable.sweep(directory)
    if not (directory / MANIFEST).exists():
        return None
    try:
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=_Manifest)
        _check(manifest)
        state, alarms, pumps = (
            pl.read_ipc((directory / name).read_bytes()) for name in (manifest.state, manifest.alarms, manifest.pumps)
        )
        registry = Registry.restore(pumps, manifest.gateways, tuple(manifest.faults))
        fresh = engine.new_state(state.height, rules)
        known = [name for name in fresh.columns if name in state.columns]
        return (
            fresh.with_columns(state[name].cast(fresh.schema[name]) for name in known),
            alarm_list.restored(alarms, listed),
            registry,
            tuple(manifest.acted),
        )
    except (OSError, ValueError, msgspec.DecodeError, pl.exceptions.PolarsError) as error:
        aside = next(path for n in itertools.count(1) if not (path := data / f"{DIRECTORY}.unreadable-{n}").exists())
        directory.rename(aside)
        raise CheckpointError(
            f"the checkpoint could not be read ({error}); it was moved to {aside}, and the processor begins anew: "
            "alarms that stood are raised again when they are found again"
        ) from error
