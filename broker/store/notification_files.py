"""Files of notifications in the data directory: the configuration, and the notifier's status."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import Final

import msgspec

from broker.contract.notification_config import MAX_BYTES, parse
from broker.contract.notification_fields import ConfigError
from broker.contract.notification_routes import Configuration
from broker.store import durable_write
from broker.store.secret_files import OTHERS

CONFIG: Final = "notifications.toml"
STATUS: Final = "notifications.status.json"
QUEUE: Final = "notifications.sqlite"
LOCK: Final = "notifier.lock"
MAX_STATUS_BYTES: Final = 256 * 1024
SILENT_MS: Final = 30_000
"""A status that is older than this is that of a notifier that does not run."""
STUCK_MS: Final = 5 * 60_000
"""A message that has waited longer than this for its delivery is stuck."""


class Failing(msgspec.Struct, frozen=True):
    """A service that fails: since when (wall ms), how many times in a row, and why."""

    service: str
    since: int
    times: int
    reason: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the notifier is at the wall time `at`; the counts are of all time.

    `problem` says why the configuration cannot be used; `oldest` is when the message was decided that waits longest,
    `heartbeat` when the watchdog's last heartbeat was accepted, each null if there is none. `down` names what the
    watchdog misses.
    """

    at: int
    problem: str = ""
    waiting: int = 0
    oldest: int | None = None
    sent: int = 0
    dead: int = 0
    cancelled: int = 0
    limited: int = 0
    heartbeat: int | None = None
    heartbeat_problem: str = ""
    failing: tuple[Failing, ...] = ()
    down: tuple[str, ...] = ()


def configured(data: Path) -> bool:
    """Return whether notifications are configured in a data directory."""
    return (data / CONFIG).is_file()


def read_text(data: Path) -> str:
    """Return the text of the configuration, secrets and all; raises `ConfigError` if it cannot be read."""
    path = data / CONFIG
    try:
        with path.open("rb") as file:
            # One byte too many is enough for the error.
            return file.read(MAX_BYTES + 1).decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}; docs/notifications.md says what to write") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def write_text(data: Path, text: str) -> None:
    """Replace the configuration durably, for the owner only. Raises `OSError`."""

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        path.chmod(0o600)  # what was left behind may have another mode
        path.write_text(text, "utf-8", newline="")

    durable_write.replace(data / CONFIG, write)


def read_config(data: Path) -> Configuration:
    """Return the configuration; raises `ConfigError`, which names the file, if it cannot be read or is not valid."""
    path, text = data / CONFIG, read_text(data)
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {str(error).removeprefix(f'{path} ')}", error.table, error.field) from error


def keep_private(data: Path) -> None:
    """Take all rights of others from the configuration, which holds passwords; it may belong to somebody else."""
    path = data / CONFIG
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)


def write_status(data: Path, status: Status) -> None:
    """Replace the status; not synced, because it means nothing once the notifier has ended. Raises `OSError`."""
    fresh = data / f".{STATUS}.new"
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(status))
    fresh.replace(data / STATUS)


def read_status(data: Path) -> Status | None:
    """Return the notifier's last status, None if there is none that can be read."""
    path = data / STATUS
    try:
        if path.stat().st_size > MAX_STATUS_BYTES:
            return None
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def trouble(data: Path, now: int) -> str | None:
    """Return a sentence about what keeps people from being notified at `now` (wall ms), None if nothing does.

    Without a configuration nothing is amiss.
    """
    if not configured(data):
        return None
    status = read_status(data)
    if status is None or now - status.at > SILENT_MS:
        return "the notifier is not running; nobody is notified of alarms"
    if status.problem:
        return f"notifications are configured wrongly: {status.problem}"
    if status.oldest is not None and now - status.oldest > STUCK_MS:
        failing = ", ".join(f"{each.service} ({each.reason})" for each in status.failing[:3])
        return f"{status.waiting:,} notifications wait to be delivered{f'; failing: {failing}' if failing else ''}"
    return None
