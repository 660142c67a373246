"""`make containers`: build the images, run docker-compose.yml as it stands, use it, break it, report sizes and times.

As root, with podman; a few minutes. Everything is in a directory of its own and is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import checks
import compose_file
import images
from compose_file import Compose, Service
from podman import PROGRAMS, Podman, StepError, require, wait_for

PROJECT = "pumpwatch-trial"
USER_ID = 10001
PUMP, SERIAL = 7, "ITB-000007"
FAULT = "motor_stall"
PERSON = "vera"
START_S, ALARM_S, BACK_S = 90, 240, 90
"""How long a start, an alarm and a restart may take on a busy machine."""


def main() -> int:
    """Run the trial; exit code 1 if a step failed."""
    parser = argparse.ArgumentParser(prog="make containers", description=__doc__)
    parser.add_argument("--base", help="base image of a registry; default: made here from Debian's packages")
    parser.add_argument("--mirror", default=images.MIRROR, help="Debian mirror for the base")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    place = Path(tempfile.mkdtemp(prefix="pw-", dir="/var/tmp"))
    podman = Podman(place)
    try:
        require(PROGRAMS if chosen.base else {**PROGRAMS, "debootstrap": "debootstrap"})
        Trial(podman, chosen.base, chosen.mirror).run()
    except StepError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        for container in podman.containers:
            print(podman("logs", "--tail", "15", container, check=False), file=sys.stderr)
        return 1
    finally:
        podman.clean()
    return 0


class Trial:
    """One run of all services, from nothing to nothing."""

    def __init__(self, podman: Podman, base: str | None, mirror: str) -> None:
        self.podman, self.base, self.mirror = podman, base, mirror
        self.compose: Compose = compose_file.read(images.ROOT / "docker-compose.yml", PROJECT, podman.directory)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.variables = {"DASHBOARD_PORT": str(self.port)}
        self.password = secrets.token_urlsafe(12)
        self.started: dict[str, str] = {}
        self.rows: list[tuple[str, str]] = []

    def run(self) -> None:
        """Build, start, use, break; the first step that fails raises `StepError`."""
        services = self.compose.lasting
        self.timed(
            "base image", lambda: setattr(self, "base", self.base or images.debian_base(self.podman, self.mirror))
        )
        for name in ("processor", "mosquitto"):
            service = self.compose.service(name)
            target = service.options["build"]["target"]
            self.timed(
                f"build of {target}",
                lambda target=target, image=service.image: images.build(self.podman, self.base, target, image),
            )
            self.note(f"size of {service.image}", f"{self.podman.size_mb(service.image):.0f} MB")
        for name, internal in self.compose.networks.items():
            self.podman.network(name, internal=internal)
        self.prepare()
        for service in services:
            self.start(service)
        for service in services:
            checks.confinement(self.podman, self.started[service.name], service, USER_ID)
        self.note(
            "user 10001, no capability, no new privileges, read-only root, limits",
            f"{len(services)} of {len(services)}",
        )
        checks.closed_broker(self.podman, self.started["mosquitto"])
        self.note("broker without login, with a wrong password", "refused")
        self.timed("gateway added, let in", self.add_gateway)
        self.timed("sign-in over TLS", self.sign_in)
        self.timed("fault to alarm", self.alarm)
        for service in services:
            self.kill(service)
        self.sign_in()
        self.note(
            "memory",
            ", ".join(f"{name} {mb:.0f} MB" for name, mb in checks.memory_mb(self.podman, self.started).items()),
        )
        self.podman("stop", "--time", "20", *self.started.values())

    def prepare(self) -> None:
        """Make keys and an account as docs/containers.md says."""
        keys = self.podman.directory / "keys"
        keys.mkdir(mode=0o700)
        os.chown(keys, USER_ID, USER_ID)
        self.timed("keys", lambda: self.once("keys", []))
        add = ["pumpwatch", "user", "add", PERSON, "--role", "engineer", "--password-stdin"]
        self.timed("account", lambda: self.once("admin", add, stdin=f"{self.password}\n"))

    def once(
        self, name: str, command: list[str], stdin: str | None = None, variables: dict[str, str] | None = None
    ) -> str:
        """Run a service of administrators to its end, as `docker compose run --rm` does, with further variables."""
        service = self.compose.service(name)
        further = [f"--env={key}={value}" for key, value in (variables or {}).items()]
        return self.podman.once(service.image, [*service.podman_options(self.variables), *further], command, stdin)

    def start(self, service: Service) -> None:
        """Start a service and wait until it is ready and healthy."""
        container = self.podman.create(
            service.container, service.image, service.podman_options(self.variables), service.command
        )
        self.started[service.name] = container
        began = time.monotonic()
        self.podman("start", container)
        if service.command:
            wait_for(
                f"READY of {service.name}", lambda: "READY" in self.podman("logs", container, check=False), START_S
            )
            seconds, cpu_s = time.monotonic() - began, checks.cpu_s(self.podman, container)
            self.note(f"start of {service.name}", f"{seconds:.1f} s, {cpu_s:.1f} s of CPU")
        wait_for(f"health of {service.name}", lambda: self.podman.healthy(container, service.health_check), START_S)
        self.note(f"{service.name} healthy", f"{time.monotonic() - began:.1f} s")

    def add_gateway(self) -> None:
        """Add a gateway while the broker runs, as docs/containers.md says."""
        added = json.loads(self.once("admin", ["pumpwatch", "gateway", "add", "ward-3", "--json"]))
        self.podman("kill", "--signal", "HUP", self.started["mosquitto"])
        checks.gateway_let_in(self.podman, self.started["mosquitto"], added["user"], added["password"])

    def sign_in(self) -> None:
        """Sign in at the dashboard as the account that was made."""
        checks.sign_in(self.port, self.podman.directory / "keys/mosquitto/ca.pem", PERSON, self.password)

    def alarm(self) -> None:
        """Inject a fault as an engineer and wait for the alarm that names it."""
        login = {"PUMPWATCH_USER": PERSON, "PUMPWATCH_USER_PASSWORD": self.password}
        self.once("admin", ["pumpwatch", "inject", FAULT, "--pumps", str(PUMP), "--severity", "1"], variables=login)
        shown = ["pumpwatch", "alarms", "--about", SERIAL, "--rule", FAULT, "--json"]

        def raised() -> bool:
            return bool(json.loads(self.podman("exec", self.started["processor"], *shown)))

        wait_for(f"alarm of {FAULT}", raised, ALARM_S)

    def kill(self, service: Service) -> None:
        """Kill the process of a service and wait until it is back and healthy."""
        container = self.started[service.name]
        before = self.podman.inspect(container)["State"]["StartedAt"]
        began = time.monotonic()
        self.podman.kill_process(container)

        def back() -> bool:
            state = self.podman.inspect(container)["State"]
            return (
                state["Running"]
                and state["StartedAt"] != before
                and self.podman.healthy(container, service.health_check)
            )

        wait_for(f"return of {service.name}", back, BACK_S)
        self.note(f"{service.name} killed, healthy again", f"{time.monotonic() - began:.1f} s")

    def timed(self, what: str, step: Callable[[], object]) -> None:
        """Do a step and note how long it took."""
        began = time.monotonic()
        step()
        self.note(what, f"{time.monotonic() - began:.1f} s")

    def note(self, what: str, result: str) -> None:
        """Print a row of the table."""
        self.rows.append((what, result))
        print(f"| {what} | {result} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
