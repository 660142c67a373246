"""Settings of the dashboard."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from broker.mqtt.endpoint import is_loopback

ALL_ADDRESSES: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # nothing listens here
"""Hosts of a listener at all addresses of the machine."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
PATH: Final = re.compile(r"(/(?!\.{1,2}(?:/|$))[\w.~-]+)+", re.ASCII)
Network = IPv4Network | IPv6Network
NAME: Final = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


@dataclass(frozen=True)
class Public:
    """Address at which browsers reach the dashboard, if a reverse proxy is in between, and the proxies to believe.

    `url` ends in a slash, `origin` is its scheme, host and port, `root` its path without the slash at the end. `url`
    and `origin` are empty if no public address is set. `proxies` are the senders of believed X-Forwarded headers.
    """

    url: str = ""
    origin: str = ""
    root: str = ""
    proxies: tuple[Network, ...] = ()


@dataclass(frozen=True)
class TlsFiles:
    """Certificate with its chain and private key of the dashboard's own listener, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Limits:
    """What one client, and all together, may take: bytes of a request body, connections, seconds.

    `header_s` is the time for a TLS handshake and for the headers of a request, `body_s` for its body, `idle_s` between
    two requests, `reading_s` in which a client must go on reading, `rest_s` in which a refused body is read on.
    """

    body: int = 1024 * 1024
    headers: int = 32 * 1024
    connections: int = 4000
    connections_per_address: int = 200
    sockets_per_session: int = 50
    header_s: float = 10.0
    body_s: float = 30.0
    idle_s: int = 15
    reading_s: float = 60.0
    rest_s: float = 2.0


@dataclass(frozen=True)
class OpenId:
    """Identity provider for sign-in by OpenID Connect.

    `role_claim` is the claim of the ID token whose values give roles, a dotted path if it is nested; `roles` are pairs
    of a value and the role that it gives.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    role_claim: str = "roles"
    roles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Settings:
    """Broker, data directory and address to serve at.

    `broker` is the broker's URL, `data` the directory that the processor writes to. `key` is the shared key, valid
    until there are accounts; if empty, one is generated at startup. A session ends `session_idle_s` after its last use,
    and `session_max_s` after its sign-in. `allowed_hosts` are further names of the dashboard, besides that of its
    listener, of its public address and localhost. `openid` is the identity provider that may sign people in, if any.
    """

    broker: str
    data: Path
    host: str = "127.0.0.1"
    port: int = 8050
    key: str = ""
    public: Public = Public()
    session_idle_s: float = 12 * 3600
    session_max_s: float = 7 * 24 * 3600
    tls: TlsFiles | None = None
    allowed_hosts: tuple[str, ...] = ()
    limits: Limits = Limits()
    openid: OpenId | None = None

    @property
    def named_host(self) -> str:
        """The host by which this listener can be asked for: if it listens at all addresses, the first allowed host."""
        if self.host.strip("[]") not in ALL_ADDRESSES:
            return self.host
        return next(iter(self.allowed_hosts), "localhost")

    @property
    def snapshots(self) -> Path:
        """Directory of the snapshots."""
        return self.data / "snapshot"


def public_address(url: str, root_path: str, proxies: tuple[str, ...]) -> Public:
    """Return the public address of the settings `public-url`, `root-path` and `trusted-proxy`; raises `ValueError`."""
    networks = tuple(_network(text) for text in proxies)
    root = _path("root-path", root_path)
    if not url:
        return Public(root=root, proxies=networks)
    parts = _public_url(url)
    path = _path("public-url", parts.path)
    if root and path and root != path:
        raise ValueError(f"public-url ends in {path} and root-path is {root}; give the same path, or only public-url")
    origin = origin_of(url)
    return Public(f"{origin}{root or path}/", origin, root or path, networks)


def host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the setting `allowed-host` in lower case; raises `ValueError`."""
    for name in names:
        if not NAME.fullmatch(name) and not _is_address(name):
            raise ValueError(
                f"allowed-host {name!r} is not a name or address; write it as browsers see it, without port, such as "
                "ward.example"
            )
    return tuple(name.lower() for name in names)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL as browsers write them in `Origin`; empty if it has none."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        return ""
    if parts.scheme not in DEFAULT_PORTS or not host:
        return ""
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}" + (f":{port}" if port not in {None, DEFAULT_PORTS[parts.scheme]} else "")


def _public_url(url: str) -> SplitResult:
    allowed = "write it as browsers see it, such as https://ward.example/pumps-ward/"
    if not origin_of(url):
        raise ValueError(f"public-url {url!r} is not an http or https address; {allowed}")
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"public-url of {parts.hostname} has a user, query or fragment; {allowed}")
    return parts


def _path(name: str, text: str) -> str:
    path = text.rstrip("/")
    if path and not PATH.fullmatch(path):
        raise ValueError(
            f"the path {text!r} of {name} is not allowed; it begins with / and has letters, digits and . _ ~ -, "
            "such as /pumps-ward"
        )
    return path


def _is_address(text: str) -> bool:
    try:
        ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f"trusted-proxy {text!r} is not an address or network; write 127.0.0.1, ::1 or 10.0.0.0/8"
        ) from None


def openid_provider(
    issuer: str, client_id: str, client_secret: str, role_claim: str, *, roles: tuple[str, ...], known: tuple[str, ...]
) -> OpenId | None:
    """Return the identity provider of the settings `oidc-…`, None without `oidc-issuer`; raises `ValueError`.

    Each of `roles` is VALUE=ROLE, with one of the roles `known`.
    """
    if not issuer:
        return None
    parts = urlsplit(issuer)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError(f"oidc-issuer {issuer!r} is not allowed: use an https address, or http on this machine")
    if not client_id:
        raise ValueError("oidc-issuer also needs oidc-client-id, the name of this dashboard at the identity provider")
    pairs = tuple((value, role) for value, _, role in (text.rpartition("=") for text in roles))
    wrong = [f"{value}={role}" for value, role in pairs if not value or role not in known]
    if wrong or not pairs:
        raise ValueError(
            f"oidc-role {wrong[0] if wrong else 'is missing'}: write VALUE=ROLE, with a value of the claim "
            f"{role_claim} and one of {', '.join(known)}"
        )
    return OpenId(issuer, client_id, client_secret, role_claim, pairs)
