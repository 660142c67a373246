"""What podman needs to start a service of docker-compose.yml as it stands there; an unknown key is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FLAGS = {"user": "--user", "mem_limit": "--memory", "pids_limit": "--pids-limit", "restart": "--restart"}
LISTS = {"cap_drop": "--cap-drop", "security_opt": "--security-opt", "tmpfs": "--tmpfs", "ports": "--publish"}
ELSEWHERE = {"image", "build", "command", "entrypoint", "depends_on", "profiles", "networks", "network_mode"}
HANDLED = {
    *FLAGS,
    *LISTS,
    *ELSEWHERE,
    "read_only",
    "ulimits",
    "logging",
    "volumes",
    "environment",
    "secrets",
    "healthcheck",
}


@dataclass(frozen=True)
class Service:
    """A service, and how its names become those of one project in a directory of its own."""

    name: str
    options: Mapping[str, Any]
    secrets: Mapping[str, Any]
    project: str
    directory: Path

    @property
    def image(self) -> str:
        return f"localhost/{self.options['image']}:latest"

    @property
    def container(self) -> str:
        return f"{self.project}-{self.name}"

    @property
    def command(self) -> list[str]:
        return list(self.options.get("command", []))

    @property
    def needs(self) -> list[str]:
        return list(self.options.get("depends_on", {}))

    @property
    def health_check(self) -> list[str]:
        """The command of the health check; without a daemon nothing but the trial itself would run it in time."""
        return [word.replace("$$", "$") for word in self.options["healthcheck"]["test"][1:]]

    def podman_options(self, variables: Mapping[str, str]) -> list[str]:
        """Return the options of `podman create` and `podman run`; `variables` replace ${NAME:-default}."""
        if unknown := self.options.keys() - HANDLED:
            raise ValueError(f"service {self.name}: {sorted(unknown)} would be ignored")
        return [
            re.sub(r"\$\{(\w+):-(\w*)\}", lambda found: variables.get(found[1], found[2]), word) for word in self._all()
        ]

    def _all(self) -> Iterator[str]:
        options = self.options
        yield from (f"{flag}={options[key]}" for key, flag in FLAGS.items() if key in options)
        yield from (f"{flag}={value}" for key, flag in LISTS.items() for value in options.get(key, ()))
        if options.get("read_only"):
            yield "--read-only"
        yield from (f"--ulimit={name}={value}:{value}" for name, value in options.get("ulimits", {}).items())
        if "logging" in options:
            yield "--log-opt=max-size=" + options["logging"]["options"]["max-size"]
        yield from (f"--env={name}={value}" for name, value in options.get("environment", {}).items())
        yield from (f"--volume={self._place(volume)}" for volume in options.get("volumes", ()))
        for name in options.get("secrets", ()):
            yield f"--volume={self.directory / self.secrets[name]['file']}:/run/secrets/{name}:ro"
        if "entrypoint" in options:
            yield f"--entrypoint={json.dumps(options['entrypoint'])}"
        if "network_mode" in options:
            yield f"--network={options['network_mode']}"
        yield from (f"--network={self.project}-{name}:alias={self.name}" for name in options.get("networks", ()))

    def _place(self, volume: str) -> str:
        source, _, rest = volume.partition(":")
        return f"{self.directory / source}:{rest}" if source.startswith(".") else f"{self.project}-{source}:{rest}"


@dataclass(frozen=True)
class Compose:
    """The compose file."""

    content: Mapping[str, Any]
    project: str
    directory: Path

    def service(self, name: str) -> Service:
        return Service(name, self.content["services"][name], self.content["secrets"], self.project, self.directory)

    @property
    def lasting(self) -> list[Service]:
        """Services that `up` starts, each after those it depends on."""
        found = [self.service(name) for name, options in self.content["services"].items() if "profiles" not in options]
        return sorted(found, key=lambda service: len(service.needs))

    @property
    def networks(self) -> dict[str, bool]:
        """Name of each network, and whether it is internal."""
        return {
            f"{self.project}-{name}": bool((options or {}).get("internal"))
            for name, options in self.content["networks"].items()
        }

    @property
    def volumes(self) -> list[str]:
        return [f"{self.project}-{name}" for name in self.content["volumes"]]


def read(path: Path, project: str, directory: Path) -> Compose:
    """Read a compose file for a project whose relative paths begin in `directory`."""
    return Compose(yaml.safe_load(path.read_text("utf-8")), project, directory)
