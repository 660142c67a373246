"""Calendar feeds: secret addresses by which calendar programs, which cannot sign in, read what is due."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from broker.store import secret_files
from dashboard.access.accounts import VISITOR, AccessError, locked
from dashboard.access.sessions import SHARED_KEY, SessionStore

FILE: Final = "calendar-feeds.json"
FORMAT: Final = 1
MAX_FEEDS: Final = 1_000
MAX_PER_PERSON: Final = 5
PATH: Final = re.compile(r"/feed/refills/([A-Za-z0-9_-]{43})\.ics")
"""Path of a feed; the part in parentheses is its token."""
READS: Final = RateLimitItemPerHour(60, namespace="feed")
"""Reads of one feed; calendar programs read every 15 minutes at most."""
GUESSES: Final = RateLimitItemPerMinute(60, namespace="unknown feed")
"""Reads of feeds that do not exist, from all addresses together."""
DAY_MS: Final = 86_400_000


class Feed(msgspec.Struct, frozen=True):
    """A feed of a person (`name`; empty: of the shared key): the digest of its token, and when it was made (wall ms).

    It is valid as long as the sessions of that `generation` would be.
    """

    id: str
    name: str
    digest: str
    generation: str
    created: int


class _File(msgspec.Struct):
    format: int = FORMAT
    feeds: Annotated[list[Feed], msgspec.Meta(max_length=MAX_FEEDS)] = []


@dataclass(frozen=True)
class Reading:
    """Answer to a request for a feed: the person, "" if there is no such feed; whether it comes too often.

    `first` says that it is the first read in a day, which the audit trail records.
    """

    name: str = ""
    busy: bool = False
    first: bool = False


class Feeds:
    """The feeds of a dashboard, kept in the directory of secrets; tokens are kept as digests only."""

    def __init__(self, data: Path, store: SessionStore, now: Callable[[], int]) -> None:
        """Use accounts and shared key of `store`; `now` returns wall ms."""
        self._data, self._store, self._now = data, store, now
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._read_at: dict[str, int] = {}

    async def make(self) -> str:
        """Make a feed for the visitor and return its token, which is not kept.

        Raises `AccessError` if the visitor has enough, or none is possible, and `OSError`.
        """
        name, generation = self._person()
        token = secrets.token_urlsafe(32)
        feed = Feed(secrets.token_hex(8), name, _digest(token), generation, self._now())
        await asyncio.to_thread(self._add, feed)
        return token

    async def revoke(self, feed_id: str) -> bool:
        """End a feed of the visitor; return whether there was one. Raises `AccessError` or `OSError`."""
        name, _ = self._person()

        def end() -> bool:
            with locked(self._data):
                known = self._all()
                kept = [feed for feed in known if feed.id != feed_id or feed.name != name]
                if len(kept) < len(known):
                    self._write(kept)
                return len(kept) < len(known)

        return await asyncio.to_thread(end)

    def own(self) -> list[Feed]:
        """Return the valid feeds of the visitor, the newest first. Raises `AccessError`."""
        name, _ = self._person()
        return [feed for feed in reversed(self._all()) if feed.name == name and self._is_valid(feed)]

    def read(self, token: str) -> Reading:
        """Return whose feed a token opens, and count the reading. Raises `AccessError` if feeds cannot be read."""
        digest = _digest(token)
        feed = next((one for one in self._all() if hmac.compare_digest(one.digest, digest)), None)
        if feed is None or not self._is_valid(feed):
            return Reading(busy=not self._limiter.hit(GUESSES))
        if not self._limiter.hit(READS, feed.id):
            return Reading(busy=True)
        now, known = self._now(), self._read_at.get(feed.id, 0)
        first = not 0 <= now - known < DAY_MS
        if first:
            self._read_at = {one: at for one, at in self._read_at.items() if 0 <= now - at < DAY_MS}
            self._read_at[feed.id] = now
        return Reading(feed.name or SHARED_KEY.name, first=first)

    def _person(self) -> tuple[str, str]:
        """Return name and generation of the visitor. Raises `AccessError` if the visitor can have no feed."""
        visitor = VISITOR.get()
        if visitor.name == SHARED_KEY.name and self._store.by_key():
            return "", self._store.generation("")
        if visitor.name not in self._store.accounts():
            raise AccessError(
                "accounts of an identity provider cannot have a calendar feed, because Pumpwatch does not learn when "
                "they are closed; download the calendar instead"
            )
        return visitor.name, self._store.generation(visitor.name)

    def _is_valid(self, feed: Feed) -> bool:
        if not feed.name:
            return self._store.by_key() and hmac.compare_digest(feed.generation, self._store.generation(""))
        account = self._store.accounts().get(feed.name)
        return account is not None and not account.disabled and feed.generation == self._store.generation(feed.name)

    def _add(self, feed: Feed) -> None:
        with locked(self._data):
            known = [one for one in self._all() if self._is_valid(one)]
            if sum(one.name == feed.name for one in known) >= MAX_PER_PERSON:
                raise AccessError(f"you have {MAX_PER_PERSON} calendar feeds, which is the limit; revoke one first")
            if len(known) >= MAX_FEEDS:
                raise AccessError(f"there are {MAX_FEEDS:,} calendar feeds, which is the limit; revoke one first")
            self._write([*known, feed])

    def _all(self) -> list[Feed]:
        path = secret_files.path(self._data) / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=_File).feeds
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise AccessError(f"{path} cannot be read ({error}); remove it, then create the feeds again") from error

    def _write(self, feeds: list[Feed]) -> None:
        secret_files.write(secret_files.directory(self._data) / FILE, msgspec.json.encode(_File(feeds=feeds)))


FEEDS: Final[ContextVar[Feeds | None]] = ContextVar("feeds", default=None)
"""Set for each request by the access middleware, also for those of feeds."""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
