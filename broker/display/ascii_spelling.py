"""Spelling of text for outputs that cannot show every character, such as a terminal in the locale C."""

from __future__ import annotations

import codecs
from typing import Final

NAME: Final = "pumpwatch-ascii"
"""Name of the codec error handler, for the argument `errors` of streams."""
SPELLINGS: Final = {
    "µ": "u", "μ": "u", "·": "*", "×": "x", "²": "^2", "°": "deg ", "±": "+-", "≥": ">=", "≤": "<=", "−": "-",
    "–": "-", "—": "-", "…": "...", "→": "->", "’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ",
}  # fmt: skip


def spell(error: UnicodeError) -> tuple[str, int]:
    """Return the characters that an encoding lacks in its characters, others as in Python ("\\xe4")."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    spelled = (SPELLINGS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text)
    return "".join(spelled), error.end


codecs.register_error(NAME, spell)
