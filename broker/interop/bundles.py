"""FHIR Bundle: search results in pages, and collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from broker.interop.coding import Resource, instant


def searchset(
    resources: Sequence[Resource], *, base: str, links: dict[str, str], total: int | None, at: int, outcome: Any = None
) -> Resource:
    """Return a page of search results; `links` are URLs by relation (self, next), `at` is wall ms.

    `total` counts all matches (None: unknown); an `outcome` says what was ignored.
    """
    entries: list[Resource] = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in resources
    ]
    if outcome is not None:
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "timestamp": instant(at),
        **({} if total is None else {"total": total}),
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
        **({"entry": entries} if entries else {}),
    }
