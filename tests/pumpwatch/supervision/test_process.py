"""Signals: what is ignored stays ignored, and a part ends on SIGTERM also as process 1 of a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PART = """
    import asyncio
    from pumpwatch.supervision.process import play
    async def run(stop, ready, progress):
        ready("here")
        await asyncio.wait_for(stop.wait(), 30)
    play("test", run)
"""
NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


def heed() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start(source: str, *prefix: str) -> subprocess.Popen[str]:
    """Start a process and wait for the first line that it prints; it ignores no signal, even if the tests do."""
    command = [*prefix, sys.executable, "-c", textwrap.dedent(source)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=heed)  # noqa: PLW1509
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_part_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    with start(PART) as process:
        process.send_signal(number)
        assert process.wait(10) == 0


def test_a_part_under_nohup_outlives_its_terminal() -> None:
    with start(PART, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode,
    reason="this machine allows no namespaces",
)
def test_a_command_that_still_starts_ends_on_sigterm_as_process_1() -> None:
    source = """
        import os, signal, threading, time
        from pumpwatch.supervision.process import end_as_first_process
        end_as_first_process()
        print(os.getpid(), flush=True)
        threading.Timer(0.1, lambda: os.kill(1, signal.SIGTERM)).start()
        time.sleep(30)
    """
    with start(source, *NAMESPACE) as process:
        assert process.wait(10) == 128 + signal.SIGTERM
