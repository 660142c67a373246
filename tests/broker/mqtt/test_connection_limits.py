"""Too few files or ports for the connections asked for: said before the first one is opened."""

from __future__ import annotations

import resource

import pytest

from broker.mqtt.address import LinkError
from broker.mqtt.connection_limits import raise_open_files, shortage
from simulator.gateway.service import run
from simulator.gateway.settings import Settings


def test_more_connections_than_local_ports_are_refused_with_what_to_do(tmp_path):
    ports = tmp_path / "range"
    ports.write_text("50000\t50009\n")
    assert shortage(10, ports=ports) == ""
    assert shortage(11, ports=ports) == (
        "this machine has 10 local ports (50,000 to 50,009) for connections to one broker; widen the range "
        "(sysctl net.ipv4.ip_local_port_range)"
    )
    assert shortage(11, ports=tmp_path / "of another system") == ""


def test_a_part_may_open_as_many_files_as_the_system_permits():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert "may open 256 files here, and 1,100 are needed; raise the limit (ulimit -Hn)" in shortage(1000)
        raise_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_simulator_with_too_many_gateways_says_so_at_once(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    with pytest.raises(LinkError, match=r"5,000 gateways need as many connections: a process may open 1,024 files"):
        await run(Settings("mqtt://127.0.0.1:1", pumps=5000, gateways=5000), None, print)  # type: ignore[arg-type]
