"""Secrets of the configuration of notifications: put out of sight for editing, and back in when it is saved.

A secret is shown as "(kept 3)". It can stay where it is or be replaced; nobody can read it or move it elsewhere.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from broker.contract.notification_fields import ConfigError

SECRET_FIELDS: Final = ("url", "webhook", "secret")
KEPT: Final = re.compile(r"\(kept \d{1,4}\)")
UNHIDEABLE: Final = (
    "it cannot be edited here, because a secret is written in a way that cannot be hidden; write each address and "
    'secret as one "text" on a line of its own'
)

Place = tuple[str, str]
"""Name of a service (empty: the watchdog) and a field."""


def hidden(text: str) -> str:
    """Return the text of a configuration with its secrets as "(kept 1)" and so on.

    Raises `ConfigError` if it is no TOML, or has a secret that cannot be hidden.
    """
    known = _secrets(_tables(text))
    marks = _marks(known)
    shown = text
    for value in sorted(marks, key=len, reverse=True):
        for literal in (json.dumps(value, ensure_ascii=False), f"'{value}'"):
            shown = shown.replace(literal, f'"{marks[value]}"')
    if KEPT.search(text) or _secrets(_tables(shown)) != {place: marks[value] for place, value in known.items()}:
        raise ConfigError(UNHIDEABLE)
    if any(len(value) >= len("(kept 1)") and value in shown for value in marks):
        raise ConfigError(UNHIDEABLE)
    return shown


def restored(edited: str, current: str) -> str:
    """Return an edited text with the secrets of the current one where it keeps them.

    Raises `ConfigError` if it is no TOML, or keeps a secret that was not in this place.
    """
    known = _secrets(_tables(current))
    marks = _marks(known)
    tables = _tables(edited)
    kept = {place: value for place, value in _secrets(tables).items() if KEPT.search(value)}
    for (service, field), mark in kept.items():
        if mark != marks.get(known.get((service, field), "")):
            owner = f"service {service!r}" if service else "the watchdog"
            raise ConfigError(f"{owner} keeps {mark[:40]!r} as {field}, which was not there before; write it anew")
    if sum(map(len, map(KEPT.findall, _texts(tables)))) != len(kept):
        raise ConfigError('"(kept …)" stands in a place that had no secret; write what belongs there')
    fresh = edited
    for value, mark in marks.items():
        for literal in (f'"{mark}"', f"'{mark}'"):
            fresh = fresh.replace(literal, json.dumps(value, ensure_ascii=False))
    expected = {place: known[place] if place in kept else value for place, value in _secrets(tables).items()}
    if _secrets(_tables(fresh)) != expected:
        raise ConfigError('a kept secret is not written as one "text" on a line of its own')
    return fresh


def _tables(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"it is not valid TOML: {error}") from error


def _secrets(tables: dict[str, Any]) -> dict[Place, str]:
    """Return the secrets by place; of two services with one name, which no configuration may have, the last."""
    found: dict[Place, str] = {}
    services = tables.get("service")
    for table in services if isinstance(services, list) else []:
        for field in SECRET_FIELDS:
            if isinstance(table, dict) and isinstance(value := table.get(field), str) and value:
                found[str(table.get("name")), field] = value
    watchdog = tables.get("watchdog")
    if isinstance(watchdog, dict) and isinstance(value := watchdog.get("url"), str) and value:
        found["", "url"] = value
    return found


def _marks(known: dict[Place, str]) -> dict[str, str]:
    return {value: f"(kept {number})" for number, value in enumerate(dict.fromkeys(known.values()), start=1)}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a table, keys included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
