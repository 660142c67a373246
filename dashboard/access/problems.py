"""Answers of the HTTP API that are errors: problem details (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

API: Final = "/api"
MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:pumpwatch:problem:"
"""Prefix of the `type` of problems that a program may want to tell apart; all others are "about:blank"."""
CHALLENGE: Final = 'Bearer realm="Pumpwatch API"'
"""Value of `WWW-Authenticate` (RFC 6750)."""


def is_api(path: str) -> bool:
    """Return whether a path, without the root path, is of the HTTP API."""
    return path == API or path.startswith(f"{API}/")


def problem(
    status: int, detail: str, *, kind: str = "", headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Return a problem: `detail` is a sentence for people, `kind` names the problem for programs.

    `members` are further members of the object. Nothing keeps it in a cache.
    """
    content = {
        "type": f"{TYPE}{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, headers={"Cache-Control": "no-store", **(headers or {})}, media_type=MEDIA_TYPE)


def unauthorized(detail: str, *, kind: str = "") -> Response:
    """Return the problem of a request without valid credentials; the header says which are accepted."""
    error = ', error="invalid_token"' if kind else ""
    return problem(401, detail, kind=kind, headers={"WWW-Authenticate": CHALLENGE + error})
