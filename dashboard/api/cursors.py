"""Cursors: where the next page of a list begins, as text that describes itself, so that the server keeps nothing.

A cursor names the last row by the values that the list is sorted by. It never expires: one from yesterday continues
after the same place in the list of today.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query

from dashboard.api.route import ApiError

MAX_LENGTH: Final = 400
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_LENGTH, description="`next` of the page before; only with the same filters and sort order."),
]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows of a page.")]


class _Content(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    query: Annotated[str, msgspec.Meta(max_length=16)]
    value: str | float | None
    name: Annotated[str, msgspec.Meta(max_length=200)]


def cursor_of(query: object, value: Any, name: str) -> str:
    """Return the cursor after the row of this sort value and name, of a list that was asked for by `query`."""
    content = msgspec.json.encode(_Content(_digest(query), value, name))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def place_of(query: object, cursor: str) -> tuple[Any, str]:
    """Return sort value and name of the row that a cursor comes after. Raises `ApiError` (400)."""
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = msgspec.json.decode(content, type=_Content)
    except (binascii.Error, ValueError, msgspec.DecodeError, UnicodeError) as error:
        text = "This cursor is not one of this API; use `next` of a page, or leave it out to begin at the first page."
        raise ApiError(400, text, kind="bad-cursor") from error
    if found.query != _digest(query):
        text = "This cursor is of a list with other filters or another sort order; use the same, or leave it out."
        raise ApiError(400, text, kind="other-cursor")
    return found.value, found.name


def _digest(query: object) -> str:
    return hashlib.sha256(repr(query).encode()).hexdigest()[:12]
