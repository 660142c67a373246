"""Installation: one processor per data directory, and its MQTT client id, kept there so that its session resumes."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broker.store import durable_write, file_lock, journal_file
from processor.service.settings import ProcessorError

FILE: Final = "client-id"
EARLIER_ID: Final = "pumpwatch-processor"
"""The id of all processors of earlier versions. Their data directories keep it: the broker's queue for them is read."""
ALLOWED: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def client_id(data: Path) -> str:
    """Return the id of this installation; it is made at its first start. Raises `ProcessorError` if it is not valid."""
    path = data / FILE
    if not path.exists():
        _write(path, EARLIER_ID if (data / journal_file.FILE).exists() else _new_id())
    text = path.read_text("utf-8", errors="replace").strip()
    if not ALLOWED.fullmatch(text):
        raise ProcessorError(
            f"{path} contains {text[:80]!r}; allowed are 1 to 64 letters, digits, - and _. "
            "Remove the file to get a new id; messages that the broker queued for the old one are then not read"
        )
    return text


def make_client_id(data: Path) -> None:
    """Give a data directory that was restored an id of its own: the system that it came from may still run."""
    _write(data / FILE, _new_id())


def _new_id() -> str:
    return f"{EARLIER_ID}-{secrets.token_hex(6)}"


def _write(path: Path, name: str) -> None:
    durable_write.replace(path, lambda aside: aside.write_text(f"{name}\n", "utf-8"))


@contextlib.contextmanager
def exclusive(data: Path) -> Iterator[None]:
    """Lock the data directory; a second processor on it is refused."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock.hold(data / "processor.lock"))
        except file_lock.LockedError:
            raise ProcessorError(
                f"another processor uses {data}; stop it, or give this one a directory of its own with --data"
            ) from None
        yield
