"""Escapes control characters, so that text from devices and people cannot steer a terminal, a log or a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

CONTROL: Final = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb"
"""Characters that act instead of being seen, as a class of a regular expression.

C0 and C1 with ESC and CSI, line and paragraph separators, marks that reverse the order of text, halves of surrogate
pairs, byte order mark, interlinear annotation.
"""
NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROL: Final = re.compile(f"[{CONTROL}]")
_IN_JSON: Final = re.compile(f"[{CONTROL.removeprefix(chr(0) + '-' + chr(31))}]")


def printable(text: str, *, keep: str = "") -> str:
    r"""Return text with every control character escaped as in Python ("\x1b"), except those in `keep`."""
    return _CONTROL.sub(_escape(keep), text) if _CONTROL.search(text) else text


def printable_json(text: str) -> str:
    r"""Return a JSON document with the control characters in its strings escaped as JSON does ("\u009b")."""
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def can_encode(text: str, encoding: str | None) -> bool:
    """Return whether an encoding has every character of the text."""
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def ascii_json(text: str) -> str:
    r"""Return a JSON document in ASCII, other characters as JSON escapes them ("\u00b5")."""
    return re.sub("[^\x00-\x7f]", _utf_16, text)


def _utf_16(match: re.Match[str]) -> str:
    code = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))


def _escape(keep: str) -> Callable[[re.Match[str]], str]:
    def escape(match: re.Match[Any]) -> str:
        character = str(match[0])
        if character in keep:
            return character
        code = ord(character)
        return NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")

    return escape
