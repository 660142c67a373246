"""Clinic days: on which weekdays each site sees patients, as a small file of the data directory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt

from broker.store import durable_write

FILE: Final = "clinic-days.json"
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
USUAL: Final = WEEKDAYS[:5]
"""Clinic days of a site for which none were set."""
MAX_SITES: Final = 1_000
MAX_SITE_NAME: Final = 100
FORMAT: Final = 1

Weekdays = Annotated[list[str], msgspec.Meta(min_length=1, max_length=7)]


class ClinicDaysError(ValueError):
    """The clinic days cannot be read or set; the text says what is allowed."""


class _File(msgspec.Struct):
    """Content of the file: weekdays by site."""

    format: int = FORMAT
    sites: Annotated[dict[str, Weekdays], msgspec.Meta(max_length=MAX_SITES)] = {}


class ClinicDays:
    """Clinic days of all sites of a data directory; the file is read again when it changed."""

    def __init__(self, data: Path) -> None:
        """Use the file of a data directory, which may not exist yet."""
        self._path = data / FILE
        self._lock = threading.Lock()
        self._known: tuple[object, dict[str, tuple[str, ...]]] = (None, {})

    def of(self, site: str | None) -> tuple[str, ...]:
        """Return the clinic days of a site. Raises `ClinicDaysError` if the file cannot be read."""
        return self.all().get(site or "", USUAL)

    def all(self) -> dict[str, tuple[str, ...]]:
        """Return the clinic days of the sites for which they were set. Raises `ClinicDaysError`."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return {}
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._known[0] != stamp:
            self._known = (stamp, self._read())
        return self._known[1]

    def mask(self, sites: Iterable[str | None]) -> npt.NDArray[np.bool_]:
        """Return a row per site and a column per weekday from Monday: whether it is a clinic day."""
        return np.array([[day in self.of(site) for day in WEEKDAYS] for site in sites], bool).reshape(-1, 7)

    def set(self, site: str, days: Iterable[str]) -> tuple[str, ...]:
        """Set the clinic days of a site and return them in order; Monday to Friday need no entry.

        Raises `ClinicDaysError` if no weekday is given, one is unknown, or there are too many sites; `OSError`.
        """
        wanted = set(days)
        chosen = tuple(day for day in WEEKDAYS if day in wanted)
        if not site or len(site) > MAX_SITE_NAME:
            raise ClinicDaysError(f"the site has {len(site):,} characters; allowed are 1 to {MAX_SITE_NAME}")
        if not chosen or wanted - set(WEEKDAYS):
            raise ClinicDaysError(f"a site needs at least one clinic day of {', '.join(WEEKDAYS)}")
        with self._lock:
            sites = {**self.all(), site: chosen}
            if chosen == USUAL:
                del sites[site]
            if len(sites) > MAX_SITES:
                raise ClinicDaysError(f"clinic days are kept for {MAX_SITES:,} sites; reset one to Monday to Friday")
            content = msgspec.json.encode(_File(sites={name: list(known) for name, known in sites.items()}))
            durable_write.replace(self._path, lambda fresh: fresh.write_bytes(content))
        return chosen

    def _read(self) -> dict[str, tuple[str, ...]]:
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError) as error:
            raise ClinicDaysError(f"{self._path} cannot be read ({error}); restore it, or remove it") from error
        unknown = {day for days in found.sites.values() for day in days} - set(WEEKDAYS)
        if found.format > FORMAT or unknown:
            wrong = f"format {found.format}" if found.format > FORMAT else f"day {min(unknown)[:20]!r}"
            raise ClinicDaysError(f"{self._path} has the {wrong}; this version reads format {FORMAT}, Mon to Sun")
        return {site: tuple(day for day in WEEKDAYS if day in days) for site, days in found.sites.items()}
