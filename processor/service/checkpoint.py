"""Checkpoint: the processor's state, open alarms, pumps and gateways, as files that are replaced as a whole.

What was taken in since is in the message log (`processor.service.message_log`), so that a processor that was killed
continues exactly from where it was; what is in neither, the broker redelivers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.store import durable_write
from broker.store.journal_chain import Head
from processor.alarms import lifecycle as alarm_list
from processor.alarms.subjects import no_orders, with_kinds
from processor.engine import engine
from processor.engine.columns import Rules
from processor.engine.sequence import Gaps
from processor.intake.collected import BATCH_SCHEMA
from processor.intake.registry import Registry
from processor.service.checkpoint_manifest import MANIFEST, Manifest, Written, check, manifest_of
from processor.service.checkpoint_migration import Format1, state_of_format_1, timers_of_format_1

DIRECTORY: Final = "checkpoint"
PART_VALUES: Final = 16_000_000
"""Values of the state in one file, up to 128 MB: each file is synced, and a large one would hold up other writers."""
NOTHING_WRITTEN: Final = Head()
_serial = itertools.count()


class AbandonedError(Exception):
    """The checkpoint was not completed, because it is not wanted any more; the previous one stays."""


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


@dataclass(frozen=True)
class Cut:
    """A state to be saved as it is at one moment, while the processor goes on: nothing in it changes any more.

    `frames` are those of `Saved`, with `pumps` and `gaps`; `log` is the first part of the message log after it.
    """

    frames: dict[str, pl.DataFrame]
    gateways: msgspec.Raw
    faults: dict[str, str]
    forgotten: int
    acted: tuple[str, ...]
    compared: int
    log: int


def cut(saved: Saved, log: int = 0) -> Cut:
    """Return what `save` needs of a state: references to frames, which are never changed, and copies of the rest."""
    registry = saved.registry
    return Cut(
        frames={
            "state": saved.state,
            "alarms": saved.alarms,
            "pumps": registry.saved(),
            "gaps": saved.gaps.open,
            "orders": saved.orders,
            "timers": saved.timers,
            "backlog": saved.backlog,
        },
        gateways=msgspec.Raw(msgspec.json.encode(registry.gateways.order)),
        faults=registry.faults,
        forgotten=saved.gaps.forgotten,
        acted=saved.acted,
        compared=saved.compared,
        log=log,
    )


def save(
    data: Path, taken: Cut, now: int, head: Head = NOTHING_WRITTEN, abandoned: Callable[[], bool] = lambda: False
) -> None:
    """Write a checkpoint; `now` is wall ms, `head` the end of the journal, which is durable already.

    The previous one stays until the new one is complete. Raises `OSError`, and `AbandonedError` before the next part of
    the state once it is `abandoned`; the next one removes what was written.
    """
    directory = data / DIRECTORY
    mark = f"{now}-{next(_serial)}"
    frames = dict(taken.frames)
    parts = []
    for number, part in enumerate(_parts(frames.pop("state"))):
        if abandoned():
            raise AbandonedError
        parts.append(_write(directory, f"state-{mark}-{number}", part))
    names = {name: _write(directory, f"{name}-{mark}", frame) for name, frame in frames.items()}
    manifest = msgspec.json.encode(
        Written(
            state=parts,
            forgotten=taken.forgotten,
            gateways=taken.gateways,
            faults=list(taken.faults),
            fault_titles=taken.faults,
            saved=now,
            acted=list(taken.acted),
            compared=taken.compared,
            entries=head.entries,
            hash=head.hash,
            log=taken.log,
            alarms=names["alarms"],
            pumps=names["pumps"],
            gaps=names["gaps"],
            orders=names["orders"],
            timers=names["timers"],
            backlog=names["backlog"],
        )
    )
    durable_write.replace(directory / MANIFEST, lambda fresh: fresh.write_bytes(manifest))
    for path in directory.glob("*.arrow"):
        if path.name not in {*parts, *names.values()}:
            path.unlink(missing_ok=True)


def _write(directory: Path, name: str, frame: pl.DataFrame) -> str:
    """Write a frame; return the name of the file. Most scores are zero: compressing costs less than writing does."""
    path = directory / f"{name}.arrow"
    durable_write.replace(path, lambda fresh: frame.write_ipc(fresh, compression="lz4"))
    return path.name


def _parts(state: pl.DataFrame) -> Iterator[pl.DataFrame]:
    width = max(1, PART_VALUES // max(1, state.height))
    for first in range(0, state.width, width):
        yield state.select(state.columns[first : first + width])


def log_part(data: Path) -> int:
    """Return the first part of the message log that the checkpoint does not contain; 0 if there is no checkpoint."""
    manifest = manifest_of(data / DIRECTORY)
    return 0 if manifest is None else manifest.log


def written_s(data: Path) -> float:
    """Return when the checkpoint was written, as Unix time; 0 without one."""
    try:
        return (data / DIRECTORY / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


def exists(data: Path) -> bool:
    """Return whether there is a checkpoint."""
    return (data / DIRECTORY / MANIFEST).exists()


def journal_head(data: Path) -> Head | None:
    """Return the end of the journal as of the checkpoint; None if there is no checkpoint that can be read."""
    manifest = manifest_of(data / DIRECTORY)
    return None if manifest is None else Head(manifest.entries, manifest.hash)


def load(data: Path, rules: Rules, listed: Rules) -> Saved | None:
    """Return the last checkpoint, or None if there is none.

    `rules` are those of the state, `listed` all that can raise alarms. Rules added since then start from scratch, and
    alarms of removed rules are left out. A checkpoint that cannot be read is moved aside; raises `CheckpointError`.
    """
    directory = data / DIRECTORY
    durable_write.sweep(directory)
    if not exists(data):
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
    manifest = msgspec.json.decode(written, type=Manifest)
    check(manifest)

    def frame(name: str) -> pl.DataFrame:
        return pl.read_ipc(directory / name)

    parts = [manifest.state] if isinstance(manifest.state, str) else manifest.state
    state = pl.DataFrame([column for part in parts for column in frame(part).rechunk().get_columns()])
    pumps, alarms = frame(manifest.pumps), alarm_list.restored(frame(manifest.alarms), listed)
    if manifest.format == 1:
        older = msgspec.json.decode(written, type=Format1)
        state, compared = state_of_format_1(state), older.cohorts.compared
        timers = timers_of_format_1(older, alarms, listed)
    else:
        timers, compared = _timers(frame(manifest.timers), listed), manifest.compared
    faults = {name: manifest.fault_titles.get(name, "") for name in manifest.faults}
    # A checkpoint of an older version knows of no gaps and no orders.
    gaps = Gaps(frame(manifest.gaps), manifest.forgotten) if manifest.gaps else Gaps()
    return Saved(
        state=_with_columns_of(rules, state),
        alarms=alarms,
        registry=Registry.restore(pumps, manifest.gateways, faults),
        gaps=gaps,
        timers=timers,
        backlog=_backlog(frame(manifest.backlog) if manifest.backlog else pl.DataFrame()),
        orders=with_kinds(frame(manifest.orders)) if manifest.orders else no_orders(),
        acted=tuple(manifest.acted),
        compared=compared,
    )


def _with_columns_of(rules: Rules, state: pl.DataFrame) -> pl.DataFrame:
    """Return the state with the columns of these rules; those that it lacks are as of pumps nobody has heard yet."""
    start = engine.new_state(1, rules)
    return pl.DataFrame(
        [
            state[name].cast(dtype) if name in state.columns else start[name].new_from_index(0, state.height)
            for name, dtype in start.schema.items()
        ]
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
