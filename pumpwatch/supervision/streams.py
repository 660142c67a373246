"""Standard streams, whatever the caller has made of them: closed, without an encoding for our text, full, gone."""

from __future__ import annotations

import io
import os
import sys
from typing import IO, Final

from broker.display.ascii_spelling import NAME

STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""Names and modes of file descriptors 0, 1 and 2."""


def prepare() -> None:
    """Make the three streams usable: a closed one is the null device, and no character fails to be written.

    Otherwise the next file that is opened would get the number of the closed stream, and with it what is printed.
    """
    for number, (name, mode) in enumerate(STREAMS):
        if getattr(sys, name) is None:
            setattr(sys, name, _null_device(number, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=NAME)


def discard_output() -> None:
    """Send what is still to be printed to the null device, because its reader is gone or its disk is full."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
    os.close(null)


def _null_device(number: int, mode: str) -> IO[str]:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == number:
        os.set_inheritable(opened, True)
    return os.fdopen(opened, mode, encoding="utf-8")
