"""Files of handover sheets: each is written once, never replaced, and told by its digest; the oldest of many go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from broker.store import durable_write, file_lock
from dashboard.data.handover_sheet import Sheet

DIRECTORY: Final = "handovers"
MAX_SHEETS: Final = 5_000
"""Sheets that are kept: over four years at three a day."""
MAX_BYTES: Final = 4_000_000
"""A file that is larger was not written here."""
MAX_NUMBER: Final = 999_999
READ_ONLY: Final = 0o400
_SHEET: Final = msgspec.json.Decoder(Sheet)


class HandoverError(Exception):
    """A sheet cannot be kept or read; the text says why and what to do."""


class TakenOver(msgspec.Struct, frozen=True):
    """The second signature: by whom, when (wall ms), and the SHA-256 of the sheet that was signed."""

    number: int
    who: str
    at: int
    digest: str


_TAKEN_OVER: Final = msgspec.json.Decoder(TakenOver)


@dataclass(frozen=True)
class Kept:
    """A sheet as its file has it now, the SHA-256 of that file, and the second signature, None as long as it waits."""

    sheet: Sheet
    digest: str
    taken_over: TakenOver | None


class HandoverFiles:
    """The sheets in a data directory; several processes may write."""

    def __init__(self, data: Path, limit: int = MAX_SHEETS) -> None:
        """Keep at most `limit` sheets below a data directory."""
        self._directory, self._limit = data / DIRECTORY, limit

    def add(self, compose: Callable[[int], Sheet]) -> tuple[Kept, list[int]]:
        """Write the sheet with the next number; return it, and the numbers of sheets that were removed for it.

        Raises `HandoverError`.
        """
        try:
            with file_lock.hold(self._directory / ".lock"):
                self._directory.chmod(0o700)
                numbers = self.numbers()
                number = (numbers[-1] if numbers else 0) + 1
                content = msgspec.json.encode(compose(number))
                self._write(self._path(number), content)
                removed = numbers[: max(0, len(numbers) + 1 - self._limit)]
                for old in removed:
                    self.remove(old)
        except (OSError, file_lock.LockedError) as error:
            raise HandoverError(f"the sheet cannot be written to {self._directory}: {error}") from error
        return self.read(number), removed

    def take_over(self, kept: Kept, who: str, at: int) -> TakenOver:
        """Write the second signature of a sheet; raises `HandoverError` if it has one."""
        signature = TakenOver(kept.sheet.number, who, at, kept.digest)
        path = self._second(kept.sheet.number)
        try:
            with file_lock.hold(self._directory / ".lock"):
                if path.exists():
                    raise HandoverError("somebody has taken this sheet over already")
                self._write(path, msgspec.json.encode(signature))
        except (OSError, file_lock.LockedError) as error:
            raise HandoverError(f"the signature cannot be written to {self._directory}: {error}") from error
        return signature

    def withdraw(self, number: int) -> None:
        """Remove a second signature that could not be recorded."""
        self._second(number).unlink(missing_ok=True)

    def remove(self, number: int) -> None:
        """Remove a sheet: it could not be recorded, or it is the oldest of too many."""
        self._path(number).unlink(missing_ok=True)
        self.withdraw(number)

    def numbers(self) -> list[int]:
        """Return the numbers of all sheets, oldest first."""
        if not self._directory.is_dir():
            return []
        return sorted(int(path.stem) for path in self._directory.glob("[0-9]*.json") if path.stem.isdecimal())

    def read(self, number: int) -> Kept:
        """Return a sheet; raises `HandoverError` if there is none or it cannot be read."""
        try:
            content = self._content(self._path(number))
            second = self._second(number)
            taken_over = _TAKEN_OVER.decode(self._content(second)) if second.exists() else None
            return Kept(_SHEET.decode(content), hashlib.sha256(content).hexdigest(), taken_over)
        except FileNotFoundError as error:
            raise HandoverError(f"there is no sheet {number:,}") from error
        except (OSError, msgspec.DecodeError) as error:
            raise HandoverError(f"sheet {number:,} cannot be read: {error}") from error

    def _content(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)

    def _write(self, path: Path, content: bytes) -> None:
        if path.exists():
            raise HandoverError(f"{path} exists already")
        durable_write.replace(path, lambda fresh: fresh.write_bytes(content))
        path.chmod(READ_ONLY)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:06d}.json"

    def _second(self, number: int) -> Path:
        return self._directory / f"{number:06d}.taken-over.json"
