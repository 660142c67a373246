"""Who runs a command on this machine, and when."""

from __future__ import annotations

import os
import pwd
import time


def system_user() -> str:
    """Return the name of the user of this machine who runs the command, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def now_ms() -> int:
    """Return the wall clock in ms."""
    return time.time_ns() // 1_000_000
