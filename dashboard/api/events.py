"""Route of alarm events as they happen: server-sent events, resumed from the journal by `Last-Event-ID`."""

from __future__ import annotations

import asyncio
import collections
import sqlite3
from collections.abc import AsyncIterator
from typing import Annotated, Final

import orjson
import polars as pl
from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse

from broker.store import alarm_entries, journal_query
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.api_keys import KEYS, ApiKeys
from dashboard.api.route import ApiError, Data
from dashboard.data.services import DataService

MEDIA: Final = "text/event-stream"
POLL_S: Final = 0.5
HEARTBEAT_S: Final = 15.0
MAX_STREAMS: Final = 20
MAX_STREAMS_OF_ONE: Final = 3
MAX_BEHIND: Final = 5_000
"""Entries that are sent after a reconnection; who missed more is told to read the history."""
LastEventId = Annotated[
    int | None, Header(ge=0, le=2**53, description="Id of the last event received: those after it follow.")
]


class Streams:
    """The open streams by key or session."""

    def __init__(self) -> None:
        """Start with none."""
        self.open: collections.Counter[str] = collections.Counter()

    def enter(self, name: str) -> None:
        """Count a stream. Raises `ApiError` (429) if there are as many as allowed."""
        if self.open[name] >= MAX_STREAMS_OF_ONE or self.open.total() >= MAX_STREAMS:
            text = (
                f"At most {MAX_STREAMS_OF_ONE} event streams of one key or session and {MAX_STREAMS} in all are open."
            )
            raise ApiError(429, f"{text} Close one first.", kind="streams", Retry_After="10")
        self.open[name] += 1

    def leave(self, name: str) -> None:
        """Forget a stream."""
        self.open[name] -= 1
        if not self.open[name]:
            del self.open[name]


async def events(request: Request, data: Data, last_event_id: LastEventId = None) -> Response:
    """Stream what happens to alarms, as server-sent events; each `id` is the number of the entry in the journal.

    A comment every 15 s shows that the stream lives. It ends when the key is revoked or the session ends.
    """
    streams: Streams = request.app.state.streams
    visitor, keys = VISITOR.get(), KEYS.get()
    name = visitor.session or visitor.name
    streams.enter(name)
    try:
        last = last_event_id
        if last is None:
            last = (await asyncio.to_thread(journal_query.end_of, data.settings.data)).entries
    except BaseException:
        streams.leave(name)
        raise

    async def stream() -> AsyncIterator[bytes]:
        try:
            async for part in _stream(data, last, visitor, keys):
                yield part
        finally:
            streams.leave(name)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), headers=headers, media_type=MEDIA)


async def _stream(data: DataService, last: int, visitor: Visitor, keys: ApiKeys | None) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n: connected\n\n"
    silent_s = 0.0
    while keys is None or keys.is_valid(visitor):
        try:
            found = await asyncio.to_thread(alarm_entries.read, data.settings.data, last, MAX_BEHIND + 1)
        except sqlite3.Error:
            found = pl.DataFrame(schema=alarm_entries.SCHEMA)
        if found.height > MAX_BEHIND:
            text = f"More than {MAX_BEHIND} events were missed; read /api/v1/alarms/history. The newest follow."
            yield b"event: missed\ndata: " + orjson.dumps({"detail": text}) + b"\n\n"
            found = found.tail(MAX_BEHIND)
        for row in found.iter_rows(named=True):
            last = row["id"]
            yield f"id: {last}\nevent: alarm\ndata: ".encode() + orjson.dumps(row) + b"\n\n"
        silent_s = 0.0 if found.height else silent_s + POLL_S
        if silent_s >= HEARTBEAT_S:
            silent_s = 0.0
            yield b": heartbeat\n\n"
        await asyncio.sleep(POLL_S)
    yield b'event: end\ndata: {"detail":"The key was revoked or the session ended."}\n\n'
