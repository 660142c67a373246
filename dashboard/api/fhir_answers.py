"""Answers below /fhir: resources as application/fhir+json, errors as OperationOutcome."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import Request, Response

from broker.interop.capability import PARAMETERS, outcome
from broker.interop.coding import Resource
from dashboard.access.problems import API, problem
from dashboard.access.proxies import path_of
from dashboard.api.answers import CACHE, tag_of, unchanged
from dashboard.api.route import VERSION, ApiError

MEDIA: Final = "application/fhir+json"
PATH: Final = f"{VERSION}/fhir"
COMMON: Final = ("_count", "cursor", "_format")
_ISSUES: Final = {
    400: "invalid",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    429: "throttled",
    500: "exception",
    503: "transient",
}
"""Types of issues by status; any other is "processing"."""


def base_of(request: Request) -> str:
    """Return the address of the FHIR endpoint as its client reaches it."""
    return f"{request.url.scheme}://{request.url.netloc}{path_of(API)}{PATH}"


def answer(request: Request, content: Resource) -> Response:
    """Return a resource or Bundle, or that it has not changed."""
    body = msgspec.json.encode(content)
    tag = tag_of(body)
    return unchanged(request, tag) or Response(body, headers={"ETag": tag, **CACHE}, media_type=MEDIA)


def ignored(request: Request, kind: str) -> Resource | None:
    """Return an OperationOutcome that names unknown search parameters, None if there are none.

    Raises `ApiError` (400) if the client asks to handle them strictly.
    """
    known = {*PARAMETERS[kind], *COMMON}
    unknown = sorted({name[:80] for name in request.query_params if name not in known})
    if not unknown:
        return None
    text = f"{kind} has no search parameter {', '.join(unknown[:10])}; it has {', '.join(sorted(known))}."
    if "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower():
        raise ApiError(400, text, kind="bad-parameter")
    return outcome("warning", "not-supported", f"{text} It was ignored.")


def error(
    request: Request, status: int, detail: str, *, kind: str = "", headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Return an error of the API: an OperationOutcome below /fhir, else problem details."""
    if not request.scope["path"].removeprefix(API).startswith(f"{PATH}/"):
        return problem(status, detail, kind=kind, headers=headers, **members)
    issue = _ISSUES.get(status, "processing")
    body = msgspec.json.encode(outcome("error", issue, detail))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA)
