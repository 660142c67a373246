"""Keeps many sessions of one process open: bounded connecting, jittered back-off, one report for each outage."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from broker.mqtt.address import Address, LinkError, TakenOverError
from broker.mqtt.reasons import SESSION_TAKEN_OVER
from broker.mqtt.reconnection import MAX_DOUBLINGS, MAX_WAIT_S, MIN_WAIT_S, taken_over
from broker.mqtt.settling import PROGRESS_INTERVAL_S, settle, slices

MAX_CONNECTING: Final = 128
"""Sessions that connect at the same time; fewer than the connections that a listener lets wait (100 in Mosquitto)."""
MAX_PAUSE_S: Final = 5.0
"""Longest pause of all sessions while the broker cannot be reached."""
UPKEEP_S: Final = 5.0
"""Interval of `Session.keep_up`; well below the keep-alive."""


class Session(Protocol):
    """A session as the pool sees it. `barred` tells whether it is kept from connecting on purpose."""

    address: Address
    client_id: str

    @property
    def barred(self) -> bool: ...  # noqa: D102

    @property
    def end_code(self) -> int | None: ...  # noqa: D102

    async def connect(self, lost: Callable[[str], None]) -> None:
        """Open the connection, or raise `LinkError`; `lost` is called with the reason when it ends."""

    def keep_up(self, now_s: float) -> None:
        """Do what is to be done every few seconds; `now_s` is the clock of the event loop."""

    def disconnect(self) -> None:
        """Begin to disconnect cleanly."""

    def abort(self) -> None:
        """Drop the connection."""


@dataclass(eq=False)
class SessionPool:
    """Keeps `sessions`, all of one broker, open until `run` is cancelled.

    A session that is refused or lost waits for a random time, from 0 to a limit that doubles from 0.4 s to 15 s. While
    the broker cannot be reached at all, all wait together, `MAX_PAUSE_S` at most, and then connect, `MAX_CONNECTING` at
    a time. `report` gets one message for each outage and one for its end, `progress` how many are connected while not
    all are. `complete` is set when each was connected once.
    """

    sessions: Sequence[Session]
    report: Callable[[str], None]
    progress: Callable[[str], None]
    chance: random.Random
    connected: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    _missing: set[Session] = field(default_factory=set)
    _due: list[tuple[float, int, Session]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _failures: dict[Session, int] = field(default_factory=dict)
    _attempts: int = 0
    _paused_until: float = 0.0
    _outage: bool = False
    _closing: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONNECTING))
    _connecting: set[asyncio.Task[None]] = field(default_factory=set)
    _error: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def run(self) -> None:
        """Keep all sessions open. Raises `TakenOverError` if another client connected with the id of one of them:
        reconnecting would throw that one out; and what a session raises other than `LinkError`.
        """
        self._missing = set(self.sessions)
        for session in self.sessions:
            self._wait(session, 0.0)
        tasks = [asyncio.create_task(work()) for work in (self._dispatch, self._keep_up, self._show_progress)]
        try:
            await asyncio.wait([*tasks, self._error], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            self._error.result()
        finally:
            tasks += self._connecting
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()
            self._error.cancel()

    async def close(self) -> None:
        """Disconnect all sessions cleanly, and drop those that take too long."""
        self._closing = True
        for part in slices(self.sessions):
            for session in part:
                session.disconnect()
            await asyncio.sleep(0)
        total = len(self.sessions)
        await settle(
            lambda: self.connected, lambda left: self.progress(f"{total - left:,} of {total:,} gateways closed")
        )
        for session in self.sessions:
            session.abort()

    def _wait(self, session: Session, wait_s: float) -> None:
        heapq.heappush(self._due, (self._now() + wait_s, next(self._order), session))
        self._changed.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _dispatch(self) -> None:
        """Connect sessions when their time has come."""
        while True:
            await self._free.acquire()
            while (wait_s := self._time_to_next()) > 0:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_s, MAX_WAIT_S)):
                        await self._changed.wait()
            _, _, session = heapq.heappop(self._due)
            task = asyncio.create_task(self._connect(session))
            self._connecting.add(task)
            task.add_done_callback(self._ended)

    def _time_to_next(self) -> float:
        if not self._due:
            return MAX_WAIT_S
        return max(self._due[0][0], self._paused_until) - self._now()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._error.done():
            self._error.set_exception(error)

    async def _connect(self, session: Session) -> None:
        began = self._now()
        try:
            await session.connect(lambda reason: self._lost(session, reason))
        except LinkError as error:
            self._refused(session, error, began)
        else:
            self.connected += 1
            self._attempts = 0
            self._failures.pop(session, None)
            self._missing.discard(session)
            if not self._missing:
                self.complete.set()

    def _refused(self, session: Session, error: LinkError, began: float) -> None:
        if isinstance(error, TakenOverError):
            raise error
        if error.code == SESSION_TAKEN_OVER:
            raise taken_over(session.client_id, session.address) from error
        if error.code is None and not self.connected and not session.barred:
            if began >= self._paused_until:
                self._attempts += 1
                pause_s = min(MAX_PAUSE_S, MIN_WAIT_S * 2 ** min(self._attempts, MAX_DOUBLINGS))
                self._paused_until = self._now() + self.chance.uniform(0, pause_s)
            wait_s = 0.0
        else:
            wait_s = self._back_off(session)
        self._wait(session, wait_s)
        if not session.barred:
            text = str(error)
            self._begin_outage(f"{text[:1].upper()}{text[1:]}; retrying")

    def _back_off(self, session: Session) -> float:
        failures = self._failures[session] = self._failures.get(session, 0) + 1
        return self.chance.uniform(0, min(MAX_WAIT_S, MIN_WAIT_S * 2 ** min(failures, MAX_DOUBLINGS)))

    def _lost(self, session: Session, reason: str) -> None:
        self.connected -= 1
        if self._closing:
            return
        if session.end_code == SESSION_TAKEN_OVER:
            self._fail(taken_over(session.client_id, session.address))
            return
        self._wait(session, self._back_off(session))
        if not session.barred:
            self._begin_outage(f"Connection to {session.address.url} lost ({reason}); reconnecting")

    def _begin_outage(self, text: str) -> None:
        if not self._outage:
            self._outage = True
            self.report(text)

    async def _keep_up(self) -> None:
        parts = list(slices(self.sessions))
        while True:
            for part in parts:
                now_s = self._now()
                for session in part:
                    session.keep_up(now_s)
                await asyncio.sleep(UPKEEP_S / len(parts))

    async def _show_progress(self) -> None:
        shown, total = 0, len(self.sessions)
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            wanted = total - sum(session.barred for session in self.sessions)
            if self.connected < wanted and self.connected != shown:
                shown = self.connected
                self.progress(f"{shown:,} of {wanted:,} gateways connected")
            elif self._outage and self.connected >= wanted:
                self._outage, shown = False, 0
                self.report(f"Reconnected to {self.sessions[0].address.url}")
