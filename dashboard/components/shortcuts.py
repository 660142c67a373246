"""Keyboard shortcuts of the pages: g, then a letter of the page's name."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase


def shortcuts(names: Iterable[str]) -> dict[str, str]:
    """Return a letter of its own for each name: the first of its letters that is free, or any that is.

    Earlier names choose first, so the order of the navigation decides. A name for which no letter is left has "".
    """
    taken: dict[str, str] = {}
    for name in names:
        letters = [letter for letter in name.lower() if letter in ascii_lowercase]
        free = (letter for letter in (*letters, *ascii_lowercase) if letter not in taken.values())
        taken[name] = next(free, "")
    return taken
