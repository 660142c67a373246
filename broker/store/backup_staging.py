"""Staging of a backup: files of a running system as they are at one moment, by hard links, while it goes on writing.

Everything but the journal and the logs is written once and then only renamed or removed, so a link keeps it. Files that
grow are linked too, with the size that they had: what is appended later is not part of the backup.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from broker.store import durable_write, file_lock, journal_file, private_files

DIRECTORY: Final = ".backup"
"""In the data directory, so that links are possible."""
LOCK: Final = "backup.lock"
LEFT_OUT: Final = (
    *(
        "accounts.json*",
        "broker",
        "client-id",
        "dashboard.*",
        "playback.json*",
        "format.json",
        "run.json*",
        "*.lock",
        "secrets",
        "snapshot*",
    ),
    # The configuration has the passwords of services; the queue belongs to the notifications of one installation.
    *("notifications.*",),
    *("checkpoint*", "log*", "journal.sqlite*", "in-hand", ".doctor", "*.unreadable-*", ".*"),
)
"""What a backup does not take over: secrets, what belongs to one run or one installation, and what was moved aside.

Checkpoint, message log and journal are staged by themselves.
"""
ATTEMPTS: Final = 100


class StagingError(Exception):
    """The files of a system cannot be staged; the text says why and what to do."""


@dataclass
class Staging:
    """A directory of links below the data directory `data`; `sizes` are those of files that grow, by their names."""

    data: Path
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Return the directory."""
        return self.data / DIRECTORY

    def keep(self, name: str, *, size: int | None = None) -> None:
        """Link the file of that name below the data directory; a `size` limits it. Raises `FileNotFoundError`."""
        link_or_copy(self.data / name, self.root / name)
        if size is not None:
            self.sizes[name] = size

    def discard(self, name: str) -> None:
        """Remove what was staged below a name."""
        shutil.rmtree(self.root / name, ignore_errors=True)
        for known in [known for known in self.sizes if known.startswith(f"{name}/")]:
            del self.sizes[known]

    def keep_journal(self) -> None:
        """Copy the journal as it is in one moment; writers are not held up. Raises `sqlite3.Error` or `OSError`."""
        if not (self.data / journal_file.FILE).exists():
            return
        source = sqlite3.connect(f"{(self.data / journal_file.FILE).resolve().as_uri()}?mode=ro", uri=True)
        copy = sqlite3.connect(self.root / journal_file.FILE)
        try:
            source.backup(copy)
            # One file: with a write-ahead log, readers would put others beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
        finally:
            copy.close()
            source.close()

    def keep_others(self) -> None:
        """Link everything else that Pumpwatch writes, apart from what is left out."""
        for path in sorted(self.data.iterdir()):
            if not private_files.is_ours(path.name) or any(fnmatch(path.name, pattern) for pattern in LEFT_OUT):
                continue
            if path.is_dir():
                for directory in self._directories(path):
                    self._keep_directory(directory)
            elif path.is_file():
                with contextlib.suppress(FileNotFoundError):
                    self.keep(path.name, size=whole_lines(path) if path.suffix == ".jsonl" else None)

    def files(self) -> Iterator[tuple[str, Path, int]]:
        """Yield name, path and size of everything that is staged, sorted by name."""
        for path in sorted(path for path in self.root.rglob("*") if path.is_file()):
            name = path.relative_to(self.root).as_posix()
            yield name, path, self.sizes.get(name, path.stat().st_size)

    def _directories(self, top: Path) -> list[Path]:
        return [Path(folder) for folder, _, _ in os.walk(top)]

    def _keep_directory(self, directory: Path) -> None:
        """Link the files of one directory, and start over if one disappears: others then contain what it had."""
        for _ in range(ATTEMPTS):
            try:
                for path in directory.iterdir():
                    if path.is_file() and not path.name.endswith(durable_write.ASIDE):
                        self.keep(path.relative_to(self.data).as_posix())
            except FileNotFoundError:
                shutil.rmtree(self.root / directory.relative_to(self.data), ignore_errors=True)
                if not directory.exists():
                    return
            else:
                return
        raise StagingError(f"{directory} changes faster than its files can be listed; try again")


@contextlib.contextmanager
def staging(data: Path) -> Iterator[Staging]:
    """Make an empty staging directory and remove it afterwards, with what an earlier backup left that was killed.

    Raises `StagingError` if another backup of this directory is being made.
    """
    try:
        with file_lock.hold(data / LOCK):
            found = Staging(data)
            shutil.rmtree(found.root, ignore_errors=True)
            found.root.mkdir(mode=0o700)
            try:
                yield found
            finally:
                shutil.rmtree(found.root, ignore_errors=True)
    except file_lock.LockedError:
        raise StagingError(f"another backup of {data} is being made; wait until it has ended") from None


def link_or_copy(source: Path, target: Path) -> None:
    """Make a file appear under another name; it is copied if the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def whole_lines(path: Path) -> int:
    """Return the size of a file up to its last complete line."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1
