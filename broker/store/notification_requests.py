"""What people ask of the notifier on a page: to send a test, to try a dead letter again, to discard it.

Each request is a file in the data directory; the notifier carries it out and puts its answer beside it.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from broker.contract.ranges import Label, Text, TimeMs
from broker.store import secret_files

DIRECTORY: Final = "notifications.requests"
MAX_REQUESTS: Final = 50
"""Requests that wait."""
MAX_BYTES: Final = 8_192
LASTS_MS: Final = 60_000
"""A request that is older is not carried out: who asked has gone."""
_REQUEST: Final = ".request.json"
_ANSWER: Final = ".answer.json"


class RequestError(Exception):
    """A request cannot be made; the text says why and what to do."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What `who` asks at the wall time `at`: `about` is the name of a service (test) or the key of a delivery."""

    kind: Literal["test", "retry", "discard"]
    about: Annotated[Label, msgspec.Meta(min_length=1)]
    who: Label
    at: TimeMs


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    ok: bool
    text: Text


def ask(data: Path, request: Request) -> str:
    """Write a request and return its name. Raises `RequestError` if too many wait, `OSError`."""
    directory = data / DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if len(list(directory.glob(f"*{_REQUEST}"))) >= MAX_REQUESTS:
        raise RequestError(f"{MAX_REQUESTS} requests wait for the notifier; is it running?")
    name = uuid.uuid4().hex
    secret_files.write(directory / f"{name}{_REQUEST}", msgspec.json.encode(request))
    return name


def answer_of(data: Path, name: str) -> Answer | None:
    """Return and remove the answer to a request; None if there is none yet."""
    path = data / DIRECTORY / f"{name}{_ANSWER}"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Answer)
    except (OSError, msgspec.DecodeError):
        return None
    path.unlink(missing_ok=True)
    return found


def withdraw(data: Path, name: str) -> bool:
    """Remove a request that nobody has begun; return whether it was still there."""
    try:
        (data / DIRECTORY / f"{name}{_REQUEST}").unlink()
    except OSError:
        return False
    return True


def taken(data: Path, now: int) -> Iterator[tuple[str, Request]]:
    """Yield the requests that wait, with their names, each removed before it is yielded; old ones are only removed.

    So none is carried out twice; one during which the notifier ends is lost, and its page says that nobody answered.
    """
    directory = data / DIRECTORY
    for path in sorted(directory.glob(f"*{_REQUEST}"))[:MAX_REQUESTS]:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            content = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
            path.unlink()
            request = msgspec.json.decode(content, type=Request)
            if abs(now - request.at) <= LASTS_MS:
                yield path.name.removesuffix(_REQUEST), request


def answer(data: Path, name: str, found: Answer) -> None:
    """Answer a request, and remove answers that nobody read. Raises `OSError`."""
    directory = data / DIRECTORY
    for path in sorted(directory.glob(f"*{_ANSWER}"), key=lambda one: one.stat().st_mtime_ns)[:-MAX_REQUESTS]:
        path.unlink(missing_ok=True)
    secret_files.write(directory / f"{name}{_ANSWER}", msgspec.json.encode(found))
