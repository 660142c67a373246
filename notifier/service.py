"""The part `pumpwatch notify`: follows journal and snapshot, delivers by one worker per service, and keeps a status."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from broker.contract.notification_fields import ConfigError
from broker.contract.notification_routes import Configuration
from broker.store import file_lock, notification_files, part_troubles, snapshot_facts
from broker.store.file_lock import LockedError
from broker.store.notification_files import Status
from notifier import outside, recorder
from notifier.desk import Desk
from notifier.messages import RuleTexts
from notifier.queue import Queue, QueueError
from notifier.requests import Requests
from notifier.watchdog import Look, Watchdog, missing
from notifier.workers import Workers

log = logging.getLogger("notifier")
TICK_S: Final = 1.0
STATUS_MS: Final = 5_000
PRUNE_MS: Final = 600_000
MAX_SHARE: Final = 0.2
"""Share of the time that decisions may take: with very many open alarms they are made less often."""
STOP_S: Final = 2.0
"""How long what is just being sent may take when the notifier stops; longer, and it is in doubt."""


class NotifierError(Exception):
    """The notifier cannot run; the text says why and what to do."""


class SecondNotifierError(NotifierError):
    """Another notifier uses the data directory."""


@dataclass(frozen=True)
class Settings:
    """The data directory, and what returns the address of the running dashboard, empty if unknown."""

    data: Path
    dashboard: Callable[[], str] = lambda: ""


@dataclass
class Notifier:
    """A running notifier; `wall_ms` is the wall clock."""

    settings: Settings
    desk: Desk
    wall_ms: Callable[[], int]
    watchdog: Watchdog = field(init=False)
    requests: Requests = field(init=False)
    problem: str = ""
    workers: Workers = field(init=False)
    heartbeat: outside.Heartbeat = field(default_factory=outside.Heartbeat)
    _stamp: tuple[int, int, int] | None = None
    _status_at: int = 0
    _pruned_at: int = 0
    _free_at: float = 0.0
    _trouble: str = ""

    def __post_init__(self) -> None:
        self.watchdog = Watchdog.resumed(self.desk.state.alarms)
        self.workers = Workers(self.desk, self.wall_ms, self._note_trouble)
        self.requests = Requests(self.settings.data, self.desk.queue, self.wall_ms)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; what is just being sent may end."""
        try:
            while not stop.is_set():
                await self.tick()
                await _wait(stop, TICK_S)
        finally:
            await self.workers.stop(STOP_S)
            await self.heartbeat.close()

    def begin(self) -> None:
        """Read the configuration and decide about deliveries that were under way when the notifier ended."""
        self._reload()
        doubtful = self.desk.resolve_doubt(self.wall_ms())
        if doubtful:
            log.warning("%d deliveries were under way when the notifier ended; see docs/notifications.md", doubtful)

    async def tick(self) -> None:
        """Do what is due now."""
        now, data = self.wall_ms(), self.settings.data
        self._reload()
        address = self.settings.dashboard()
        self.desk.dashboard = self.desk.config.dashboard_url or address.rstrip("/")
        look = Look(snapshot_facts.health(data / "snapshot"), part_troubles.read(data), await outside.answers(address))
        down = missing(look, now)
        events = self.watchdog.look(down, now)
        begun = time.monotonic()
        try:
            if begun >= self._free_at or events:
                if self.desk.advance(now, itself=events):
                    self._read_rules()
                self._free_at = begun + (time.monotonic() - begun) / MAX_SHARE
            recorder.record(data, self.desk.queue, self.desk.state.alarms, look.health.speed if look.health else 1.0)
            self.requests.take(self.desk.config.by_name)
            if now - self._pruned_at >= PRUNE_MS:
                self.desk.queue.prune()
                self._pruned_at = now
            self._note_trouble("")
        except recorder.ERRORS as error:
            self._note_trouble(f"journal or queue cannot be read or written: {error}")
        self.heartbeat.beat(self.desk.config.watchdog, now, well=not down)
        self.workers.start()
        if abs(now - self._status_at) >= STATUS_MS:
            self._write_status(now)

    def _reload(self) -> None:
        """Read the configuration if its file changed; one that is not valid changes nothing but is reported."""
        path = self.settings.data / notification_files.CONFIG
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            stamp = (0, 0, 0)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        notification_files.keep_private(self.settings.data)
        try:
            config = notification_files.read_config(self.settings.data)
        except ConfigError as error:
            self.problem = str(error)
            log.warning(
                "%s; %s", error, "the configuration before stays in use" if self.workers.running else "nothing is sent"
            )
        else:
            self._use(config)

    def _use(self, config: Configuration) -> None:
        self.problem, self.desk.config = "", config
        dropped = self.desk.drop_orphans(self.wall_ms())
        log.info(
            "%d services, %d routes%s",
            *(len(config.services), len(config.routes)),
            f"; {dropped} deliveries to services that were removed are given up" if dropped else "",
        )
        self._read_rules()

    def _read_rules(self) -> None:
        rows = snapshot_facts.rules(self.settings.data / "snapshot").iter_rows(named=True)
        self.desk.rules = {
            row["rule"]: RuleTexts(row["meaning"] or "", row["action"] or "", row["time_to_respond"] or "")
            for row in rows
        }

    def _note_trouble(self, text: str) -> None:
        if text and text != self._trouble:
            log.error("%s", text)
        self._trouble = text

    def _write_status(self, now: int) -> None:
        queue, state = self.desk.queue, self.desk.state
        waiting, oldest = queue.waiting()
        status = Status(
            at=now,
            problem=self.problem or self._trouble,
            waiting=waiting,
            oldest=oldest,
            sent=queue.count("sent"),
            dead=queue.count("dead"),
            cancelled=queue.count("cancelled"),
            limited=state.limited,
            heartbeat=self.heartbeat.accepted_at,
            heartbeat_problem=self.heartbeat.problem,
            failing=tuple(self.workers.failing.values()),
            down=tuple(sorted(self.watchdog.down)),
        )
        try:
            notification_files.write_status(self.settings.data, status)
            self._status_at = now
        except OSError as error:
            self._note_trouble(f"the status cannot be written: {error}")


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run until `stop`; raises `NotifierError` if the data directory cannot be used."""
    data = settings.data
    try:
        with file_lock.hold(data / notification_files.LOCK):
            queue = Queue(data)
            try:
                labels = partial(snapshot_facts.labels, data / "snapshot")
                notifier = Notifier(settings, Desk(data, queue, labels=labels), _wall_ms)
                notifier.begin()
                ready("")
                await notifier.run(stop)
            finally:
                queue.close()
    except LockedError as error:
        raise SecondNotifierError(f"another notifier uses {data}; stop it first") from error
    except (QueueError, sqlite3.Error, OSError) as error:
        raise NotifierError(f"cannot use the data directory {data}: {error}") from error


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
