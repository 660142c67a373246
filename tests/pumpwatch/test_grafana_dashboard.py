"""The dashboard for Grafana, read with its own models: no member that they do not know, and values of their types."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

FILE = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "pumpwatch.json"


def lost(given: Any, kept: Any, place: str) -> Iterator[str]:
    """Yield what is not the same once the models read it and wrote it."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from lost(value, kept.get(name), f"{place}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif given != kept:
        yield f"{place}: {given!r} became {kept!r}"


def wrong(model: Any, place: str) -> Iterator[str]:
    """Yield the values below a model that are not of the type that it declares."""
    if isinstance(model, list):
        for number, one in enumerate(model):
            yield from wrong(one, f"{place}[{number}]")
    elif type(model).__module__.startswith("grafana_foundation_sdk"):
        declared = typing.get_type_hints(type(model))
        for name, value in vars(model).items():
            if not fits(value, declared.get(name, Any)):
                yield f"{place}.{name}: {value!r} is no {declared[name]}"
            yield from wrong(value, f"{place}.{name}")


def fits(value: Any, kind: Any) -> bool:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in {Any, object} or isinstance(kind, typing.TypeVar):
        return True
    if origin in {typing.Union, UnionType, typing.Literal}:
        return value in inner if origin is typing.Literal else any(fits(value, one) for one in inner)
    if origin in {list, dict}:
        values = value.values() if isinstance(value, dict) else value
        return isinstance(value, origin) and all(fits(one, inner[-1]) for one in values)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in {one.value for one in kind}
    if kind in {int, float}:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


def read(content: dict[str, Any]) -> Dashboard:
    register_default_plugins()
    return Dashboard.from_json(content)


def written(model: Dashboard) -> Any:
    return json.loads(JSONEncoder().encode(model))


def test_grafana_knows_every_member_of_the_dashboard_and_its_type() -> None:
    content = json.loads(FILE.read_text())
    model = read(content)
    assert list(lost(content, written(model), "dashboard")) == []
    assert list(wrong(model, "dashboard")) == []


def test_a_member_that_grafana_does_not_know_and_a_wrong_value_would_be_found() -> None:
    content = json.loads(FILE.read_text())
    content["panels"][0]["fieldConfig"]["defaults"]["untis"] = "s"
    content["panels"][1]["gridPos"]["w"] = "wide"
    content["panels"][2]["fieldConfig"]["defaults"]["thresholds"]["mode"] = "sometimes"
    model = read(content)
    assert [one.partition(":")[0] for one in lost(content, written(model), "")] == [
        ".panels[0].fieldConfig.defaults.untis"
    ]
    assert [one.partition(":")[0].rpartition(".")[2] for one in wrong(model, "")] == ["w", "mode"]
