"""Reverse proxies: the path below which the dashboard appears, and the X-Forwarded headers of trusted proxies."""

from __future__ import annotations

import re
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.settings import Network, Public

ROOT_PATH: Final[ContextVar[str]] = ContextVar("root path", default="")
"""Path below which the browser of this request sees the dashboard; empty at the top of its site."""
HOST: Final = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?", re.ASCII)
SCHEMES: Final = {"http": {"http": "http", "websocket": "ws"}, "https": {"http": "https", "websocket": "wss"}}
MAX_HOPS: Final = 32


def path_of(path: str) -> str:
    """Return the path by which the browser of this request reaches a page, such as "/pumps-ward/alarms"."""
    return ROOT_PATH.get() + path


def local_path(target: str) -> str:
    """Return the target if it is a path of this site to go on to, else the start page."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\", "/sign-")) else "/"


class BehindProxy:
    """Serves an application, which knows nothing of proxies, as it is seen from in front of them.

    Inside, paths have no root path, whether the proxy strips it or not, and client, scheme and Host header are those
    of the browser if a trusted proxy says so.
    """

    def __init__(self, app: ASGIApp, public: Public) -> None:
        """Serve `app` at a public address."""
        self._app = app
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        root = self._public.root
        ROOT_PATH.set(root)
        if root and scope["type"] == "http" and scope["path"] == root:
            query = scope["query_string"].decode("latin-1")
            await RedirectResponse(f"{root}/" + (f"?{query}" if query else ""), 307)(scope, receive, send)
            return
        await self._app(forwarded(_without_root(scope, root), self._public.proxies), receive, send)


def forwarded(scope: Scope, proxies: tuple[Network, ...]) -> Scope:
    """Return the scope with client, scheme and host of the X-Forwarded headers, if a trusted proxy sent them."""
    client = scope.get("client")
    if not client or not _trusted(client[0], proxies):
        return scope
    headers = Headers(scope=scope)
    changed = {**scope, "client": (_client(client[0], _values(headers, "x-forwarded-for"), proxies), 0)}
    for proto in _values(headers, "x-forwarded-proto")[-1:]:
        changed["scheme"] = SCHEMES.get(proto.lower(), {}).get(scope["type"], scope["scheme"])
    for host in _values(headers, "x-forwarded-host")[-1:]:
        if HOST.fullmatch(host):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            changed["headers"] = [(b"host", host.encode("ascii")), *others]
    return changed


def _client(sender: str, hops: list[str], proxies: tuple[Network, ...]) -> str:
    """Return the last address that is not a trusted proxy; earlier ones may be invented by the client."""
    nearest = sender
    for hop in reversed(hops[-MAX_HOPS:]):
        address = _address(hop)
        if address is None:
            break
        nearest = str(address)
        if not _trusted(nearest, proxies):
            break
    return nearest


def _trusted(host: str, proxies: tuple[Network, ...]) -> bool:
    address = _address(host)
    return address is not None and any(address in network for network in proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; else None."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _values(headers: Headers, name: str) -> list[str]:
    return [value.strip() for value in ",".join(headers.getlist(name)).split(",") if value.strip()]


def _without_root(scope: Scope, root: str) -> Scope:
    if not root or not scope["path"].startswith(f"{root}/"):
        return scope
    raw = scope.get("raw_path") or b""
    changed = {**scope, "path": scope["path"].removeprefix(root)}
    if raw.startswith(root.encode()):
        changed["raw_path"] = raw.removeprefix(root.encode())
    return changed
