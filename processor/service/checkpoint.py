"""Checkpoint: the processor's state, open alarms, pumps and gateways, as files that are replaced as a whole.

Messages are acknowledged only after the checkpoint that contains them, so that a processor that was killed continues
exactly from its checkpoint: the broker redelivers the rest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.store import durable_write
from broker.store.journal import BEGINNING, Head
from processor.alarms import lifecycle as alarm_list
from processor.alarms.subjects import no_orders, with_kinds
from processor.engine import engine
from processor.engine.columns import Rules
from processor.engine.sequence import Gaps
from processor.intake.gateway import Gateway
from processor.intake.inbox import BATCH_SCHEMA
from processor.intake.registry import Registry
from processor.service.checkpoint_migration import Format1, state_of_format_1, timers_of_format_1

DIRECTORY: Final = "checkpoint"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
OLDER_FORMATS: Final = (1,)
"""Formats that are migrated (`processor.service.checkpoint_migration`)."""
NOTHING_WRITTEN: Final = Head()
_serial = itertools.count()


class CheckpointError(Exception):
    """The checkpoint cannot be read; the text says why and where it was moved."""


@dataclass(frozen=True)
class Saved:
    """What the processor resumes from: `timers` are hold timers (`processor.alarms.hold.TIMERS`), `orders` what people
    took out of service, `backlog` the samples not yet judged, `acted` the ids of people's actions, `compared` when
    cohorts were last compared (therapy ms).
    """

    state: pl.DataFrame
    alarms: pl.DataFrame
    registry: Registry
    gaps: Gaps
    timers: pl.DataFrame
    orders: pl.DataFrame
    backlog: pl.DataFrame
    acted: tuple[str, ...] = ()
    compared: int = 0


class _Manifest(msgspec.Struct, kw_only=True):
    format: int
    state: str
    alarms: str
    pumps: str
    gaps: str = ""
    orders: str = ""
    forgotten: int = 0
    timers: str = ""
    backlog: str = ""
    gateways: list[Gateway]
    faults: list[str]
    saved: int
    acted: list[str] = []
    compared: int = 0
    entries: int = 0
    hash: bytes = BEGINNING


def save(data: Path, saved: Saved, now: int, head: Head = NOTHING_WRITTEN) -> None:
    """Write a checkpoint; `now` is wall ms, `head` the end of the journal, which is durable already.

    The previous one stays until the new one is complete. Raises `OSError`.
    """
    directory = data / DIRECTORY
    mark = f"{now}-{next(_serial)}"
    frames = {
        "state": saved.state,
        "alarms": saved.alarms,
        "pumps": saved.registry.saved(),
        "gaps": saved.gaps.open,
        "orders": saved.orders,
        "timers": saved.timers,
        "backlog": saved.backlog,
    }
    names = {}
    for name, frame in frames.items():
        names[name] = f"{name}-{mark}.arrow"
        durable_write.replace(directory / names[name], frame.write_ipc)
    manifest = msgspec.json.encode(
        _Manifest(
            format=FORMAT,
            forgotten=saved.gaps.forgotten,
            gateways=saved.registry.gateways.order,
            faults=list(saved.registry.faults),
            saved=now,
            acted=list(saved.acted),
            compared=saved.compared,
            entries=head.entries,
            hash=head.hash,
            **names,
        )
    )
    durable_write.replace(directory / MANIFEST, lambda fresh: fresh.write_bytes(manifest))
    for path in directory.glob("*.arrow"):
        if path.name not in names.values():
            path.unlink(missing_ok=True)


def journal_head(data: Path) -> Head | None:
    """Return the end of the journal as of the checkpoint; None if there is no checkpoint that can be read."""
    try:
        manifest = msgspec.json.decode((data / DIRECTORY / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    return Head(manifest.entries, manifest.hash)


def _check(manifest: _Manifest) -> None:
    if manifest.format not in (FORMAT, *OLDER_FORMATS):
        raise ValueError(f"its format is {manifest.format}; this version reads up to {FORMAT}")


def load(data: Path, rules: Rules, listed: Rules) -> Saved | None:
    """Return the last checkpoint, or None if there is none.

    `rules` are those of the state, `listed` all that can raise alarms. Rules added since then start from scratch, and
    alarms of removed rules are left out. A checkpoint that cannot be read is moved aside; raises `CheckpointError`.
    """
    directory = data / DIRECTORY
    durable_write.sweep(directory)
    if not (directory / MANIFEST).exists():
        return None
    try:
        return _read(directory, rules, listed)
    except (Exception, pl.exceptions.PanicException) as error:
        aside = next(path for n in itertools.count(1) if not (path := data / f"{DIRECTORY}.unreadable-{n}").exists())
        directory.rename(aside)
        raise CheckpointError(
            f"the checkpoint could not be read ({error}); it was moved to {aside}, and the processor starts "
            "without it: standing alarms are raised again when they are detected again"
        ) from error


def _read(directory: Path, rules: Rules, listed: Rules) -> Saved:
    written = (directory / MANIFEST).read_bytes()
    manifest = msgspec.json.decode(written, type=_Manifest)
    _check(manifest)

    def frame(name: str) -> pl.DataFrame:
        return pl.read_ipc((directory / name).read_bytes())

    state, alarms, pumps = frame(manifest.state), frame(manifest.alarms), frame(manifest.pumps)
    alarms = alarm_list.restored(alarms, listed)
    if manifest.format == 1:
        older = msgspec.json.decode(written, type=Format1)
        state, compared = state_of_format_1(state), older.cohorts.compared
        timers = timers_of_format_1(older, alarms, listed)
    else:
        timers, compared = _timers(frame(manifest.timers), listed), manifest.compared
    fresh = engine.new_state(state.height, rules)
    known = [name for name in fresh.columns if name in state.columns]
    # A checkpoint of an older version knows of no gaps and no orders.
    gaps = Gaps(frame(manifest.gaps), manifest.forgotten) if manifest.gaps else Gaps()
    return Saved(
        state=fresh.with_columns(state[name].cast(fresh.schema[name]) for name in known),
        alarms=alarms,
        registry=Registry.restore(pumps, manifest.gateways, tuple(manifest.faults)),
        gaps=gaps,
        timers=timers,
        backlog=_backlog(frame(manifest.backlog) if manifest.backlog else pl.DataFrame()),
        orders=with_kinds(frame(manifest.orders)) if manifest.orders else no_orders(),
        acted=tuple(manifest.acted),
        compared=compared,
    )


def _backlog(samples: pl.DataFrame) -> pl.DataFrame:
    """Return samples that were not yet judged, with the present columns; a checkpoint of an older version has none."""
    return pl.DataFrame(
        {
            name: samples[name].cast(dtype) if name in samples.columns else [None] * samples.height
            for name, dtype in BATCH_SCHEMA.items()
        },
        BATCH_SCHEMA,
    )


def _timers(timers: pl.DataFrame, listed: Rules) -> pl.DataFrame:
    return timers.filter(pl.col("rule").is_in([rule.name for rule in listed]))
