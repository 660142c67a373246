"""The NATS server: which one is used, how it is set up, and leases in its key-value store."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.leases import ConflictError, Leases, Store
from cluster.nats_server import (
    Login,
    NatsError,
    Ports,
    check_version,
    configuration,
    find,
    write_configuration,
)

LOGIN = Login("pumpwatch", 'a "quoted" \\ password')


@pytest.mark.parametrize("text", ["nats-server: v2.11.0", "nats-server: v2.15.1", "nats-server: v3.0.0-beta"])
def test_a_version_that_is_new_enough_is_used(text: str) -> None:
    assert check_version(text) >= (2, 11)


@pytest.mark.parametrize(
    ("text", "why"),
    [("nats-server: v2.10.27", "is version 2.10.27; install 2.11 or later"), ("hello", "does not say its version")],
)
def test_another_version_is_refused_with_the_one_that_is_needed(text: str, why: str) -> None:
    with pytest.raises(NatsError, match=why):
        check_version(text)


def test_the_server_syncs_before_it_acknowledges_and_listens_on_this_machine_only() -> None:
    text = configuration("one", Path("/data"), Ports(1, 2, 3), LOGIN, 1000, ranges=8)
    assert "sync_interval: always" in text
    assert 'http: "127.0.0.1:3"' in text.splitlines()
    assert [line.strip() for line in text.splitlines() if "listen" in line] == [
        'listen: "127.0.0.1:1"',
        'listen: "127.0.0.1:2"',
    ]


@pytest.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[Store]:
    """A bucket of leases on a real server."""
    if not os.environ.get("CI"):
        pytest.importorskip("nats", reason="nats-py is not installed")
    import nats

    from cluster.jetstream import LeaseBucket

    try:
        program = find()
    except NatsError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    ports = Ports(_free_port(), _free_port(), _free_port())
    file = tmp_path / "nats.conf"
    write_configuration(file, configuration("one", tmp_path / "store", ports, LOGIN, 64 * 1024 * 1024, ranges=8))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server = await asyncio.create_subprocess_exec(
        program, "--config", file, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _listens(ports.client)
        client = await nats.connect(f"nats://127.0.0.1:{ports.client}", user=LOGIN.user, password=LOGIN.password)
        try:
            yield LeaseBucket(client.jetstream())
        finally:
            await client.close()
    finally:
        server.terminate()
        await server.wait()


async def test_one_of_twenty_nodes_gets_a_lease_on_a_real_server(bucket: Store) -> None:
    now_s = [0.0]
    nodes = [Leases(bucket, f"node-{number}", lambda: now_s[0]) for number in range(20)]
    taken = await asyncio.gather(*(node.acquire(0) for node in nodes))
    assert [lease.epoch for lease in taken if lease] == [1]
    owner = next(node for node, lease in zip(nodes, taken, strict=True) if lease)
    assert await owner.renew(0)
    other = next(node for node in nodes if node is not owner)
    assert await other.acquire(0) is None
    now_s[0] += 6
    lease = await other.acquire(0)
    assert lease is not None
    assert lease.epoch == 2
    assert not await owner.renew(0)
    with pytest.raises(ConflictError):
        await bucket.put("range.00", b"", 1)


async def test_a_bucket_with_other_settings_is_named_with_both(bucket: Store) -> None:
    from cluster.jetstream import DifferentError, LeaseBucket

    assert isinstance(bucket, LeaseBucket)
    await bucket.open()
    context = bucket._context
    config = (await context.stream_info("KV_pumpwatch-leases")).config
    await context.update_stream(config, max_bytes=1_000_000)
    with pytest.raises(
        DifferentError, match="KV_pumpwatch-leases exists with max_bytes 1000000, but max_bytes 16777216"
    ):
        await LeaseBucket(context).open()


async def test_a_bucket_that_the_servers_lost_is_made_again(bucket: Store) -> None:
    from cluster.jetstream import LeaseBucket

    assert isinstance(bucket, LeaseBucket)
    assert await bucket.put("range.00", b"value", 0)
    await bucket._context.delete_stream("KV_pumpwatch-leases")
    assert await bucket.get("range.00") is None
    with pytest.raises(OSError, match=r"range\.00 in the bucket pumpwatch-leases cannot be read or written"):
        await bucket.put("range.00", b"value", 0)
    assert await bucket.put("range.00", b"value", 0)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _listens(port: int) -> None:
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    pytest.fail(f"nats-server does not listen on port {port}")
