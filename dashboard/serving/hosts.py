"""Hosts: by which names the dashboard may be asked for, and from where without TLS."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from broker.mqtt.endpoint import bare_host, is_loopback
from dashboard.access.proxies import HOST, forwarded
from dashboard.serving.connections import LOOPBACK, within
from dashboard.settings import ALL_ADDRESSES, Settings

MAX_QUOTED: Final = 80


class Hosts:
    """Decides whether a request is for this dashboard: a page of another site that resolves to it must not reach it."""

    def __init__(self, settings: Settings) -> None:
        """Allow the host that it listens at, localhost, the public URL's host and the allowed hosts."""
        self._public = settings.public
        # Without TLS of its own beyond this machine, only the proxies in front of it may connect.
        open_to_all = settings.tls is not None or is_loopback(settings.host)
        self._peers = () if open_to_all else (*LOOPBACK, *settings.public.proxies)
        own = bare_host(settings.host)
        names = [*([] if own in ALL_ADDRESSES else [own]), *settings.allowed_hosts, "localhost"]
        if settings.public.url:
            names.append((urlsplit(settings.public.url).hostname or "").encode("idna").decode())
        self._names = {_canonical(name) for name in names}

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return HTTP status and reason if a request is refused."""
        client = scope.get("client")
        if self._peers and client and not within(client[0], self._peers):
            where = self._public.url or "the address of the reverse proxy"
            return 403, f"Without TLS this dashboard serves its reverse proxy only; open {where} instead."
        host = Headers(scope=forwarded(scope, self._public.proxies)).get("host", "")
        if HOST.fullmatch(host) and self._allows(_name(host), scope.get("server")):
            return None
        shown = host[:MAX_QUOTED].encode("ascii", "replace").decode()
        return 421, (
            f"This dashboard is not known as {shown!r}; start it with --allowed-host NAME if that is a name of it."
        )

    def _allows(self, name: str, arrived: tuple[str, int | None] | None) -> bool:
        if name in self._names or is_loopback(name):
            return True
        # A site that resolves to this address still has its own name in the Host header: an address is no such name.
        return arrived is not None and _is_address(name) and name == _canonical(arrived[0])


def _name(host: str) -> str:
    return _canonical(host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0])


def _canonical(name: str) -> str:
    text = bare_host(name).lower().rstrip(".")
    if not _is_address(text):
        return text
    address = ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
