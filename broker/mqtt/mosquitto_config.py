"""This file is what Mosquitto is told: every line with its reason, for the one we start and for your own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEM_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Where systems put Mosquitto without putting the place on everyone's PATH."""


@dataclass(frozen=True)
class Line:
    """One line of the configuration and why it is so."""

    name: str
    value: str
    why: str


LIMITS: Final = (
    Line(
        "max_queued_messages",
        "0",
        "No limit by count. The default, 1000 a client, drops silently after it has confirmed to the sender.",
    ),
    Line(
        "max_queued_bytes",
        "536870912",
        "The limit instead: 512 MiB that one slow or absent client may have waiting.",
    ),
    Line(
        "memory_limit",
        "2147483648",
        "2 GiB for everything. At this limit senders are cut off and send again later, rather than the machine dying.",
    ),
    Line(
        "max_packet_size",
        "16777216",
        "16 MiB: the largest batch we send is 4 MiB; a larger one still arrives, and is refused with a reason.",
    ),
    Line(
        "max_inflight_messages",
        "1000",
        "Unconfirmed messages towards an MQTT 3.1.1 client; the default, 20, is a wall at speed. MQTT 5 has its own.",
    ),
    Line(
        "persistent_client_expiration",
        "7d",
        "How long a processor may be away before what waits for it is let go.",
    ),
    Line("persistence", "true", "Sessions, what waits in them and retained messages outlive a restart."),
    Line(
        "autosave_interval",
        "30",
        "Save every 30 s instead of every 30 minutes: a broker that is killed loses at most that. "
        "What was lost shows as gaps in the pumps' own numbering.",
    ),
    Line("autosave_on_changes", "false", "Count seconds, not changes: each save writes the whole database anew."),
    Line(
        "sys_interval",
        "10",
        "Seconds between the $SYS counts; watch $SYS/broker/publish/messages/dropped, it must stay 0.",
    ),
    Line("set_tcp_nodelay", "true", "Send at once; waiting to fill a packet costs up to 40 ms."),
    Line("connection_messages", "false", "No log line for each of thousands of gateways that come and go."),
    Line("log_type", "error", "Say what is wrong,"),
    Line("log_type", "warning", "what may become so,"),
    Line("log_type", "notice", "and what it drops."),
)
"""The same for every Mosquitto that serves Pumpwatch."""

OWN_SERVER: Final = (
    Line("listener", "1883", "All addresses of this machine or container. Publish the port to no one you do not know."),
    Line(
        "allow_anonymous",
        "true",
        "Simulated pumps have no secrets. Beyond a private network use password_file, acl_file and a TLS listener.",
    ),
    Line("persistence_location", "/mosquitto/data/", "Where the database is: the volume of the container image."),
    Line("log_dest", "stderr", "Where a container's log is looked for."),
)
"""What the configuration at the top level of the project adds to `LIMITS`."""


def started_by_us(host: str, port: int, directory: Path, *, as_root: bool) -> tuple[Line, ...]:
    """Return what the Mosquitto that we start is told beside `LIMITS`; `directory` is for its database."""
    return (
        Line("listener", f"{port} {host}", "This machine alone."),
        Line("allow_anonymous", "true", "Whoever may use this machine may use its broker."),
        Line("persistence_location", f"{directory}/", "In the data directory, with everything else."),
        Line("log_dest", "stderr", "We read it and pass it on."),
        Line("log_timestamp", "false", "The time is put before it where it is shown."),
        *((Line("user", "root", "Else it becomes a user who may not write in root's data directory."),) * as_root),
    )


def configuration(lines: Iterable[Line], heading: str) -> str:
    """Write lines as a configuration file: each line's reason above it."""
    return "".join([f"# {heading}\n", *(f"\n# {line.why}\n{line.name} {line.value}\n" for line in lines)])


def find(path: str | None) -> Path | None:
    """Return the Mosquitto program on `path` (as in PATH) or in the usual places of systems, or None."""
    places = os.pathsep.join([*([path] if path else []), *SYSTEM_PLACES])
    found = shutil.which("mosquitto", path=places)
    return None if found is None else Path(found)


def listener_of(text: str) -> tuple[str, int]:
    """Return host and port at which a configuration's first listener can be reached from this machine."""
    for line in text.splitlines():
        match line.split():
            case ["listener" | "port", port, *rest] if port.isdigit():
                host = rest[0] if rest else "127.0.0.1"
                return ("127.0.0.1" if host in {"0.0.0.0", "*"} else host), int(port)  # noqa: S104 (it is compared)
    return "127.0.0.1", 1883
