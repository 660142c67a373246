"""Reference of the HTTP API: the OpenAPI document, and the same as a page."""

from __future__ import annotations

import json
from typing import Any

from pumpwatch.documentation.markdown import code, page, sentence, table


def openapi_document() -> str:
    """Return the OpenAPI document."""
    return json.dumps(_document(), indent=1, ensure_ascii=False) + "\n"


def http_api_page() -> str:
    """Return the reference of the routes."""
    found = _document()
    sections = [
        f"## {method.upper()} {path}\n\n{operation['description']}\n\n{_parameters(operation)}".rstrip()
        for path, operations in found["paths"].items()
        for method, operation in operations.items()
    ]
    return page(
        "HTTP API",
        f"Routes below `/api/v1` of the dashboard. {sentence(found['info']['description'])} The same as OpenAPI 3.1: "
        "[openapi.json](openapi.json), also served at `/api/v1/openapi.json`. [How to use it](../api.md).",
        *sections,
    )


def _parameters(operation: dict[str, Any]) -> str:
    from dashboard.api.reference_page import allowed

    rows = [
        (code(one["name"]), one["in"], allowed(one["schema"]), one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    return table(("parameter", "in", "allowed", "meaning"), rows) if rows else ""


def _document() -> dict[str, Any]:
    from dashboard.api.documents import document
    from dashboard.api.table import ROUTES

    return document(ROUTES)
