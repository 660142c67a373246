"""Listener for those who watch a part: /metrics, /healthz and /readyz, on this machine only."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import h11

from broker.metrics.exposition import Exposition
from broker.metrics.readings import Vitals

HOST: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 20
"""Further ones are closed at once; a scrape takes some ms."""
MAX_REQUEST_BYTES: Final = 16 * 1024
TIMEOUT_S: Final = 5.0
"""Time for a request and its answer."""
OUR_NAME: Final = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Hosts that a request may name: with any other, a page on the Web could have a browser read what is here."""
PLAIN: Final = "text/plain; charset=utf-8"


class WatchError(Exception):
    """The listener cannot listen at its port; the text says what to do."""


class Answers:
    """Answers requests about one part, with its figures at that moment."""

    def __init__(self, vitals: Vitals) -> None:
        """Answer from `vitals`."""
        self._vitals, self._exposition = vitals, Exposition(vitals)

    def to(self, request: h11.Request, clock: float) -> tuple[int, str, bytes]:
        """Return status, content type and body; `clock` is monotonic, in s."""
        headers = dict(request.headers)
        path = request.target.partition(b"?")[0]
        if request.method not in (b"GET", b"HEAD"):
            return 405, PLAIN, b"Use GET.\n"
        if not OUR_NAME.fullmatch(headers.get(b"host", b"")):
            return 421, PLAIN, b"Ask for 127.0.0.1 or localhost.\n"
        if path == b"/metrics":
            body, kind = self._exposition.text(headers.get(b"accept", b"").decode("latin-1"))
            return 200, kind, body
        if path == b"/healthz":
            return _verdict(["stands_still"] if self._vitals.stands_still(clock) else [])
        if path == b"/readyz":
            return _verdict(self._vitals.problems())
        return 404, PLAIN, b"There are /metrics, /healthz and /readyz.\n"


def _verdict(problems: list[str]) -> tuple[int, str, bytes]:
    return (503, PLAIN, "".join(f"{code}\n" for code in problems).encode()) if problems else (200, PLAIN, b"ok\n")


@contextlib.asynccontextmanager
async def watched(vitals: Vitals, port: int | None) -> AsyncIterator[int | None]:
    """Serve at a port of this machine meanwhile, and return it; None serves nothing. Raises `WatchError`."""
    if port is None:
        yield None
        return
    answers, open_now = Answers(vitals), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now <= MAX_CONNECTIONS:
                with contextlib.suppress(TimeoutError, OSError, h11.RemoteProtocolError):
                    async with asyncio.timeout(TIMEOUT_S):
                        await _respond(answers, reader, writer)
        finally:
            open_now -= 1
            writer.close()

    try:
        server = await asyncio.start_server(serve, HOST, port, limit=MAX_REQUEST_BYTES)
    except OSError as error:
        raise WatchError(
            f"the metrics of the {vitals.part} cannot be served at {HOST}:{port}: {error.strerror or error}; choose "
            "another --metrics-port, or stop the process that uses this one"
        ) from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _respond(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, and end the connection."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_BYTES)
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(MAX_REQUEST_BYTES))
    if not isinstance(event, h11.Request):
        return
    status, kind, body = answers.to(event, time.monotonic())
    response = h11.Response(
        status_code=status,
        reason=HTTPStatus(status).phrase,
        headers=[
            ("content-type", kind),
            ("content-length", str(len(body))),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ],
    )
    parts = [connection.send(response)]
    parts += [] if event.method == b"HEAD" else [connection.send(h11.Data(data=body))]
    parts += [connection.send(h11.EndOfMessage())]
    writer.write(b"".join(part for part in parts if part))
    await writer.drain()
