"""Joining a cluster: its identity in the bucket and in the data directory, and the checks before a node joins."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from broker.store import durable_write
from cluster import preflight
from cluster.leases import ConflictError, Store
from cluster.preflight import Facts, Identity, Server, Unreachable

FILE: Final = "cluster.json"
KEY: Final = "cluster"
OF_ONE: Final = ("checkpoint", "history", "log")
"""What a single processor writes into its data directory."""
DEFAULT_RANGES: Final = 8
"""Ranges of a new cluster: enough for eight nodes."""


class JoinError(Exception):
    """The node must not join; the text says why, and what to do."""


class _Record(msgspec.Struct, frozen=True):
    cluster: str
    ranges: int


async def join(store: Store, servers: list[Server | Unreachable], data: Path, ranges: int | None) -> Identity:
    """Return the identity of the cluster; the first node to join makes it, in the bucket and in the data directory.

    `ranges` is None if the number is not to be changed or chosen. Raises `JoinError`, or `OSError` if the bucket or the
    directory cannot be used.
    """
    there, here = await _in_bucket(store), in_directory(data)
    wanted = ranges or (there or here or Identity("", DEFAULT_RANGES)).ranges
    if here is None and any((data / name).exists() for name in OF_ONE):
        raise JoinError(
            f"{data} has the records of a single processor, which a cluster does not take over; start it with an empty "
            "data directory"
        )
    problems = preflight.problems(Facts(servers, str(data), here, there, wanted))
    if problems:
        raise JoinError(" ".join(problems))
    if there is None:
        # The directory first, of which only one node can make the file: all others then put the same in the bucket.
        own = here or _first(data, Identity(secrets.token_hex(8), wanted))
        with contextlib.suppress(ConflictError):
            await tell(store, own)
            return own
        return await join(store, servers, data, ranges)
    return there


async def tell(store: Store, identity: Identity) -> None:
    """Write into the bucket which cluster this is; raises `ConflictError` if it knows."""
    await store.put(KEY, msgspec.json.encode(_Record(identity.cluster, identity.ranges)), 0)


def in_directory(data: Path) -> Identity | None:
    """Return the cluster that uses a data directory, None if none did yet; raises `JoinError` if that is unreadable."""
    path = data / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise JoinError(f"{path} cannot be read: {error}; restore it from a backup of the data directory") from error
    return Identity(found.cluster, found.ranges)


async def _in_bucket(store: Store) -> Identity | None:
    entry = await store.get(KEY)
    if entry is None:
        return None
    found = msgspec.json.decode(entry.value, type=_Record)
    return Identity(found.cluster, found.ranges)


def _first(data: Path, identity: Identity) -> Identity:
    """Write the identity into the data directory unless there is one; return that which is there."""
    data.mkdir(parents=True, exist_ok=True)
    aside = data / f".{FILE}.{identity.cluster}"
    content = msgspec.json.encode(_Record(identity.cluster, identity.ranges))
    durable_write.replace(aside, lambda fresh: fresh.write_bytes(content))
    with contextlib.suppress(FileExistsError):
        os.link(aside, data / FILE)
    aside.unlink()
    return in_directory(data) or identity
