"""podman with images, containers and networks in a directory of its own: removing that directory leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
    "iptables": "iptables",
}
"""Programs that are needed, and their Debian packages."""
PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/lib/podman"])


MAX_PROCESSES = 4096
"""Processes of one user; the limit of each container is in the compose file."""


class StepError(Exception):
    """A step failed; the text says which, and what podman said."""


def require(programs: dict[str, str]) -> None:
    """Install programs that are missing, with apt-get as root; else say what to install."""
    lacking = {package for program, package in programs.items() if not shutil.which(program, path=PLACES)}
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing", *sorted(lacking), flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-qq", "update"], check=False, env=environment)
        command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *sorted(lacking)]
        subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        lacking = {package for program, package in programs.items() if not shutil.which(program, path=PLACES)}
    if lacking:
        raise StepError(
            f"missing: {', '.join(sorted(lacking))}; install them (Debian: apt install …) and run this as root"
        )


def wait_for(what: str, ready: Callable[[], Any], seconds: float) -> float:
    """Return after how many seconds `ready` returned something true; raises `StepError` if that takes too long."""
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > seconds:
            raise StepError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - began


@dataclass
class Podman:
    """podman on its own storage below `directory`; what it started is known by id and ended by `clean`."""

    directory: Path
    containers: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, timeout: float = 120, stdin: str | None = None, check: bool = True) -> str:
        """Run a command of podman and return its output; raises `StepError` with its last lines if it fails."""
        command = ["podman", *self._places(), *arguments]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise StepError(f"podman {' '.join(arguments[:3])}: not done within {timeout:g} s") from None
        if check and done.returncode:
            raise StepError(
                f"podman {' '.join(arguments[:3])} failed ({done.returncode}):\n{(done.stdout + done.stderr)[-3000:]}"
            )
        return done.stdout if check else done.stdout + done.stderr

    def create(self, name: str, image: str, options: list[str], command: list[str]) -> str:
        """Create a container and return its id."""
        made = self("create", "--name", name, *self._limits(options), *options, image, *command).strip()
        self.containers.append(made)
        return made

    def once(self, image: str, options: list[str], command: list[str], stdin: str | None = None) -> str:
        """Run a container to its end, remove it and return its output."""
        return self("run", "--rm", "--interactive", *self._limits(options), *options, image, *command, stdin=stdin)

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what podman knows of a container."""
        return dict(json.loads(self("inspect", container))[0])

    def healthy(self, container: str, health_check: list[str]) -> bool:
        """Run the health check of a container once."""
        with contextlib.suppress(StepError):
            self("exec", container, *health_check)
            return True
        return False

    def kill_process(self, container: str) -> None:
        """Kill the first process of a container from outside, as a crash would, so that the restart policy acts."""
        os.kill(int(self.inspect(container)["State"]["Pid"]), signal.SIGKILL)

    def network(self, name: str, *, internal: bool) -> None:
        """Make a network."""
        self("network", "create", *(["--internal"] if internal else []), name)
        self.networks.append(name)

    def size_mb(self, image: str) -> float:
        """Return the size of an image, unpacked, in MB."""
        return float(self("image", "inspect", "--format", "{{.Size}}", image)) / 1e6

    def clean(self) -> None:
        """Remove every container, network and image that this made, and the storage."""
        for container in self.containers:
            self("rm", "--force", "--time", "10", container, check=False)
        for name in self.networks:
            self("network", "rm", "--force", name, check=False)
        self("system", "reset", "--force", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _places(self) -> list[str]:
        root, run = self.directory / "storage", self.directory / "run"
        networks = self.directory / "networks"
        networks.mkdir(parents=True, exist_ok=True)
        return [
            f"--root={root}",
            f"--runroot={run}",
            f"--tmpdir={run / 'tmp'}",
            f"--network-config-dir={networks}",
            "--runtime=runc",
        ]

    @staticmethod
    def _limits(options: list[str]) -> list[str]:
        """Return limits that this machine allows; podman's own defaults may be above them, and then nothing starts."""
        files, processes = (resource.getrlimit(each)[1] for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        hard = {"nofile": files, "nproc": min(processes, MAX_PROCESSES) if processes > 0 else MAX_PROCESSES}
        given = {option.split("=")[1] for option in options if option.startswith("--ulimit=")}
        return [f"--ulimit={name}={limit}:{limit}" for name, limit in hard.items() if name not in given and limit > 0]
