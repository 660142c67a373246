"""Answers of searches below /fhir page by page, and of reads of one resource."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response

from broker.interop import bundles
from broker.interop.coding import Resource
from broker.store.snapshot import Snapshot
from dashboard.api import fhir_answers, fhir_search
from dashboard.api.answers import heavy
from dashboard.api.cursors import cursor_of, place_of
from dashboard.api.fhir_search import Found, Place
from dashboard.api.route import ApiError


@dataclass(frozen=True)
class Asked:
    """What a search asks for: type of resource, its parameters, resources of a page, and the cursor."""

    kind: str
    chosen: tuple[Any, ...]
    count: int
    cursor: str | None

    @property
    def after(self) -> str:
        """The place after which the page begins. Raises `ApiError` (400) for a cursor that does not belong."""
        return "" if self.cursor is None else place_of((self.kind, self.chosen), self.cursor)[1]


async def search(request: Request, snapshot: Snapshot, asked: Asked, find: Callable[[Place], Found]) -> Response:
    """Return a page of what `find` finds."""
    place = Place(asked.after, asked.count)
    outcome = fhir_answers.ignored(request, asked.kind)

    def content() -> tuple[list[Resource], str, int]:
        found = find(place)
        return *fhir_search.page(found, place), found.total

    resources, following, total = await heavy(request, content)
    bundle = bundles.searchset(
        resources,
        base=fhir_answers.base_of(request),
        links=page_links(request, asked, following),
        total=total,
        at=snapshot.health.written,
        outcome=outcome,
    )
    return fhir_answers.answer(request, bundle)


def page_links(request: Request, asked: Asked, following: str) -> dict[str, str]:
    """Return the addresses of this page and, if there is one, of the next."""
    address = f"{fhir_answers.base_of(request)}/{asked.kind}"
    found = {"self": address + (f"?{request.query_params}" if request.query_params else "")}
    if following:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        cursor = cursor_of((asked.kind, asked.chosen), None, following)
        found["next"] = f"{address}?{urlencode([*kept, ('cursor', cursor)])}"
    return found


def read(request: Request, kind: str, identity: str, found: Sequence[Resource]) -> Response:
    """Return the resource with this logical id. Raises `ApiError` (404) if it was not found."""
    for resource in found:
        if resource["id"] == identity:
            return fhir_answers.answer(request, resource)
    raise ApiError(404, f"There is no {kind}/{identity}.", kind="no-resource")
