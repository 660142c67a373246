"""Runs one part as a process: prints READY, stops on a signal, and does not outlive its supervisor."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

from broker.metrics.listener import watched
from broker.metrics.readings import Vitals
from broker.mqtt.connection_limits import raise_open_files
from pumpwatch.supervision import logs

SUPERVISED: Final = "PUMPWATCH_SUPERVISED"
"""Set in the environment of supervised parts; their standard input closes when the supervisor exits."""
LAST_GRACE_S: Final = 3.0
REFUSED: Final = 3
"""Exit code of a part that cannot run until a person acts; it is not restarted."""

Watch = tuple[Vitals, int | None]
"""What a part tells those who watch it, and the port of this machine at which; None: at none."""
Tell = Callable[[str], None]
Run = Callable[[asyncio.Event, Tell, Tell], Awaitable[None]]
"""A part: runs until the event is set, passes its address to the first callback once it is ready, and to the second how
far it is while starting or stopping takes long."""

log = logging.getLogger(__name__)


def play(
    part: str, run: Run, *, many_connections: bool = False, watch: Watch | None = None, log_as: logs.Kind = "text"
) -> None:
    """Run a part until SIGTERM, SIGINT or the exit of the supervisor.

    Prints `READY <part> <address>` to stdout when ready; logs go to stderr. Below a supervisor, progress goes to stdout
    as `PROGRESS <part> <text>`, otherwise it is logged. Exceptions of `run` propagate. With `many_connections` the
    event loop is uvloop's. `watch` is what is served about it, and at which port.
    """
    supervised = SUPERVISED in os.environ
    logs.begin(part, supervised=supervised, kind=log_as)
    raise_open_files()
    if supervised:
        threading.Thread(target=_exit_with_supervisor, daemon=True).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if many_connections else None) as runner:
        runner.run(_play(part, run, supervised=supervised, watch=watch))


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM, SIGINT and SIGHUP; one that is ignored stays ignored, as under `nohup`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)


def end_as_first_process() -> None:
    """Let SIGTERM end this process before it has a handler of its own, also as process 1, as in a container.

    The kernel keeps from process 1 every signal for which it has no handler, so `docker stop` would wait and kill.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


async def _play(part: str, run: Run, *, supervised: bool, watch: Watch | None) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)

    def progress(text: str) -> None:
        if supervised:
            _print("PROGRESS", part, text)
        else:
            log.info("%s", text)

    async with watched(*(watch or (Vitals(part), None))):
        await run(stop, lambda address: _print("READY", part, address), progress)
    if not stop.is_set():
        log.warning("exited without a stop signal")


def _print(word: str, part: str, text: str) -> None:
    sys.stdout.write(f"{word} {part} {text}\n")
    sys.stdout.flush()


def _exit_with_supervisor() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_GRACE_S)
    os._exit(1)
