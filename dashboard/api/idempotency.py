"""Idempotency keys: an action that is sent twice is applied once, and answered twice alike."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import orjson
from fastapi import Header, Request

from dashboard.access.accounts import VISITOR
from dashboard.api.route import ApiError

MAX_KNOWN: Final = 1_000
"""Answers kept; beyond them the oldest is forgotten, and the processor still knows the action's id."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=80,
        pattern=r"^[!-~]+$",
        description="Your name for this request: sent again with the same name and body, it is applied once.",
    ),
]


class Answered:
    """The latest answers by visitor and key, in memory."""

    def __init__(self) -> None:
        """Start with none."""
        self._known: dict[str, tuple[str, asyncio.Future[Any]]] = {}

    async def once(self, request: Request, key: str | None, body: Any, act: Callable[[str], Awaitable[Any]]) -> Any:
        """Return the result of `act`, called with the id for the action, or what it returned the first time.

        Raises `ApiError` if the key was used for another request. What fails is not kept.
        """
        if key is None:
            return await act(request_id(None))
        name = request_id(key)
        digest = hashlib.sha256(orjson.dumps([request.method, request.scope["path"], body])).hexdigest()
        known = self._known.get(name)
        if known is not None:
            if known[0] != digest:
                raise ApiError(422, "This Idempotency-Key was used for another request; choose another.", kind="reused")
            return await asyncio.shield(known[1])
        answer: asyncio.Future[Any] = asyncio.ensure_future(act(name))
        self._known[name] = (digest, answer)
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        answer.add_done_callback(lambda done: self._forget(name, done))
        return await asyncio.shield(answer)

    def _forget(self, name: str, answer: asyncio.Future[Any]) -> None:
        """Forget what failed, also if its client is gone, so that it can be tried again."""
        known = self._known.get(name)
        if (answer.cancelled() or answer.exception()) and known is not None and known[1] is answer:
            del self._known[name]


def request_id(key: str | None) -> str:
    """Return the id of an action: the same for the same visitor and key."""
    if key is None:
        return uuid.uuid4().hex
    visitor = VISITOR.get()
    return hashlib.sha256(f"{visitor.name}\n{visitor.session}\n{key}".encode()).hexdigest()[:32]
