"""Push: one WebSocket for each open page, over which it gets summaries of new snapshots, and changes of its lists.

A page names the lists that it follows with the run and the cursor that it has of each. What browsers get is made once
for all that have the same and speak the same language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from dash import Dash
from fastapi import WebSocket, WebSocketDisconnect
from fastapi.websockets import WebSocketState

from dashboard.data.live import Live
from dashboard.languages import LANGUAGE

PATH: Final = "/push"
HEARTBEAT_INTERVAL_S: Final = 2.0
"""Time between heartbeats while there is no new snapshot."""
MAX_CURSOR: Final = 2**53
"""The largest whole number that is exact in a browser."""
MAX_FOLLOWED: Final = 4
"""Lists that a page follows at a time."""
MAX_ANSWERS: Final = 256
"""Answers kept for the browsers that ask for the same."""
SAME_MS: Final = 50
"""Ages in a message that is made for several browsers may be off by this much."""
UNREADABLE: Final = 1007
"""Close code for a message that is not what pages send (RFC 6455, 7.4.1)."""
Changes = Callable[[int, int], dict[str, Any]]
"""Returns what changed in a list after a run and a cursor (`dashboard.data.row_feed`)."""


class Follow(msgspec.Struct, tag_field="type", tag="follow", forbid_unknown_fields=True):
    """What a page sends: the lists that it follows from now on, with the run and the cursor that it has of each."""

    lists: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Answer:
    """What changed in a list, as JSON, and where its reader is then; `fresh` if there is anything to tell."""

    text: str
    run: int
    cursor: int
    more: bool
    fresh: bool
    beside: tuple[Any, ...]


@dataclass
class Messages:
    """What browsers get of the latest snapshot, made once for all of the same language and cursor."""

    live: Live
    feeds: dict[str, Changes]
    _count: int = -1
    _answers: dict[tuple[str, int, int, str], asyncio.Task[Answer]] = field(default_factory=dict)
    _summary: tuple[tuple[int, int, str], str] = ((-1, 0, ""), "")

    def summary(self) -> str:
        """Return the summary of the latest snapshot with a heartbeat, as JSON without the braces around it."""
        beat = self.live.beat()
        key = (self.live.count, beat["at"] // SAME_MS, LANGUAGE.get().code)
        if self._summary[0] != key:
            newest, heartbeat = (msgspec.json.encode(part).decode() for part in (self.live.payload(), beat))
            self._summary = key, f'"newest":{newest},"beat":{heartbeat}'
        return self._summary[1]

    def beat(self) -> str:
        """Return a heartbeat as JSON."""
        return f'{{"beat":{msgspec.json.encode(self.live.beat()).decode()}}}'

    async def changes(self, path: str, run: int, cursor: int) -> Answer:
        """Return what changed in a list after a run and a cursor; the first who asks lets it be made."""
        if self._count != self.live.count:
            self._count = self.live.count
            self._answers.clear()
        key = (path, run, cursor, LANGUAGE.get().code)
        if key not in self._answers:
            if len(self._answers) >= MAX_ANSWERS:
                self._answers.clear()
            self._answers[key] = asyncio.create_task(self._make(path, run, cursor))
        return await asyncio.shield(self._answers[key])

    async def _make(self, path: str, run: int, cursor: int) -> Answer:
        known = 0 <= cursor <= MAX_CURSOR
        found = await asyncio.to_thread(self.feeds[path], run if known else 0, cursor if known else 0)
        fresh = any(found[name] for name in ("reset", "more", "rows", "changed", "gone"))
        text, beside = msgspec.json.encode(found).decode(), (found["left_out"], found.get("also"))
        return Answer(text, found["run"], found["cursor"], found["more"], fresh, beside)


@dataclass
class _Page:
    """One open page: what it follows, and what it has been sent."""

    socket: WebSocket
    messages: Messages
    _followed: dict[str, tuple[int, int]] = field(default_factory=dict)
    _beside: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def listen(self) -> None:
        """Take in what the page follows until it leaves; what it does not have yet is sent at once."""
        while True:
            asked = msgspec.json.decode(await self.socket.receive_text(), type=Follow)
            async with self._sending:
                known = [path for path in asked.lists if path in self.messages.feeds][:MAX_FOLLOWED]
                self._followed = {path: asked.lists[path] for path in known}
                self._beside.clear()
                await self._send("")

    async def push(self) -> None:
        """Send each new snapshot, and heartbeats while there is none, until cancelled."""
        live, sent = self.messages.live, -1
        while True:
            newer = await live.newer(sent, HEARTBEAT_INTERVAL_S)
            alarms_key = live.alarms_key
            async with self._sending:
                if newer:
                    sent = live.count
                    await self._send(self.messages.summary())
                else:
                    await self.socket.send_text(self.messages.beat())
            await live.pause(alarms_key)

    async def _send(self, summary: str) -> None:
        """Send a summary with what changed in the lists; what has no room in one message follows in others."""
        more = True
        while more:
            found = {path: await self.messages.changes(path, *self._followed[path]) for path in self._followed}
            told = {path: one for path, one in found.items() if one.fresh or self._beside.get(path) != one.beside}
            for path, one in found.items():
                self._followed[path], self._beside[path] = (one.run, one.cursor), one.beside
            rows = ",".join(f"{msgspec.json.encode(path).decode()}:{one.text}" for path, one in told.items())
            parts = [summary, f'"rows":{{{rows}}}' if rows else ""]
            if any(parts):
                await self.socket.send_text(f"{{{','.join(filter(None, parts))}}}")
            summary, more = "", any(one.more for one in found.values())


def feeds_of(app: Dash) -> dict[str, Changes]:
    """Return the lists that pages of an application can follow, by path."""
    state = app.server.state
    if not hasattr(state, "feeds"):
        state.feeds = {}
    feeds: dict[str, Changes] = state.feeds
    return feeds


def register(app: Dash, live: Live) -> None:
    """Serve the WebSocket of pages."""
    messages = Messages(live, feeds_of(app))

    @app.server.websocket(PATH)  # type: ignore[untyped-decorator]
    async def opened(socket: WebSocket) -> None:
        await socket.accept()
        page = _Page(socket, messages)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(page.push(), name="push")
                await page.listen()
        except* WebSocketDisconnect:
            pass
        except* RuntimeError:  # a page that left while it was sent something is read from or sent to once more
            if socket.application_state is WebSocketState.CONNECTED:
                raise
        except* (msgspec.DecodeError, KeyError):  # KeyError: a message of bytes has no text
            await socket.close(UNREADABLE)
