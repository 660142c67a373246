"""Configuration for a Mosquitto that people run themselves, with the credentials and certificates made by Pumpwatch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from broker.access import endpoints
from broker.access.credentials import credentials_of
from broker.mqtt import mosquitto_config
from broker.mqtt.endpoint import is_loopback
from broker.mqtt.mosquitto_config import Access, Line
from broker.store import secret_files

FILE: Final = "mosquitto.conf"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 (gateways are on other machines)


def write_configuration(
    data: Path,
    port: int,
    system_host: str,
    system_port: int,
    *,
    files: Path | None = None,
    database: Path | None = None,
) -> Path:
    """Write the configuration beside the files of Mosquitto and return its path; remember the ports.

    `files` is where Mosquitto finds these files, `database` where it keeps its own; None is where they are made.
    """
    directory = credentials_of(data).mosquitto
    access = Access(
        files or directory,
        system_port,
        system_host,
        tls=True,
        system_tls=not is_loopback(system_host),
    )
    own = (
        Line(
            "persistence_location",
            f"{database or endpoints.directory(data).resolve()}/",
            "Directory of the database, which Mosquitto must be able to write.",
        ),
        Line("log_dest", "stderr", "Container logs are read from stderr."),
    )
    text = mosquitto_config.configuration(
        (*mosquitto_config.guarded(EVERYWHERE, port, access), *own, *mosquitto_config.LIMITS),
        "Mosquitto for Pumpwatch. Written by `pumpwatch keys init`; this file may be edited.",
    )
    path = directory / FILE
    secret_files.write(path, text.encode())
    if endpoints.find(data) is None:
        endpoints.write(data, endpoints.Endpoints(EVERYWHERE, port, system_port, tls=True, open=False))
    return path
