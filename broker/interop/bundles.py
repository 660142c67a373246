"""FHIR Bundle: search results in pages, and collections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from broker.interop.coding import BASE, Resource, instant


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


def collection_text(resources: Iterable[Resource], at: int) -> Iterator[str]:
    """Yield the JSON of a collection piece by piece, so that its size is not limited by memory; `at` is wall ms."""
    yield f'{{"resourceType":"Bundle","type":"collection","timestamp":"{instant(at)}"'
    comma = ',"entry":[\n'
    for one in resources:
        entry = {"fullUrl": f"{BASE}/{one['resourceType']}/{one['id']}", "resource": one}
        yield comma + msgspec.json.encode(entry).decode()
        comma = ",\n"
    yield "}\n" if comma.startswith(',"') else "\n]}\n"


def ndjson_text(resources: Iterable[Resource]) -> Iterator[str]:
    """Yield each resource as one line of JSON."""
    for one in resources:
        yield msgspec.json.encode(one).decode() + "\n"
