"""Load tests started from the dashboard: one at a time, as a process of `pumpwatch load`, and their reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.mqtt.child_process import ending_with_its_parent
from dashboard.access.accounts import VISITOR
from dashboard.access.audit_trail import AuditTrail

log = logging.getLogger("dashboard")
PROFILES: Final = ("smoke", "clinic", "city", "million", "sessions", "storm", "soak", "breakpoint", "capacity")
"""Packaged profiles of `pumpwatch load`."""
FOLDER: Final = "load"
LIVE: Final = "live.json"
MAX_REPORTS: Final = 50
MAX_REPORT_BYTES: Final = 32 * 1024 * 1024
MAX_WORDS: Final = 4_000
"""Characters of the last words of a test that failed."""
END_S: Final = 15.0
REPORT_NAME: Final = re.compile(r"\d{8}T\d{6}-[a-z]{1,20}\.json")


class LiveState(msgspec.Struct):
    """State of a test that runs: fields of `trials.load.live.Live`."""

    stage: str
    pumps: int
    second: float
    seconds: float
    offered_per_s: float
    made_per_s: float
    connected: int
    sessions: int
    latency: dict[str, float | None]
    cores: dict[str, float]


class LiveFile(msgspec.Struct):
    """What `pumpwatch load --live-file` writes each second: the latest lines, and the state."""

    said: list[str]
    state: LiveState | None


class Stage(msgspec.Struct):
    """What a page shows of a stage of a report."""

    name: str
    offered_per_s: float
    shown_per_s: float
    latency: dict[str, dict[str, float | None]]
    lost: dict[str, int]
    duplicates: int
    disorder: int
    resources: dict[str, dict[str, float]]
    void: list[str]
    checks: list[dict[str, Any]]
    failures: list[str]


class Report(msgspec.Struct):
    """What a page shows of a report of `pumpwatch load --json`."""

    profile: str
    title: str
    began: str
    interrupted: bool = False
    void_reasons: list[str] = []
    stages: list[Stage] = []
    blame: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        """The outcome in a word or two."""
        if self.interrupted:
            return "interrupted"
        if self.void_reasons or any(stage.void for stage in self.stages):
            return "void"
        broken = sum(
            check["measured"] is None or check["measured"] > check["below"]
            for stage in self.stages
            for check in stage.checks
        )
        broken += sum(len(stage.failures) for stage in self.stages)
        return "passed" if self.stages and not broken else f"{broken} broken" if broken else "no stage"


class LoadRunError(Exception):
    """A load test was not started or stopped; the text says why."""


@dataclass
class LoadRuns:
    """Load tests of a dashboard; reports are in `folder`, the newest `MAX_REPORTS`. `now` is wall ms."""

    folder: Path
    audit: AuditTrail
    now: Callable[[], int]
    profile: str = ""
    failure: str = ""
    _process: asyncio.subprocess.Process | None = None
    _watching: asyncio.Task[None] | None = None
    _stopping: bool = False
    _kept: dict[str, Report] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether a test runs."""
        return self._watching is not None and not self._watching.done()

    async def start(self, profile: str) -> str:
        """Start a test of a packaged profile; return what to say. Raises `LoadRunError`."""
        visitor = VISITOR.get()
        if not visitor.may("inject"):
            await self.audit.denied(visitor, "start load tests")
            raise LoadRunError("Not started: only engineers and admins may start load tests.")
        if profile not in PROFILES:
            raise LoadRunError(f"Not started: allowed profiles are {', '.join(PROFILES)}.")
        if self.busy:
            raise LoadRunError(f"Not started: the load test {self.profile} is running; stop it first.")
        self.profile, self.failure, self._stopping = profile, "", False
        began = datetime.fromtimestamp(self.now() / 1000, UTC)
        report = self.folder / f"{began:%Y%m%dT%H%M%S}-{profile}.json"
        self._watching = asyncio.create_task(self._run(profile, report), name="load test")
        await self.audit.record("load_test", visitor, f"started the load test {profile}")
        return f"Load test {profile} started."

    async def stop(self) -> str:
        """Stop the test that runs; its report is written, marked as interrupted. Raises `LoadRunError`."""
        visitor = VISITOR.get()
        if not visitor.may("inject"):
            await self.audit.denied(visitor, "stop load tests")
            raise LoadRunError("Not stopped: only engineers and admins may stop load tests.")
        if not self.busy or self._process is None:
            raise LoadRunError("No load test is running.")
        self._stopping = True
        _signal(self._process, signal.SIGTERM)
        await self.audit.record("load_test", visitor, f"stopped the load test {self.profile}")
        return f"Load test {self.profile} is stopping; its report follows."

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End the test that runs when the server does."""
        try:
            yield
        finally:
            if self._process is not None and self.busy and self._watching is not None:
                self._stopping = True
                _signal(self._process, signal.SIGTERM)
                _, waiting = await asyncio.wait({self._watching}, timeout=END_S)
                if waiting:
                    _signal(self._process, signal.SIGKILL)
                    await asyncio.wait({self._watching}, timeout=END_S)

    async def _run(self, profile: str, report: Path) -> None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            (self.folder / LIVE).unlink(missing_ok=True)
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pumpwatch", "load", profile, "--no-browser"),
                *(f"--json={report}", f"--live-file={self.folder / LIVE}"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                preexec_fn=ending_with_its_parent(),
                umask=0o077,
            )
            words = b""
            while process.stderr is not None and (piece := await process.stderr.read(65_536)):
                words = (words + piece)[-MAX_WORDS:]
            await process.wait()
            if report.name not in self.names() and not self._stopping:
                text = " ".join(words.decode(errors="replace").split())[-400:]
                self.failure = f"The load test {profile} ended without a report: {text or 'no reason given'}"
        except OSError as error:
            self.failure = f"The load test {profile} could not run: {error.strerror or error}"
        finally:
            with contextlib.suppress(OSError):
                (self.folder / LIVE).unlink(missing_ok=True)
                for old in self.names()[MAX_REPORTS:]:
                    (self.folder / old).unlink(missing_ok=True)
            if self.failure:
                log.warning("%s", self.failure)

    def live(self) -> LiveFile | None:
        """Return the state of the test that runs, None before the first."""
        try:
            return msgspec.json.decode((self.folder / LIVE).read_bytes(), type=LiveFile)
        except (OSError, msgspec.DecodeError):
            return None

    def names(self) -> list[str]:
        """Return the names of the reports, the newest first."""
        with contextlib.suppress(OSError):
            return sorted(
                (path.name for path in self.folder.iterdir() if REPORT_NAME.fullmatch(path.name)), reverse=True
            )
        return []

    def reports(self) -> dict[str, Report]:
        """Return the newest `MAX_REPORTS` reports that can be read, by name, the newest first."""
        names = self.names()[:MAX_REPORTS]
        for name in names:
            path = self.folder / name
            if name not in self._kept:
                with contextlib.suppress(OSError, msgspec.DecodeError):
                    if path.stat().st_size <= MAX_REPORT_BYTES:
                        self._kept[name] = msgspec.json.decode(path.read_bytes(), type=Report)
        self._kept = {name: self._kept[name] for name in names if name in self._kept}
        return self._kept


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
