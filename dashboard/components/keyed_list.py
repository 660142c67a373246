"""List whose rows the browser keeps by key and fetches as changes (`assets/keyed-list.js`, `assets/row-store.js`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
from dash import Dash, html
from fastapi import Response

from broker.display.printable import printable
from dashboard.components import client_script, push
from dashboard.components.elements import Component


def box(name: str, title: str, path: str, **data: Any) -> Component:
    """Return the element that a script fills with the rows of `path`; `data` are values for the script."""
    values: dict[str, Any] = {f"data-{key}": json.dumps(value) for key, value in {"path": path, **data}.items()}
    return html.Div(id=name, className="keyed-list", role="list", **values, **client_script.label(title))


def serve(app: Dash, path: str, changes: Callable[[int, int], dict[str, Any]]) -> None:
    """Serve a feed's changes by push and, for pages that poll, at `path`.

    `changes` gets the run and the cursor that a browser has.
    """
    push.feeds_of(app)[path] = changes

    @app.server.post(path)  # type: ignore[untyped-decorator]
    async def since(run: int = 0, cursor: int = 0) -> Response:
        known = 0 <= cursor <= push.MAX_CURSOR
        answer = await asyncio.to_thread(changes, run if known else 0, cursor if known else 0)
        return Response(
            msgspec.json.encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"}
        )


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a feed's answer (`dashboard.data.row_feed`) with control characters escaped in all texts but the keys."""
    return {
        **answer,
        "rows": [[*row[:2], *map(_text, row[2:])] for row in answer["rows"]],
        "changed": [[row[0], *([at, _text(value)] for at, value in row[1:])] for row in answer["changed"]],
    }


def _text(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value
