"""Address of a broker: its URL, the protocol that it speaks, and the error of connections to it."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from broker.mqtt.endpoint import host_and_port
from broker.mqtt.tls import NO_FILES, TlsError, TlsFiles, files_of

MQTT_3: Final = 4
MQTT_5: Final = 5
"""Protocol levels of MQTT 3.1.1 and 5, as CONNECT bears them."""
HOST: Final = re.compile(r"[^\s/?#@\[\]\x00-\x1f]{0,253}")
"""Characters and length of a host's name."""


class LinkError(Exception):
    """The broker could not be reached, refused the connection, or closed it; the text is for people.

    `code` is the broker's reason code (`broker.mqtt.reasons`), None if it gave none.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        """Say what happened, and the reason code if the broker gave one."""
        super().__init__(text)
        self.code = code


class TakenOverError(LinkError):
    """Another client uses the same client id; reconnecting would throw it out in turn."""


@dataclass
class Address:
    """Address of a broker, and the protocol that it speaks (None until a first connection has learned it)."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    protocol: int | None = None
    files: TlsFiles = field(default_factory=TlsFiles)
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    @property
    def url(self) -> str:
        """The address without its secrets."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{host_and_port(self.host, self.port)}"

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without TLS; raises `LinkError` if its files cannot be used."""
        try:
            return self.files.context() if self.tls else None
        except TlsError as error:
            raise LinkError(str(error)) from error

    @property
    def protocol_name(self) -> str:
        """The name of the protocol for people."""
        return "MQTT 3.1.1" if self.protocol == MQTT_3 else "MQTT 5"


def _split(url: str) -> SplitResult:
    """Split an address, or raise a `LinkError` that quotes nothing of it: any part may be a piece of a password."""
    try:
        url.encode()
        parts = urlsplit(url if "//" in url else f"mqtt://{url}")
        fine = parts.port != 0 and not parts.fragment and parts.path in {"", "/"} and "@" not in parts.query
    except ValueError:
        fine = False
    if not fine or not HOST.fullmatch(parts.hostname or "") or any(sign in url for sign in "\t\r\n #"):
        shown = " (not shown: it may contain a password)" if "@" in url else f" {url[:100]!r}"
        raise LinkError(
            f"the broker's address{shown} cannot be read; write mqtt://host:port or "
            "mqtt://user:password@host:port, port 1 to 65535. "
            "In a password write # as %23, / as %2F, [ as %5B, @ as %40 and % as %25"
        )
    return parts


def parse_url(url: str) -> Address:
    """Read `mqtt://[user:password@]host[:port]` (or `mqtts://`, also with `TlsFiles`), or raise `LinkError`."""
    place = url.rpartition("@")[2].removeprefix("mqtt://").removeprefix("mqtts://").partition("?")[0]
    if place.count(":") > 1 and not place.startswith("["):
        raise LinkError(f"the IPv6 address in {place[:100]} needs brackets; write mqtt://[::1]:1883")
    parts = _split(url)
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise LinkError("the broker's address begins with another scheme; allowed are mqtt:// and mqtts://")
    port = parts.port
    if not parts.hostname:
        raise LinkError("the broker's address has no host; write mqtt://127.0.0.1:1883")
    tls = parts.scheme == "mqtts"
    try:
        files = files_of(parts.query)
    except TlsError as error:
        raise LinkError(str(error)) from error
    if files != TlsFiles() and not tls:
        raise LinkError(NO_FILES)
    return Address(
        parts.hostname,
        port or (8883 if tls else 1883),
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        tls,
        files=files,
    )
