"""Route of the rows of the pump list that are in view: what a page shows of them goes on without a callback of Dash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from dash import Dash
from fastapi import Request, Response

PATH: Final = "/rows/pumps"
MAX_ROWS: Final = 200
"""Rows of one answer: more than any screen shows."""
Texts = dict[str, str]


class Asked(msgspec.Struct):
    """Rows in view, from `first` up to before `last`, in a list narrowed down by a search and filters, and sorted.

    `sort` has a column (`colId`) and a direction (`sort`) each, the main one first.
    """

    first: int
    last: int
    sort: list[Texts]
    search: str
    filters: Texts

    def request(self) -> dict[str, Any]:
        """Return what `dashboard.data.pump_search.page` takes."""
        first = max(0, self.first)
        return {"startRow": first, "endRow": min(self.last, first + MAX_ROWS), "sortModel": self.sort}


def serve(app: Dash, answer: Callable[[Asked], dict[str, Any]]) -> None:
    """Answer at `PATH` with what `answer` returns; a request that cannot be read gets status 400 and the reason."""

    @app.server.post(PATH)  # type: ignore[untyped-decorator]
    async def rows(request: Request) -> Response:
        try:
            asked = msgspec.json.decode(await request.body(), type=Asked)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Response(f"The request cannot be read: {error}", 400)
        found = msgspec.json.encode(await asyncio.to_thread(answer, asked))
        return Response(found, media_type="application/json", headers={"Cache-Control": "no-store"})
