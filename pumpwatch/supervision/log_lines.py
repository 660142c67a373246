"""JSON lines of the log: one object a line, with time, level, part, event, ids and message."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from broker.contract.log_events import EVENT, IDS
from broker.display.printable import ascii_json

MAX_TEXT: Final = 8_000
"""Characters of a message or a traceback."""
FIELDS: Final = ("time", "level", "part", "event", "message")
"""Every line has these; ids and `error`, the traceback, may come with them."""


def line_of(record: logging.LogRecord, part: str) -> str:
    """Return a record as one line of JSON in ASCII, without its end; the line of another part stays as it is."""
    message = record.getMessage().rstrip()
    if hasattr(record, "part") and (found := read(message)) is not None:
        return ascii_json(json.dumps(found))
    ids = getattr(record, IDS, {})
    content = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "part": getattr(record, "part", part),
        "event": getattr(record, EVENT, f"{record.module}.{record.funcName}"),
        **{name: str(value)[:MAX_TEXT] for name, value in ids.items()},
        "message": message[:MAX_TEXT],
    }
    if record.exc_info:
        content["error"] = logging.Formatter().formatException(record.exc_info)[-MAX_TEXT:]
    return ascii_json(json.dumps(content))


def read(line: str) -> dict[str, Any] | None:
    """Return the content of a line that `line_of` made, None for any other."""
    if not line.startswith('{"time"'):
        return None
    try:
        content = msgspec.json.decode(line.encode(), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return content if set(FIELDS) <= set(content) else None


def text_of(line: str) -> str:
    """Return the message of a line of JSON, and any other line as it is."""
    content = read(line)
    return line if content is None else str(content["message"])
