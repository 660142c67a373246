"""Configuration of Mosquitto, each line with its reason: for the broker that Pumpwatch starts and for your own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.mqtt.endpoint import bare_host

SYSTEM_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Directories in which systems install Mosquitto although they may not be on PATH."""
LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "::1"}  # noqa: S104 (they are replaced)
"""Where a listener on all addresses can be reached from this machine."""


@dataclass(frozen=True)
class Line:
    """One line of the configuration and its reason."""

    name: str
    value: str
    why: str


LIMITS: Final = (
    Line(
        "max_queued_messages",
        "0",
        "No limit by count. The default, 1000 per client, drops messages silently after confirming them to the sender.",
    ),
    Line(
        "max_queued_bytes",
        "536870912",
        "The limit instead: 512 MiB queued for one slow or absent client.",
    ),
    Line(
        "memory_limit",
        "2147483648",
        "2 GiB in all. At this limit senders are disconnected and resend later, instead of the machine running out.",
    ),
    Line(
        "max_packet_size",
        "16777216",
        "16 MiB: the largest batch we send is 4 MiB; a larger one still arrives and is rejected with a reason.",
    ),
    Line(
        "max_inflight_messages",
        "1000",
        "Messages in flight to an MQTT 3.1.1 client; the default, 20, limits throughput. MQTT 5 negotiates its own.",
    ),
    Line(
        "persistent_client_expiration",
        "7d",
        "How long a processor may be offline before its queued messages are dropped.",
    ),
    Line("persistence", "true", "Sessions, their queued messages and retained messages survive a restart."),
    Line(
        "autosave_interval",
        "30",
        "Save every 30 s instead of every 30 minutes: a broker that is killed loses at most that. "
        "Lost samples show as gaps in the pumps' sequence numbers.",
    ),
    Line("autosave_on_changes", "false", "Count seconds, not changes: each save rewrites the whole database."),
    Line(
        "sys_interval",
        "10",
        "Seconds between updates of $SYS topics; $SYS/broker/publish/messages/dropped must stay 0.",
    ),
    Line("set_tcp_nodelay", "true", "Send immediately; waiting to fill a packet costs up to 40 ms."),
    Line("connection_messages", "false", "No log line for each connect and disconnect of thousands of gateways."),
    Line("log_type", "error", "Log errors,"),
    Line("log_type", "warning", "warnings,"),
    Line("log_type", "notice", "and dropped messages."),
)
"""Lines for every Mosquitto that serves Pumpwatch."""


@dataclass(frozen=True)
class Access:
    """Files and ports of a Mosquitto that knows who is connected; `directory` has its files.

    `system_port` is for the parts of the system, on loopback or at `system_host`. With `tls` gateways connect with TLS,
    and those with a client certificate at the next port.
    """

    directory: Path
    system_port: int
    system_host: str = "127.0.0.1"
    tls: bool = False
    system_tls: bool = False


def guarded(host: str, port: int, access: Access) -> tuple[Line, ...]:
    """Return the listeners of a Mosquitto that lets in nobody without a password or a certificate."""
    files = access.directory
    tls = _tls(files)
    system = _listener(access.system_host, access.system_port, "Processor, dashboard, command line and other parts.")
    lines = [
        Line(
            "per_listener_settings",
            "true",
            "Each listener has its own users: a gateway cannot log in where the parts do and take over a session.",
        ),
        *system,
        Line("password_file", f"{files}/system.passwd", "Users of the parts of the system."),
        Line("acl_file", f"{files}/system.acl", "What each part may publish and read."),
        *(tls if access.system_tls else ()),
        *_listener(host, port, "Gateways, by name and password."),
        *_GATEWAY_IDENTITY,
        Line("password_file", f"{files}/gateways.passwd", "Gateways and their passwords."),
        Line("acl_file", f"{files}/gateways.acl", "What a gateway may publish and read: its own."),
        *(tls if access.tls else ()),
    ]
    if access.tls:
        lines += [
            *_listener(host, port + 1, "Gateways, by client certificate."),
            *_GATEWAY_IDENTITY,
            *tls,
            Line("require_certificate", "true", "Nobody without a certificate of the private authority,"),
            Line("crlfile", f"{files}/crl.pem", "or with a revoked one."),
            Line("use_identity_as_username", "true", "The user is the name in the certificate."),
            Line("acl_file", f"{files}/certificates.acl", "What each of these gateways may publish and read."),
        ]
    return tuple(lines)


_GATEWAY_IDENTITY: Final = (
    Line(
        "use_username_as_clientid",
        "true",
        "A session belongs to its user: nobody can take over that of another gateway.",
    ),
)


def _listener(host: str, port: int, why: str) -> tuple[Line, ...]:
    place = f"{port} {bare_host(host)}"
    return Line("listener", place, why), Line("allow_anonymous", "false", "Nobody without a name.")


def _tls(files: Path) -> tuple[Line, ...]:
    return (
        Line("certfile", f"{files}/server.pem", "The certificate of this broker,"),
        Line("keyfile", f"{files}/server.key", "its private key,"),
        Line("cafile", f"{files}/ca.pem", "and the authority that issued it."),
        Line("tls_version", "tlsv1.2", "TLS 1.2 and newer."),
    )


def with_refusals() -> tuple[Line, ...]:
    """Return `LIMITS` with the log lines from which refused logins are counted."""
    loud = Line("connection_messages", "true", "Pumpwatch reads from it which logins were refused, and hides the rest.")
    return tuple(loud if line.name == loud.name else line for line in LIMITS)


def anonymous(host: str, port: int) -> tuple[Line, ...]:
    """Return the listener of a Mosquitto that lets in every user of this machine."""
    return (
        Line("listener", f"{port} {bare_host(host)}", "Reachable from this machine only."),
        Line("allow_anonymous", "true", "Every user of this machine may use its broker."),
    )


def started_by_us(directory: Path, *, as_root: bool) -> tuple[Line, ...]:
    """Return further lines for the Mosquitto that Pumpwatch starts; `directory` is for its database."""
    return (
        Line("persistence_location", f"{directory}/", "The data directory, with everything else."),
        Line("log_dest", "stderr", "Pumpwatch reads it and forwards it to its own log."),
        Line("log_timestamp", "false", "Pumpwatch adds the time."),
        *(
            (Line("user", "root", "Otherwise it switches to a user who may not write to the data directory of root."),)
            * as_root
        ),
    )


def configuration(lines: Iterable[Line], heading: str) -> str:
    """Return the text of a configuration file, each line with its reason above it."""
    return "".join([f"# {heading}\n", *(f"\n# {line.why}\n{line.name} {line.value}\n" for line in lines)])


def find(path: str | None) -> Path | None:
    """Return the Mosquitto program on `path` (as in PATH) or in `SYSTEM_PLACES`, or None."""
    places = os.pathsep.join([*([path] if path else []), *SYSTEM_PLACES])
    found = shutil.which("mosquitto", path=places)
    return None if found is None else Path(found)


def listener_of(text: str) -> tuple[str, int]:
    """Return host and port at which the first listener of a configuration can be reached from this machine."""
    for line in text.splitlines():
        match line.split():
            case ["listener" | "port", port, *rest] if port.isdigit():
                host = rest[0] if rest else "127.0.0.1"
                return LOOPBACK_OF.get(host, host), int(port)
    return "127.0.0.1", 1883
