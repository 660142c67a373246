"""Address of a broker: its URL, the protocol that it speaks, and the error of connections to it."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from broker.mqtt.endpoint import host_and_port
from broker.mqtt.password import PasswordError, read_password
from broker.mqtt.tls import NO_FILES, TlsError
from broker.mqtt.url_files import ConnectionFiles, files_of, whole

MQTT_3: Final = 4
MQTT_5: Final = 5
"""Protocol levels of MQTT 3.1.1 and 5, as CONNECT bears them."""
NO_USER: Final = "a password needs a user; write mqtt://USER@host"
HOST: Final = re.compile(r"[^\s/?#@\[\]\x00-\x1f]{0,253}")
"""Characters and length of a host's name."""

BARE_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]+/?")
"""An IPv6 address without brackets, perhaps with a port; anything else with colons may contain a password."""
PLAIN: Final = re.compile(r"(?:mqtts?://)?[^@:]*(?::\d*)?/?")
"""An address that can contain no password; any other is not quoted."""


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
    """Address of a broker, and the protocol that it speaks (None until a first connection has learned it).

    `shared` is another address of the same broker, from which this one takes the protocol and the TLS context: one for
    each of thousands of sessions would take half a millisecond and tens of kB.
    `more` are further servers of the same broker, as host and port, which are tried in turn if one cannot be used.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    protocol: int | None = None
    files: ConnectionFiles = field(default_factory=ConnectionFiles)
    shared: Address | None = field(default=None, repr=False, compare=False)
    more: tuple[tuple[str, int], ...] = ()
    _context: ssl.SSLContext | None = field(default=None, init=False, repr=False, compare=False)
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    @property
    def url(self) -> str:
        """The address without its secrets."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{host_and_port(self.host, self.port)}"

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without TLS; raises `LinkError` if its files cannot be used."""
        if self.shared is not None:
            if self.shared._context is None:
                self.shared._context = self.shared.tls_context()
            return self.shared._context
        try:
            return self.files.context() if self.tls else None
        except TlsError as error:
            raise LinkError(str(error)) from error

    def login(self) -> tuple[str | None, str | None]:
        """Return user and password, the latter as its file has it now; raises `LinkError` if that cannot be used."""
        if not self.files.password_file:
            return self.username, self.password
        try:
            return self.username, read_password(self.files.password_file)
        except PasswordError as error:
            raise LinkError(str(error)) from error

    def for_user(self, username: str, password: str) -> Address:
        """Return the address of the same broker with another login; it takes the protocol from this one, if that can
        log in.
        """
        files = replace(self.files, password_file="")
        shared = (self.shared or self) if self.username else None
        return replace(self, username=username, password=password, files=files, shared=shared)

    def turn(self, tried: tuple[str, int]) -> None:
        """Go on to the next server if this is still the one that was tried: many sessions may share this address."""
        if self.more and tried == (self.host, self.port):
            (self.host, self.port), self.more = self.more[0], (*self.more[1:], tried)

    def spread(self, count: int) -> list[Address]:
        """Return an address for each of `count` sessions of the same broker; they start at the servers in turn."""
        if not self.more:
            return [self] * count
        servers = ((self.host, self.port), *self.more)
        turns = [(*servers[first:], *servers[:first]) for first in range(len(servers))]
        shared = self.shared or self
        return [
            replace(self, host=host, port=port, more=tuple(more), shared=shared)
            for (host, port), *more in (turns[number % len(turns)] for number in range(count))
        ]

    @property
    def protocol_name(self) -> str:
        """The name of the protocol for people."""
        return "MQTT 3.1.1" if self.protocol == MQTT_3 else "MQTT 5"


def _split(url: str) -> SplitResult:
    """Split an address, or raise a `LinkError` that quotes nothing of it: any part may be a piece of a password."""
    try:
        url.encode()
        parts = urlsplit(whole(url))
        fine = parts.port != 0 and not parts.fragment and parts.path in {"", "/"} and "@" not in parts.query
    except ValueError:
        fine = False
    if not fine or not HOST.fullmatch(parts.hostname or "") or any(sign in url for sign in "\t\r\n #"):
        shown = f" {url[:100]!r}" if PLAIN.fullmatch(url) else " (not shown: it may contain a password)"
        raise LinkError(
            f"the broker's address{shown} cannot be read; write mqtt://host:port or mqtt://user@host:port, "
            "port 1 to 65535, with the password in a file (--password-file) or in PUMPWATCH_BROKER_PASSWORD. "
            "In a user and a password write # as %23, / as %2F, [ as %5B, @ as %40 and % as %25"
        )
    return parts


def parse_url(url: str) -> Address:
    """Read `mqtt://[user[:password]@]host[:port][,host[:port]…]`, or `mqtts://`, with `ConnectionFiles`.

    Raises `LinkError`.
    """
    url, others = _servers(url)
    place = url.rpartition("@")[2].removeprefix("mqtt://").removeprefix("mqtts://").partition("?")[0]
    if place.count(":") > 1 and BARE_IPV6.fullmatch(place):
        raise LinkError(f"the IPv6 address in {place[:100]} needs brackets; write mqtt://[::1]:1883")
    parts = _split(url)
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise LinkError("the broker's address begins with another scheme; allowed are mqtt:// and mqtts://")
    port = parts.port
    tls = parts.scheme == "mqtts"
    standard = 8883 if tls else 1883
    more = [_split(f"mqtt://{other}") for other in others]
    if not parts.hostname or not all(each.hostname for each in more):
        raise LinkError("the broker's address has no host; write mqtt://127.0.0.1:1883")
    try:
        files = files_of(parts.query)
    except TlsError as error:
        raise LinkError(str(error)) from error
    if files.need_tls and not tls:
        raise LinkError(NO_FILES)
    if files.password_file and not parts.username:
        raise LinkError(NO_USER)
    if files.password_file and parts.password is not None:
        raise LinkError("the broker's address has a password and names a password file; remove one of them")
    return Address(
        parts.hostname,
        port or standard,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        tls,
        files=files,
        more=tuple((str(each.hostname), each.port or standard) for each in more),
    )


def _servers(url: str) -> tuple[str, list[str]]:
    """Return an address with its first server only, and the others of `host:port,host:port`."""
    place = url.rpartition("@")[2].removeprefix("mqtt://").removeprefix("mqtts://")
    first, *others = re.split("[/?]", place, maxsplit=1)[0].split(",")
    before = url[: len(url) - len(place)]
    return before + first + place[len(",".join((first, *others))) :], others


def with_password(url: str, password: str) -> str:
    """Return the URL of a broker that has a user but no password with this one; raises `LinkError`."""
    parts = urlsplit(whole(url))
    if not parts.username:
        raise LinkError(NO_USER)
    login, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}:{quote(password, safe='')}@{place}"))


def without_password(url: str) -> str:
    """Return the URL of a broker without the password of its user and without the path of its password file."""
    parts = urlsplit(whole(url))
    login, at, place = parts.netloc.rpartition("@")
    query = urlencode([(name, path) for name, path in parse_qsl(parts.query) if name != "password_file"])
    return urlunsplit(parts._replace(netloc=f"{login.partition(':')[0]}{at}{place}", query=query))
