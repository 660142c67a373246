"""Answers of the API: JSON with an entity tag, and work that takes long, in a bounded number of threads."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

import orjson
import polars as pl
from fastapi import Request, Response

from broker.store.snapshot import Snapshot
from dashboard.api.route import ApiError

MAX_AT_ONCE: Final = 2
"""Requests whose data are being read: the pages need the processor too."""
MAX_WAITING: Final = 16
T = TypeVar("T")


class Heavy:
    """Runs what takes long in threads: `MAX_AT_ONCE` at a time, `MAX_WAITING` wait, more are refused."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of `work`, as the visitor of this request. Raises `ApiError` (503) if too much waits."""
        if self._waiting >= MAX_WAITING:
            text = f"{MAX_WAITING} requests are waiting already; try again in a second."
            raise ApiError(503, text, kind="busy", Retry_After="1")
        self._waiting += 1
        try:
            return await self.go_on(work)
        finally:
            self._waiting -= 1

    async def go_on(self, work: Callable[[], T]) -> T:
        """Return the result of `work` for a request that has begun its answer: it waits however much waits."""
        async with self._slots:
            return await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, work)


async def heavy(request: Request, work: Callable[[], T]) -> T:
    """Run `work` by the `Heavy` of the application."""
    found: Heavy = request.app.state.heavy
    return await found.run(work)


def snapshot_tag(request: Request, snapshot: Snapshot) -> str:
    """Return the entity tag of what a snapshot answers to a request: a later snapshot has another."""
    return tag_of(f"{snapshot.health.started} {snapshot.version} {snapshot.health.written} {request.url}".encode())


def tag_of(content: bytes) -> str:
    """Return a weak entity tag."""
    return f'W/"{hashlib.sha256(content).hexdigest()[:20]}"'


def unchanged(request: Request, tag: str) -> Response | None:
    """Return the answer to a client that has this version already, None if it does not."""
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers={"ETag": tag, **CACHE}) if tag in known or "*" in known else None


CACHE: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie, Accept"}


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON objects; numbers have the digits that they were kept with, not those of a conversion."""
    single = [name for name, dtype in frame.schema.items() if dtype == pl.Float32]
    return frame.with_columns(pl.col(single).cast(pl.Float64).round_sig_figs(7)).to_dicts()


def json_answer(content: Any, *, tag: str = "", status: int = 200, **headers: str) -> Response:
    """Return JSON; with a `tag`, clients may ask whether it changed."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    caching = {"ETag": tag, **CACHE} if tag else {"Cache-Control": "no-store"}
    return Response(body, status, {**caching, **named}, "application/json")


def from_snapshot(request: Request, snapshot: Snapshot, content: Callable[[], Any]) -> Response:
    """Return JSON made of a snapshot, or that it has not changed."""
    tag = snapshot_tag(request, snapshot)
    return unchanged(request, tag) or json_answer(content(), tag=tag)


def constant(request: Request, content: Any) -> Response:
    """Return JSON that seldom changes, with a tag of its content, or that it has not changed."""
    tag = tag_of(orjson.dumps(content))
    return unchanged(request, tag) or json_answer(content, tag=tag)
