"""Wake-ups when a file of a directory is replaced, as the kernel reports it (inotify)."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

MOVED_TO: Final = 0x80
IGNORED: Final = 0x8000
"""Events of inotify: a file got this name; the directory is gone, so that nothing more will be reported."""
HEADER: Final = struct.Struct("iIII")
"""Of an event: watch, mask, cookie, length of the name that follows."""
READ_BYTES: Final = 65_536


class DirectoryWatch:
    """Calls `woken` when a file named `name` is moved into a directory; `active` says whether the kernel reports it.

    Belongs to the running event loop. A directory that is missing or was removed is watched from the next `start` on.
    """

    def __init__(self, directory: Path, name: str, woken: Callable[[], None]) -> None:
        """Watch nothing before `start`."""
        self._directory, self._name, self._woken = directory, name.encode(), woken
        self._libc = ctypes.CDLL(None)
        self._file = -1
        self._refused = False
        self.active = False

    def start(self) -> None:
        """Watch the directory unless it is being watched, it does not exist, or this system reports nothing."""
        if self.active or self._refused:
            return
        if self._file < 0:
            made = getattr(self._libc, "inotify_init1", lambda _flags: -1)(os.O_NONBLOCK | os.O_CLOEXEC)
            if made < 0:  # no Linux, or as many watchers as the system allows
                self._refused = True
                return
            self._file = made
            asyncio.get_running_loop().add_reader(made, self._read)
        self.active = self._libc.inotify_add_watch(self._file, os.fsencode(self._directory), MOVED_TO) >= 0

    def close(self) -> None:
        """Watch nothing any more."""
        if self._file >= 0:
            asyncio.get_running_loop().remove_reader(self._file)
            os.close(self._file)
        self._file, self.active = -1, False

    def _read(self) -> None:
        events, at = os.read(self._file, READ_BYTES), 0
        while at < len(events):
            _, mask, _, length = HEADER.unpack_from(events, at)
            at += HEADER.size + length
            if mask & IGNORED:
                self.active = False
            elif events[at - length : at].rstrip(b"\0") == self._name:
                self._woken()
