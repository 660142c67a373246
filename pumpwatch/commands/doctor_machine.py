"""Checks of `pumpwatch doctor` on the machine: files, clock, zones, broker, data format, backups, notifications."""

from __future__ import annotations

import ctypes
import resource
import sqlite3
import zoneinfo
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from broker.display.instants import timestamp
from broker.store import data_format
from pumpwatch.commands.doctor_access import Finding

MIN_FILES: Final = 4_096
"""Open files that suffice for a few thousand gateways and browsers."""
DAY_MS: Final = 86_400_000
MAX_BACKUP_DAYS: Final = 7
MIN_QUEUED_BYTES: Final = 64 * 1024**2
MIN_EXPIRATION_H: Final = 24
CLOCK_UNSYNCHRONIZED: Final = 5
"""TIME_ERROR of adjtimex(2): the kernel was not told the time lately."""
HOURS: Final = {"h": 1, "d": 24, "w": 168, "m": 720, "y": 8760}
"""Units of `persistent_client_expiration`."""


def open_files() -> Iterator[Finding]:
    """Check how many files and connections one process may have open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most in {resource.RLIM_INFINITY, -1} or most >= MIN_FILES:
        yield Finding("open files", "ok", "no limit" if most in {resource.RLIM_INFINITY, -1} else f"up to {most:,}")
    else:
        text = f"a process may open {most:,}; for many gateways raise it to {MIN_FILES:,} (ulimit -Hn, LimitNOFILE=)"
        yield Finding("open files", "note", text)


def kernel_clock() -> int | None:
    """Return the state of the clock, by adjtimex(2); None where there is no such call."""
    try:
        # Larger than struct timex on any system; the first word, which says what to change, is 0.
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))
    except (AttributeError, OSError):
        return None


def synchronization(state: int | None) -> Iterator[Finding]:
    """Check that something keeps the clock right: samples are judged by time, and signatures expire by it."""
    if state is None or state < 0:
        yield Finding("time synchronization", "note", "this system does not say whether its clock is kept right")
    elif state == CLOCK_UNSYNCHRONIZED:
        text = "nothing keeps the clock right; start a service for it: sudo timedatectl set-ntp true, or chrony"
        yield Finding("time synchronization", "note", text)
    else:
        yield Finding("time synchronization", "ok", "the clock is kept right")


def time_zones() -> Iterator[Finding]:
    """Check that the zones of viewers can be read."""
    if zoneinfo.available_timezones():
        yield Finding("time zones", "ok", f"{len(zoneinfo.available_timezones())} known")
    else:
        yield Finding("time zones", "failed", "none are known, so there are no local times; install the package tzdata")


def format_of_data(data: Path) -> Iterator[Finding]:
    """Check that this version can read the data directory."""
    if not data.is_dir():
        return
    try:
        found = data_format.check(data)
    except data_format.DataFormatError as error:
        yield Finding("data format", "failed", str(error))
    else:
        older = found < data_format.FORMAT
        text = f"{found}; `pumpwatch run` brings it to {data_format.FORMAT}" if older else str(found)
        yield Finding("data format", "note" if older else "ok", text)


def broker_settings(data: Path, given: Path | None = None) -> Iterator[Finding]:
    """Check a Mosquitto configuration for settings that lose data: `given`, or the one that Pumpwatch wrote."""
    path = given or data / "broker" / "mosquitto.conf"
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        if given is not None:
            yield Finding("broker settings", "failed", f"there is no {path}; name the one that Mosquitto uses")
        return
    except OSError as error:
        yield Finding("broker settings", "failed", f"cannot read {path}: {error.strerror}")
        return
    losses = list(lossy(settings_of(text)))
    for loss in losses:
        yield Finding("broker settings", "failed", f"{path}: {loss}")
    if not losses:
        yield Finding("broker settings", "ok", f"{path} queues for absent clients, and survives a restart")


def settings_of(text: str) -> dict[str, str]:
    """Return the settings of a Mosquitto configuration; of one that is given twice, the last."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def lossy(settings: Mapping[str, str]) -> Iterator[str]:
    """Yield, for each setting with which Mosquitto loses messages, what it does and what to write instead."""
    if settings.get("persistence", "false") != "true":
        yield "without `persistence true`, a restart loses what is queued; add that line"
    queued = settings.get("max_queued_messages", "1000")
    if queued != "0":
        yield (
            f"max_queued_messages {queued[:20]} drops messages of a client that is away, after confirming them; write "
            "`max_queued_messages 0` and limit max_queued_bytes"
        )
    size = _number(settings.get("max_queued_bytes", "0"))
    if 0 < size < MIN_QUEUED_BYTES:
        yield f"max_queued_bytes {size:,} is little; use at least {MIN_QUEUED_BYTES:,}"
    if settings.get("queue_qos0_messages") == "true" and size == 0:
        yield "queue_qos0_messages without max_queued_bytes can fill the memory; set max_queued_bytes"
    kept = settings.get("persistent_client_expiration", "")
    hours = _number(kept[:-1]) * HOURS.get(kept[-1:], 0)
    if kept and hours < MIN_EXPIRATION_H:
        yield f"persistent_client_expiration {kept[:20]} forgets a processor that is away for longer; use at least 1d"
    saved = _number(settings.get("autosave_interval", "1800"))
    if saved == 0 or saved > 300:
        yield f"autosave_interval {saved} loses that many seconds if the broker is killed; write `autosave_interval 30`"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def backups(data: Path, now: int) -> Iterator[Finding]:
    """Check when the last backup was made, which the journal records; `now` is wall ms."""
    from broker.store.journal_query import Query, entries

    if not (data / "journal.sqlite").exists():
        return
    try:
        made = entries(data, Query(kinds=("exported",), text="backup to", limit=1))["at"].to_list()
    except (OSError, sqlite3.Error):
        return
    advice = "make one: pumpwatch backup FILE"
    if not made:
        yield Finding("backup", "note", f"none so far; {advice}")
        return
    days = (now - made[0]) // DAY_MS
    text = f"the last one is of {timestamp(made[0])}"
    if days > MAX_BACKUP_DAYS:
        yield Finding("backup", "note", f"{text}; {advice}")
    else:
        yield Finding("backup", "ok", text)


def routes(data: Path, now: int) -> Iterator[Finding]:
    """Check that notifications.toml can be used, and that the notifier delivers; `now` is wall ms."""
    from broker.contract.notification_fields import ConfigError
    from broker.store import notification_files

    if not notification_files.configured(data):
        yield Finding(
            "notifications", "note", "none are configured: nobody is notified of alarms outside of the dashboard"
        )
        return
    try:
        config = notification_files.read_config(data)
    except ConfigError as error:
        yield Finding("notifications", "failed", f"{error}; check it with: pumpwatch notifications check")
        return
    count = len(config.services)
    services = f"{count} service{'s' * (count != 1)}"
    problem = notification_files.trouble(data, now)
    if problem:
        yield Finding("notifications", "note", f"{services}; {problem}")
    else:
        yield Finding("notifications", "ok", services)
