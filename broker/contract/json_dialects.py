"""JSON samples of devices that are not quite exact: values as texts, NaN, fractions of milliseconds; the rest refused.

It reads what the fast decoder of `codec_json` refuses, and says what is wrong in words for the maker of the device.
"""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Callable
from typing import Any, Final

from broker.contract.json_elements import check_nesting
from broker.contract.payload_limits import SampleError, named
from broker.contract.sample_values import COUNTS, count_of, is_unknown, reading_of, time_of
from broker.contract.signals import SIGNAL_NAMES

_MAX_DIGITS: Final = 25
_CAUSES: Final = {
    "'": "single quotes; JSON needs double quotes",
    "None": "None is not JSON; send null",
    "True": "True is not JSON; send true",
    "False": "False is not JSON; send false",
    "nan": "nan is not JSON; send null",
    "/": "JSON has no comments",
    "#": "JSON has no comments",
}
"""What a text that is no JSON goes on with, and what that is."""
_OPTIONAL: Final[dict[str, Callable[[str, object], float]]] = {
    "sent": time_of,
    **dict.fromkeys(COUNTS, count_of),
    **dict.fromkeys(SIGNAL_NAMES, reading_of),
}


class SeveralSamplesError(SampleError):
    """A text with one JSON object after the other where one was expected."""


class _Pairs(list[tuple[str, Any]]):
    """Names and values of an object, in order, none left out."""


def read_values(part: bytes) -> dict[str, Any]:
    """Return the values of one sample that are known, by name; raise `SampleError` with the cause."""
    values = read_object(part)
    if is_unknown(values.get("pump")):
        raise SampleError(f"not a JSON sample: it has no pump; its fields are {named(values)}")
    pump = values["pump"]
    if not isinstance(pump, str):
        raise SampleError(f"pump is {json.dumps(pump)[:80]}; send the serial number as text, in double quotes")
    if is_unknown(values.get("time")):
        raise SampleError(f"pump {pump[:80]!r}: it has no time; its fields are {named(values)}")
    try:
        read: dict[str, Any] = {"pump": pump, "time": time_of("time", values["time"])}
        for name, reader in _OPTIONAL.items():
            value = values.get(name)
            if not is_unknown(value):
                read[name] = reader(name, value)
    except SampleError as error:
        raise SampleError(f"pump {pump[:80]!r}: {error}") from None
    return read


def read_object(part: bytes) -> dict[str, Any]:
    """Return one JSON object, NaN and Infinity included; raise `SampleError` if it is none or has a key twice."""
    pairs = _parse(part)
    if not isinstance(pairs, _Pairs):
        kind = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}.get(type(pairs), "a number")
        raise SampleError(f"not a JSON sample: {kind} where an object belongs")
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = collections.Counter(name for name, _ in pairs).most_common(1)[0][0]
        pump = f"pump {str(values['pump'])[:80]!r}: " if "pump" in values else ""
        raise SampleError(f"{pump}the key {twice[:80]!r} is there twice; send it once")
    return values


def _parse(part: bytes) -> object:
    try:
        text = part.decode("utf-8").strip("\0 \t\r\n")
    except UnicodeDecodeError as error:
        at = error.start
        raise SampleError(f"not a JSON sample: byte 0x{part[at]:02X} at {at:,} is not UTF-8; send UTF-8") from None
    check_nesting(part)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text[:1] == "{" and text[error.pos : error.pos + 1] == "{":
            raise SeveralSamplesError("not a JSON sample: several objects") from None
        raise SampleError(f"not a JSON sample: {_cause(text, error)}") from None


def _cause(text: str, error: json.JSONDecodeError) -> str:
    """Return what is wrong with a text that is not JSON, and what to do."""
    rest, before = text[error.pos :].lstrip(), text[: error.pos].rstrip()
    if (before + rest[:1]).endswith((",}", ",]")) or re.match(r",\s*[}\]]", rest):
        return "a trailing comma; remove it"
    if not text:
        return "it is empty; a comma too many?"
    if not rest or error.msg.startswith("Unterminated string"):
        return "it is truncated"
    for beginning, cause in _CAUSES.items():
        if rest.startswith(beginning):
            return cause
    if error.msg.startswith("Expecting property name"):
        return f"a name without double quotes at {rest[:40]!r}"
    remedy = "; send an array or one sample per line" if error.msg == "Extra data" else ""
    return f"{error.msg} at character {error.pos + 1:,}, {rest[:40]!r}{remedy}"


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_integer)
