"""Memo: the latest result of a query, shared by all viewers, as long as what was asked about is the same object."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def remembered(query: Callable[[Argument], Result]) -> Callable[[Argument], Result]:
    """Return a cached version of a query: it keeps the latest result, for the same argument object.

    Whoever asks the same meanwhile waits for the result instead of computing it too.
    """
    lock, known = threading.Lock(), list[tuple[Argument, Result]]()

    @functools.wraps(query)
    def asked(argument: Argument) -> Result:
        with lock:
            if not known or known[0][0] is not argument:
                known[:] = [(argument, query(argument))]
            return known[0][1]

    return asked
