"""Values that fit a JSON Schema, for Hypothesis: of the keywords that our document uses; any other one is an error."""

from __future__ import annotations

import math
from datetime import UTC, timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

KNOWN: Final = frozenset(
    (
        *("type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "anyOf", "oneOf"),
        *("allOf", "$ref", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "format", "default"),
        *("title", "description", "examples", "definitions", "maxProperties", "propertyNames"),
    )
)
MAX_LENGTH: Final = 5
ZONES: Final = (UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8)))
TEXT: Final = st.characters(codec="utf-8")


def values(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of values that fit `schema`; `definitions` are the schemas that it refers to."""
    if unknown := {key for key in schema if key not in KNOWN and not key.startswith("x-")}:
        raise AssertionError(f"the schema uses {sorted(unknown)}, of which this generator knows nothing")
    if "$ref" in schema:
        return values(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([values(each, definitions) for each in schema[word]])
    if "allOf" in schema:
        (only,) = schema["allOf"]
        return values(only, definitions)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(schema, definitions)


def _of_type(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    if schema["type"] == "object":
        return _object(schema, definitions)
    if schema["type"] == "array":
        return _array(schema, definitions)
    return _scalar(schema)


def _scalar(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    match schema["type"]:
        case "string":
            return _string(schema)
        case "integer":
            return st.integers(schema.get("minimum", -(2**53)), schema.get("maximum", 2**53))
        case "number":
            low, high = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
            whole = (
                st.integers(math.ceil(low), math.floor(high)) if math.ceil(low) <= math.floor(high) else st.nothing()
            )
            return st.floats(low, high, allow_nan=False) | whole
        case "boolean":
            return st.booleans()
    return st.none()


def _object(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values(each, definitions) for name, each in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    optional = {name: each for name, each in fields.items() if name not in required}
    known = st.fixed_dictionaries({name: fields[name] for name in fields if name in required}, optional=optional)
    others = schema.get("additionalProperties", True)
    if others is False:
        return known
    if others is True:  # a field that a later version might add
        return st.tuples(known, st.sampled_from([{}, {"x_later": 1}])).map(lambda both: {**both[1], **both[0]})
    return st.dictionaries(st.text(TEXT, max_size=MAX_LENGTH), values(others, definitions), max_size=MAX_LENGTH)


def _array(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    items = schema.get("items", {"type": "null"})
    if isinstance(items, list):
        return st.tuples(*(values(each, definitions) for each in items)).map(list)
    least = schema.get("minItems", 0)
    return st.lists(values(items, definitions), min_size=least, max_size=max(least, MAX_LENGTH))


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return st.datetimes(timezones=st.sampled_from(ZONES)).map(lambda moment: moment.isoformat())
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("$", r"\Z"))
    return st.text(TEXT, min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))
