"""Programs that tests start, such as a proxy or a broker, and end by their process."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import missing

START_TIMEOUT_S = 20.0
END_S = 10


def program_of(name: str) -> str:
    # Some come with the development packages; `make test` does not activate their environment.
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        missing(name)
    return str(found)


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, variables: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server until the context ends; begins once its port answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(variables or {})})
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(END_S)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
