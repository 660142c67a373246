"""Sends one message to a service: a webhook by HTTP, anything else by apprise in a thread."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

from broker.contract.notification_routes import Service
from notifier import signing
from notifier.desk import Outgoing

MAX_REASON: Final = 200
_NOWHERE: Final = logging.NullHandler()
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


class SendError(Exception):
    """A service did not accept a message; the text says why, without secrets."""


@dataclass
class Sender:
    """Sends to one service; at most one attempt is under way, even one that was given up waiting for."""

    service: Service
    wall_ms: Callable[[], int]
    _pool: ThreadPoolExecutor = field(init=False)
    _hanging: asyncio.Future[None] | None = None

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"notify {self.service.name}")

    async def send(self, outgoing: Outgoing) -> None:
        """Send a message within the service's time limit; raises `SendError`."""
        try:
            if self.service.webhook:
                async with asyncio.timeout(self.service.timeout_s):
                    await post(self.service, outgoing, self.wall_ms())
            else:
                await self._by_apprise(outgoing)
        except TimeoutError as error:
            raise SendError(f"no answer within {self.service.timeout_s:g} s") from error

    async def _by_apprise(self, outgoing: Outgoing) -> None:
        if self._hanging is not None and not self._hanging.done():
            raise SendError("an earlier attempt still hangs")
        loop = asyncio.get_running_loop()
        self._hanging = loop.run_in_executor(self._pool, notify, self.service, outgoing)
        # Nobody waits any more for one that hangs, and fails in the end.
        self._hanging.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.wait_for(asyncio.shield(self._hanging), self.service.timeout_s)

    def close(self) -> None:
        """Let go of the thread, without waiting for an attempt that hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def post(service: Service, outgoing: Outgoing, now: int) -> None:
    """Send a message to a webhook as signed JSON; a redirect is not followed. Raises `SendError` or `TimeoutError`."""
    body = msgspec.json.encode(outgoing.event)
    await request("POST", service.webhook, body, signing.headers(service.secret, body, outgoing.key, now))


async def request(method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
    """Send a request; raises `SendError`, which never quotes the address, unless it is answered with success."""
    # Imported only if it is used: the import takes a quarter of a second.
    import httpx2  # noqa: PLC0415

    # It logs each URL.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=None) as client:
            given = {**(headers or {}), "Connection": "close"}
            async with client.stream(method, url, content=body, headers=given) as answer:
                status, success = answer.status_code, answer.is_success
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SendError(without_addresses(str(error) or type(error).__name__)) from error
    if not success:
        raise SendError(f"answered with status {status}")


def notify(service: Service, outgoing: Outgoing) -> None:
    """Send a message by apprise, blocking; raises `SendError`."""
    import apprise  # noqa: PLC0415

    _quieten()
    target = apprise.Apprise()
    if not target.add(service.url):
        raise SendError("apprise cannot use its address; try it with: pumpwatch notifications check")
    try:
        result = target.notify(
            body=plain(outgoing.text.body),
            title=plain(outgoing.text.title),
            notify_type=apprise.NotifyType.WARNING,
            body_format=apprise.NotifyFormat.TEXT,
            interpret_escapes=False,
            timeout=service.timeout_s,
            log_level=logging.WARNING,
        )
    except Exception as error:
        # A plugin for one of many services may raise anything.
        raise SendError(without_addresses(f"{type(error).__name__}: {error}")) from error
    if not result:
        complaints = "; ".join(str(entry.message) for entry in result.logs())
        raise SendError(without_addresses(complaints) or "it was not accepted; apprise gives no reason")


def plain(text: str) -> str:
    """Return a text without characters that chat services read as markup or as mention of everybody."""
    return text.translate({ord("<"): "‹", ord(">"): "›"}).replace("@", "@\u2060")


def accepts(url: str) -> bool:
    """Return whether apprise can read an address."""
    import apprise  # noqa: PLC0415

    _quieten()
    return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None


def _quieten() -> None:
    """Keep the log of apprise, which names addresses, out of ours; its results have what went wrong."""
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.WARNING)
    logger.addHandler(_NOWHERE)
    logger.propagate = False


def without_addresses(text: str) -> str:
    """Return a reason without URLs, whose paths and passwords may be secrets."""
    return _ADDRESS.sub(_host, text)[:MAX_REASON]


def _host(found: re.Match[str]) -> str:
    try:
        host = urlsplit(found[0]).hostname
    except ValueError:
        host = None
    return f"({host or 'address not shown'})"
