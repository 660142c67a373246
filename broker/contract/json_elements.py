"""Elements of a JSON text that is not quite JSON: where each sample begins and ends, without reading what is inside.

One bad value must not cost the other samples of an array. Nothing is allocated but the samples themselves, and not more
of those than a payload may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from broker.contract.payload_limits import SampleError, check_rows

MAX_NESTING: Final = 64
"""Brackets inside of each other."""
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?P<open>\\?\Z)?"?|[\[\]{},]', re.DOTALL)
"""A text, whether it is closed or not, or a sign of structure. Each byte is looked at once."""
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+\\?"?', re.DOTALL)
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_OPENS: Final = {ord("{"): ord("}"), ord("["): ord("]")}
_CLOSES: Final = frozenset(_OPENS.values())
_QUOTE, _COMMA = ord('"'), ord(",")


def elements(text: bytes) -> Iterator[bytes]:
    """Yield the elements of an array, or the objects that follow each other without one.

    Raises `SampleError` after the last complete element if the text ends before its brackets close or if these do not
    match; `PayloadError` if there are more elements than a payload may have.
    """
    array = text[:1] == b"["
    closing: list[int] = []
    start = count = 0
    for match in _TOKEN.finditer(text):
        sign, at = text[match.start()], match.start()
        if sign == _QUOTE:
            if match["open"] is not None:
                raise SampleError("the payload is truncated: a text is not closed")
            continue
        _nest(closing, sign, at)
        if array and len(closing) == 1 and sign == ord("["):
            start = at + 1
        done = sign in _CLOSES and not closing
        if done or (array and sign == _COMMA and len(closing) == 1):
            count += 1
            check_rows(count, or_more=True)
            yield text[start : at if array else at + 1].strip()
            start = at + 1
        if done and array:
            break
    last = text[start:].strip()
    if array and len(closing) == 1 and last.endswith(b"}"):
        yield last
    if closing:
        raise SampleError("the payload is truncated: it ends before its last bracket closes")
    if last:
        raise SampleError(f"not JSON: after the last sample follows {last[:40]!r}")


def check_nesting(text: bytes) -> None:
    """Raise `SampleError` if brackets are nested too deeply: how deep a decoder goes depends on the Python version."""
    if text.count(b"[") + text.count(b"{") <= MAX_NESTING:
        return
    brackets = _TEXT.sub(b"", text).translate(_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_NESTING):
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets:
        raise SampleError(f"not a JSON sample: nested more than {MAX_NESTING} deep")


def _nest(closing: list[int], sign: int, at: int) -> None:
    """Keep the brackets that have to close; raise `SampleError` if this one does not match, or there are too many."""
    if sign in _OPENS:
        closing.append(_OPENS[sign])
    elif sign in _CLOSES and (not closing or closing.pop() != sign):
        raise SampleError(f"not JSON: {chr(sign)!r} at byte {at:,} closes nothing")
    if len(closing) > MAX_NESTING:
        raise SampleError(f"not JSON samples: nested more than {MAX_NESTING} deep")
