"""Connections: how many there may be, in total and from one address, and how they become HTTP, with or without TLS."""

from __future__ import annotations

import asyncio
import collections
import ssl
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from dashboard.serving.counted_log import CountedLog
from dashboard.serving.tls import Certificate
from dashboard.settings import Limits, Network

LOOPBACK: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1"))
Peer = tuple[str, int]


class Connections:
    """The open connections of one server, by the address and port of the client.

    Addresses in `exempt` (reverse proxies, this machine) are bounded by the total alone.
    """

    def __init__(self, limits: Limits, exempt: tuple[Network, ...], log: CountedLog) -> None:
        """Start with none."""
        self.limits = limits
        self.log = log
        self._exempt = exempt
        self._open: dict[Peer, str] = {}
        self._of: collections.Counter[str] = collections.Counter()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def enter(self, peer: Peer) -> bool:
        """Count a new connection; return whether it may stay."""
        address = source(peer[0])
        if len(self._open) >= self.limits.connections:
            text = f"Connection from {peer[0]} refused: all {self.limits.connections:,} connections are in use"
            self.log.note("connections", text)
            return False
        if self._of[address] >= self.limits.connections_per_address and not self._is_exempt(peer[0]):
            text = (
                f"Connection from {peer[0]} refused: {self.limits.connections_per_address} connections of one address "
                "are open. If it is a reverse proxy, name it with --trusted-proxy"
            )
            self.log.note("connections of one address", text)
            return False
        self._open[peer] = address
        self._of[address] += 1
        return True

    def leave(self, peer: Peer) -> None:
        """Forget a connection that has ended; a second time has no effect."""
        address = self._open.pop(peer, None)
        if address is not None:
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]

    def _is_exempt(self, host: str) -> bool:
        return within(host, self._exempt)


def source(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or an IPv6 network of 64 bits."""
    address = _address(host)
    if isinstance(address, IPv6Address):
        return str(ip_network(f"{address}/64", strict=False))
    return str(address) if address else host


def within(host: str, networks: tuple[Network, ...]) -> bool:
    """Return whether an address is in one of the networks."""
    address = _address(host)
    return address is not None and any(address in network for network in networks)


def _address(host: str) -> object:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class Door(asyncio.Protocol):
    """First protocol of every connection: counts it, agrees on TLS in time, and hands it over to HTTP.

    The counting is done before TLS, because a handshake that never ends occupies a connection, too.
    """

    def __init__(self, connections: Connections, tls: Certificate | None, make: Callable[[], asyncio.Protocol]) -> None:
        """`make` returns the protocol that speaks HTTP."""
        self._connections = connections
        self._tls = tls
        self._make = make
        self._peer: Peer | None = None
        self._early: list[bytes] = []
        self._securing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, or end it if there are too many."""
        self._peer = peer_of(transport)
        if self._peer is None or not self._connections.enter(self._peer):
            self._peer = None
            transport.abort()
        elif self._tls is None:
            self._hand_over(transport)
        else:
            self._securing = asyncio.ensure_future(self._secure(transport, self._peer, self._tls.current()))

    def data_received(self, data: bytes) -> None:
        """Keep what a client sends with the last message of its handshake."""
        self._early.append(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget a connection that ended before it was handed over."""
        if self._peer is not None:
            self._connections.leave(self._peer)

    async def _secure(self, transport: asyncio.Transport, peer: Peer, tls: ssl.SSLContext) -> None:
        timeout_s = self._connections.limits.header_s
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, tls, server_side=True, ssl_handshake_timeout=timeout_s, ssl_shutdown_timeout=timeout_s
            )
        except OSError as error:
            self._connections.log.note("tls", f"TLS handshake with {peer[0]} failed: {error.strerror or error}")
            secured = None
        if secured is None or secured.is_closing():
            self._connections.leave(peer)
            transport.abort()
        else:
            self._hand_over(secured)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for data in self._early:
            if transport.get_protocol() is protocol:
                protocol.data_received(data)
        self._early.clear()


def peer_of(transport: asyncio.BaseTransport) -> Peer | None:
    """Return address and port of the client; None if it is gone."""
    name = transport.get_extra_info("peername")
    return (str(name[0]), int(name[1])) if name else None
