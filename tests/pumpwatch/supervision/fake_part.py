"""A part for the tests of the supervisor: reports READY, or crashes, hangs or ignores a stop on request."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pumpwatch.supervision.process import REFUSED, play

STEP_S = 0.9
"""Five steps take longer than a part without progress has."""


async def run(stop: asyncio.Event, ready: Callable[[str], None], progress: Callable[[str], None]) -> None:
    name, manner, notes = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with notes.open("a") as file:
        file.write(f"start {name} {os.getpid()}\n")
    sys.stderr.write(f"{name} is starting\n")
    if manner == "crash":
        raise SystemExit(5)
    if manner == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if manner == "refuse":
        ready(f"fake://{name}")
        await asyncio.sleep(0.2)
        sys.stderr.write("another one is here\n")
        raise SystemExit(REFUSED)
    if manner == "mute":
        await stop.wait()
        return
    if manner == "parent":
        child = subprocess.Popen(["sleep", "600"])
        with notes.open("a") as file:
            file.write(f"start {name}-child {child.pid}\n")
    for done in range(5 if manner == "slow" else 0):
        progress(f"{done} of 5 started")
        await asyncio.sleep(STEP_S)
    if manner == "halting":
        progress("1 of 5 started")
        await stop.wait()
    ready(f"fake://{name}")
    await stop.wait()
    for done in range(5 if manner == "slow" else 0):
        progress(f"{done} of 5 signed off")
        await asyncio.sleep(STEP_S)
    if manner == "leaving":
        with notes.open("a") as file:
            file.write(f"leaving {name}\n")
        await asyncio.sleep(STEP_S)
    if manner == "stuck":
        await asyncio.sleep(600)
    with notes.open("a") as file:
        file.write(f"end {name}\n")


play(sys.argv[1], run)
