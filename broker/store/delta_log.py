"""Delta table of samples: files are added, merged and removed in commits that name the range and its owner's epoch.

Each commit sets the table's transaction version of its range (`app_transactions`) to its mark. Delta refuses a commit
if another one has set that since the table was read, so of two owners of a range only one can go on. Samples are
partitioned by day (UTC, therapy time).
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import durable_write
from broker.store.history_table import HistoryTableError, is_remote

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import RemoveAction

DAY: Final = "date"
TYPES: Final[Mapping[pl.DataType, str]] = {pl.String(): "string", pl.Int64(): "long", pl.Float32(): "float"}
EXTRA: Final = "pip install 'pumpwatch[cluster]'"
TIMEOUT_S: Final = 10
STORAGE: Final = {"timeout": f"{TIMEOUT_S}s", "retry_timeout": f"{TIMEOUT_S}s", "max_retries": "2"}
"""Options for the object store; the rest, such as keys and region, are read from the environment."""
CONFIGURATION: Final = {
    "delta.checkpointInterval": "100",
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
"""Of the log: what it takes does not grow with the age of the table."""
ROW_GROUP: Final = 50_000
EPOCH_BITS: Final = 32
FILES_SCHEMA: Final[dict[str, pl.DataType]] = {
    "path": pl.String(),
    "size_bytes": pl.Int64(),
    "num_records": pl.Int64(),
    "modification_time": pl.Int64(),
    "first_ms": pl.Int64(),
    "last_ms": pl.Int64(),
    "date": pl.String(),
    "range": pl.Int64(),
    "level": pl.Int64(),
}
"""A file of the table: path in it, when it was written (wall ms), the time of its samples (therapy ms), its day and
range, and how often it was merged."""


class ConflictError(Exception):
    """Another commit for the same range came first."""


@dataclass(frozen=True, order=True)
class Mark:
    """A commit for a range: the epoch of its owner, and its number among those of this owner."""

    epoch: int
    number: int

    @property
    def version(self) -> int:
        """The mark as one number, in the same order."""
        return (self.epoch << EPOCH_BITS) | self.number

    @classmethod
    def of(cls, version: int) -> Mark:
        """Return the mark with that number."""
        return cls(version >> EPOCH_BITS, version & (2**EPOCH_BITS - 1))


@dataclass(frozen=True)
class Added:
    """A file that was written and is not in the table before a commit adds it: path in it, bytes, day, statistics."""

    path: str
    size: int
    day: str
    stats: str


@dataclass
class Log:
    """One table, by URL or path; `read` before anything else. Every method may raise `OSError`.

    Commits are made on the table as it was last read.
    """

    url: str
    _table: DeltaTable = field(init=False)

    def read(self, *, create: bool = False) -> None:
        """Read the table as it is now, or make it if it does not exist and `create` is given."""
        with _as_os_error(self.url):
            if hasattr(self, "_table"):
                self._table.update_incremental()
            else:
                self._table = _opened(self.url, create=create)

    def last(self, number: int) -> Mark | None:
        """Return the mark of the last commit for a range, None if there is none."""
        version = self._table.transaction_version(_app(number))
        return None if version is None else Mark.of(version)

    def files(self) -> pl.DataFrame:
        """Return the files of the table (`FILES_SCHEMA`)."""
        with _as_os_error(self.url):
            listed = pl.DataFrame(self._table.get_add_actions(flatten=True))
        if listed.is_empty():
            return pl.DataFrame(schema=FILES_SCHEMA)
        name = pl.col("path").str.extract(r"([^/]+)$")
        return listed.select(
            "path",
            pl.col("size_bytes").cast(pl.Int64),
            pl.col("num_records").cast(pl.Int64),
            pl.col("modification_time").cast(pl.Datetime("ms")).cast(pl.Int64),
            pl.col("min.time").cast(pl.Int64).alias("first_ms"),
            pl.col("max.time").cast(pl.Int64).alias("last_ms"),
            pl.col("partition.date").cast(pl.String).alias("date"),
            name.str.extract(r"^(\d+)-").cast(pl.Int64).alias("range"),
            name.str.extract(r"^\d+-(\d+)-").cast(pl.Int64).alias("level"),
        )

    def places(self, paths: Sequence[str]) -> list[Path | str]:
        """Return where files of the table are: paths on disk, or URLs of the object store."""
        if is_remote(self.url):
            return [f"{self.url}/{path}" for path in paths]
        return [Path(self.url) / path for path in paths]

    def put(self, number: int, level: int, day: str, samples: pl.DataFrame) -> Added:
        """Write samples of one day (`2026-01-31`) as a file beside those of the table; a commit adds it."""
        path = f"{DAY}={day}/{number:02d}-{level}-{secrets.token_hex(12)}.parquet"
        content = io.BytesIO()
        samples.write_parquet(content, row_group_size=ROW_GROUP, compression="zstd")
        with _as_os_error(self.url):
            self._store(path, content.getvalue())
        edges = {edge: {name: _edge(samples, name, edge) for name in ("pump", "time")} for edge in ("min", "max")}
        stats = {"numRecords": samples.height, "minValues": edges["min"], "maxValues": edges["max"]}
        return Added(path, content.tell(), day, json.dumps(stats))

    def commit(
        self,
        number: int,
        mark: Mark,
        added: Sequence[Added],
        removed: pl.DataFrame | None = None,
        *,
        stamp: int,
        changes: bool = True,
    ) -> None:
        """Add and remove files of a range in one step, as the commit with that mark.

        `removed` are rows of `files`, `changes` says whether the samples in the table change, `stamp` is wall ms.

        Raises `ConflictError` if a commit for that range came after `read`.
        """
        from deltalake.exceptions import CommitFailedError  # noqa: PLC0415
        from deltalake.transaction import AddAction, CommitProperties, Transaction  # noqa: PLC0415

        gone = [] if removed is None else list(_removals(removed, stamp, changes=changes))
        new = [AddAction(each.path, each.size, {DAY: each.day}, stamp, changes, each.stats) for each in added]
        properties = CommitProperties(app_transactions=[Transaction(_app(number), mark.version)])
        before = self._table.version()
        with _as_os_error(self.url):
            try:
                self._table.create_write_transaction(
                    [*new, *gone], "append", self._table.schema(), [DAY], commit_properties=properties
                )
            except CommitFailedError as error:
                raise ConflictError(str(error)) from error
            self._table.update_incremental()
        self._sync(before)

    def vacuum(self, hours: int) -> int:
        """Delete files that have been in no version of the table for so long; return how many."""
        with _as_os_error(self.url):
            return len(self._table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))

    def _store(self, path: str, content: bytes) -> None:
        if is_remote(self.url):
            import obstore  # noqa: PLC0415

            obstore.put(_object_store(self.url), path, content)
        else:
            durable_write.replace(Path(self.url) / path, lambda fresh: fresh.write_bytes(content))

    def _sync(self, before: int) -> None:
        """Sync what was committed to a directory: the library does not."""
        if is_remote(self.url):
            return
        log = Path(self.url) / "_delta_log"
        commits = (log / f"{version:020d}.json" for version in range(before + 1, self._table.version() + 1))
        for path in [*(path for path in commits if path.exists()), log]:
            durable_write.sync(path)


def require_extra() -> None:
    """Raise `HistoryTableError` if what a history table needs is not installed."""
    if find_spec("deltalake") is None or find_spec("obstore") is None:
        raise HistoryTableError(f"a history table needs deltalake and obstore; install them with: {EXTRA}")


def _opened(url: str, *, create: bool) -> DeltaTable:
    try:
        require_extra()
    except HistoryTableError as error:
        raise OSError(str(error)) from error
    from deltalake import DeltaTable  # noqa: PLC0415
    from deltalake.schema import Field, PrimitiveType, Schema  # noqa: PLC0415

    options = STORAGE if is_remote(url) else None
    if not create:
        return DeltaTable(url, storage_options=options)
    fields = [Field(name, PrimitiveType(TYPES[dtype])) for name, dtype in SAMPLE_SCHEMA.items()]
    schema = Schema([*fields, Field(DAY, PrimitiveType("date"))])
    if not is_remote(url):
        Path(url).mkdir(parents=True, exist_ok=True)
    made = DeltaTable.create(
        url,
        schema,
        mode="ignore",
        partition_by=[DAY],
        name="pumpwatch history",
        configuration=CONFIGURATION,
        storage_options=options,
    )
    known = {each.name for each in made.schema().fields}
    if DAY not in known or "pump" not in known:
        raise OSError(f"{url} is a Delta table of something else; give another place for the history table")
    # A signal that was added since the table was made.
    if missing := [each for each in fields if each.name not in known]:
        made.alter.add_columns(missing)
    return made


def _removals(files: pl.DataFrame, stamp: int, *, changes: bool) -> Iterator[RemoveAction]:
    from deltalake.transaction import RemoveAction  # noqa: PLC0415

    for path, day, size in files.select("path", "date", "size_bytes").iter_rows():
        yield RemoveAction(path, changes, stamp, size, {DAY: day})


def _object_store(url: str) -> Any:
    from obstore.store import from_url  # noqa: PLC0415

    # Options of the client would take the place of those in the environment, such as AWS_ALLOW_HTTP.
    return from_url(url, retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=TIMEOUT_S)})


@contextmanager
def _as_os_error(url: str) -> Iterator[None]:
    """Raise whatever the libraries raise as `OSError`, which callers expect of a disk and of a network."""
    try:
        yield
    except (OSError, ConflictError, pl.exceptions.PolarsError):
        raise
    except Exception as error:
        raise OSError(f"the history table {url} cannot be used: {str(error)[:500]}") from error


def _edge(samples: pl.DataFrame, name: str, edge: Literal["min", "max"]) -> Any:
    column = samples[name]
    return column.min() if edge == "min" else column.max()


def _app(number: int) -> str:
    return f"pumpwatch-range-{number:02d}"
