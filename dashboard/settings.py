"""Settings of the dashboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
PATH: Final = re.compile(r"(/(?!\.{1,2}(?:/|$))[\w.~-]+)+", re.ASCII)
Network = IPv4Network | IPv6Network


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
class Settings:
    """Broker, data directory and address to serve at.

    `broker` is the broker's URL, `data` the directory that the processor writes to. `key` is the shared key, valid
    until there are accounts; if empty, one is generated at startup. A session ends `session_idle_s` after its last use,
    and `session_max_s` after its sign-in.
    """

    broker: str
    data: Path
    host: str = "127.0.0.1"
    port: int = 8050
    key: str = ""
    public: Public = Public()
    session_idle_s: float = 12 * 3600
    session_max_s: float = 7 * 24 * 3600

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


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f"trusted-proxy {text!r} is not an address or network; write 127.0.0.1, ::1 or 10.0.0.0/8"
        ) from None
