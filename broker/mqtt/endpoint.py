"""Hosts and ports: IPv6 addresses in and out of brackets, and listening sockets of either family."""

from __future__ import annotations

import errno
import ipaddress
import socket


def bare_host(host: str) -> str:
    """Return the host without the brackets around an IPv6 address."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def host_and_port(host: str, port: int) -> str:
    """Return `host:port` as in a URL, an IPv6 address in brackets."""
    name = bare_host(host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host can be reached from this machine only."""
    try:
        address = ipaddress.ip_address(bare_host(host))
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def listening_socket(host: str, port: int, backlog: int = 128) -> socket.socket:
    """Return a socket that listens at an address of IPv4 or IPv6, `::` at all of both; raises `OSError`."""
    name = bare_host(host)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:
        raise OSError(errno.EINVAL, "no host can have this name") from error
    families = [family for family, *_ in found]
    family = socket.AF_INET if socket.AF_INET in families else families[0]
    both = name == "::" and socket.has_dualstack_ipv6()
    listening = socket.create_server((name, port), family=family, backlog=backlog, dualstack_ipv6=both)
    # Accepted sockets inherit it. asyncio sets it only where a socket names its protocol, and here none does: the body
    # of an answer would wait some 40 ms for the acknowledgement of its head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def free_port(host: str = "127.0.0.1") -> int:
    """Return a free TCP port of `host`."""
    with listening_socket(host, 0) as probe:
        return int(probe.getsockname()[1])
