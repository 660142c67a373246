"""A Mosquitto that asks for a password."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from broker.mqtt.endpoint import free_port
from broker.mqtt.mosquitto_config import find
from tests.server_process import program_of, running

USER = "anna"


@contextlib.contextmanager
def mosquitto_with_password(folder: Path, password: str) -> Iterator[int]:
    """Run a Mosquitto that lets in `USER` with this password and nobody else; yield its port."""
    port, passwords = free_port(), folder / "passwords"
    command = [program_of("mosquitto_passwd"), "-c", "-b", str(passwords), USER, password]
    subprocess.run(command, check=True, capture_output=True)
    lines = (f"listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}", "user root")
    (folder / "own.conf").write_text("\n".join(lines) + "\n")
    program = find(os.environ.get("PATH"))
    assert program is not None
    with running([str(program), "-c", str(folder / "own.conf")], port, folder / "log"):
        yield port
