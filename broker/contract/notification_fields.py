"""Fields of a table of the configuration of notifications: read, checked, and named in errors."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from broker.contract.notification_routes import DAYS, Hours

MAX_NAME: Final = 60
MAX_TEXT: Final = 4_000
MAX_SHOWN: Final = 60
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?([smhd])", re.ASCII)
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class ConfigError(ValueError):
    """The configuration is not valid; the text names field, value and what is allowed.

    `table` and `field` say where, as in `route[1].escalation[0]` and `after`.
    """

    def __init__(self, text: str, table: str = "", field: str = "") -> None:
        super().__init__(text)
        self.table, self.field = table, field


@dataclass(frozen=True)
class Table:
    """A table of the file and its path in it, such as `route[1]`."""

    content: dict[str, Any]
    path: str

    def wrong(self, field: str, what: str) -> ConfigError:
        """Return the error of a field."""
        return ConfigError(f"{f'{self._shown}.' if self.path else ''}{field} {what}", self.path, field)

    def problem(self, field: str, sentence: str) -> ConfigError:
        """Return the error of a sentence that names the field itself."""
        return ConfigError(f"{self._shown}.{sentence}", self.path, field)

    def error(self, field: str, value: object, allowed: str) -> ConfigError:
        """Return the error of a field that has a value that is not allowed."""
        return self.wrong(field, f"is {repr(value)[:MAX_SHOWN]}; allowed is {allowed}")

    @property
    def _shown(self) -> str:
        """The path for people, who count from one."""
        return re.sub(r"\[(\d+)\]", lambda found: f" {int(found[1]) + 1}", self.path)

    def allow(self, *names: str) -> None:
        """Raise `ConfigError` if there is any other field."""
        unknown = next((name for name in self.content if name not in names), None)
        if unknown is not None:
            raise self.wrong(str(unknown)[:MAX_SHOWN], f"is not known here; allowed are {', '.join(names)}")

    def value(self, field: str, default: Any) -> Any:
        """Return a field as it is."""
        return self.content.get(field, default)

    def table(self, field: str) -> Table:
        """Return a table in this one, empty if it is missing."""
        found = self.content.get(field, {})
        if not isinstance(found, dict):
            raise self.error(field, found, "a table")
        return Table(found, f"{self.path}.{field}" if self.path else field)

    def tables(self, field: str, limit: int) -> list[Table]:
        """Return the tables of an array of tables."""
        found = self.content.get(field, [])
        path = f"{self.path}.{field}" if self.path else field
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.error(field, found, f"tables, each below a line [[{re.sub(r'[^a-z_.]', '', path)}]]")
        if len(found) > limit:
            raise self.wrong(field, f"has {len(found):,} tables; allowed are up to {limit}")
        return [Table(each, f"{path}[{number}]") for number, each in enumerate(found)]

    def text(self, field: str, *, default: str | None = None, limit: int = MAX_TEXT) -> str:
        """Return a text."""
        found = self.content.get(field, default)
        if found is None:
            raise self.wrong(field, "is missing")
        if not isinstance(found, str) or len(found) > limit or not found.isprintable():
            raise self.error(field, found, f"a text of up to {limit:,} printable characters")
        return found

    def name(self) -> str:
        """Return the field `name`."""
        found = self.text("name", limit=MAX_NAME).strip()
        if not found:
            raise self.error("name", found, f"a text of 1 to {MAX_NAME} characters")
        return found

    def secret(self, field: str) -> str:
        """Return a text that no error may quote, empty if it is missing."""
        found = self.content.get(field, "")
        if not isinstance(found, str) or len(found) > MAX_TEXT or not found.isprintable():
            raise self.wrong(field, f"(not shown: it may be secret) is no text of up to {MAX_TEXT:,} characters")
        return found

    def duration(self, field: str, default: float, least: float, most: float) -> float:
        """Return a duration in seconds, such as that of '90s' or '2h'."""
        found = self.content.get(field)
        if found is None:
            return default
        read = _DURATION.fullmatch(found.strip()) if isinstance(found, str) else None
        if read is None or not least <= (seconds := float(read[1]) * _UNITS[read[2]]) <= most:
            allowed = (
                f"a duration from '{duration_text(least)}' to '{duration_text(most)}', such as '90s', '10m' or '2h'"
            )
            raise self.error(field, found, allowed)
        return seconds

    def duration_or_never(self, field: str, default: float, least: float, most: float) -> float | None:
        """Return a duration in seconds, None for 'never'."""
        return None if self.content.get(field) == "never" else self.duration(field, default, least, most)

    def integer(self, field: str, default: int, least: int, most: int) -> int:
        """Return an integer."""
        found = self.content.get(field, default)
        if type(found) is not int or not least <= found <= most:
            raise self.error(field, found, f"an integer from {least:,} to {most:,}")
        return int(found)

    def choice(self, field: str, allowed: Sequence[str], default: str) -> str:
        """Return one of some texts."""
        found = self.content.get(field, default)
        if found not in allowed:
            raise self.error(field, found, " or ".join(allowed))
        return str(found)

    def choices(
        self, field: str, allowed: Sequence[str], default: tuple[str, ...], *, empty: bool = False
    ) -> tuple[str, ...]:
        """Return several of some texts, each once."""
        found = self.content.get(field, list(default))
        valid = isinstance(found, list) and all(each in allowed for each in found) and (found or empty)
        if not valid:
            raise self.error(field, found, f"a list of {', '.join(allowed)}{', or an empty one' if empty else ''}")
        return tuple(dict.fromkeys(found))

    def names(self, field: str, known: Collection[str], *, needed: bool = False) -> tuple[str, ...]:
        """Return a list of names of services or rotas that are configured."""
        found = self.content.get(field, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self.error(field, found, "a list of names")
        unknown = next((each for each in found if each not in known), None)
        if unknown is not None:
            raise self.wrong(field, f"names {unknown[:MAX_SHOWN]!r}; the file has {', '.join(sorted(known)) or 'none'}")
        if needed and not found:
            raise self.wrong(field, "is missing; name at least one service")
        return tuple(dict.fromkeys(found))

    def zone(self, field: str) -> str:
        """Return the name of a time zone."""
        found = self.text(field, limit=64)
        try:
            ZoneInfo(found)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise self.error(field, found, "the name of a time zone, such as 'Europe/Zurich'") from error
        return found

    def hours(self, zone: str) -> Hours:
        """Return the hours of the fields `days`, `from` and `to`."""
        return Hours(self.choices("days", DAYS, DAYS), self._clock("from"), self._clock("to"), zone)

    def _clock(self, field: str) -> time:
        found = self.text(field, limit=MAX_TEXT)
        read = _CLOCK.fullmatch(found)
        if read is None:
            raise self.error(field, found, "a time of day from '00:00' to '23:59'")
        return time(int(read[1]), int(read[2]))


def duration_text(seconds: float) -> str:
    """Return a duration as the file has it: "90s", "10m", "2h"."""
    for unit, length in reversed(_UNITS.items()):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def address_problem(url: str) -> str:
    """Return why an address of a webhook or heartbeat cannot be used, without quoting it; empty if it can."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "(not shown: it may be secret) is not a valid URL"
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        return "must begin with https://HOST, or with http:// and an address of this machine"
    if not url.isascii() or " " in url:
        return "contains characters that must be percent-encoded"
    return ""
