"""JetStream: the leases' key-value store on a NATS server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Final

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BadRequestError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from cluster.leases import ConflictError, Entry
from cluster.preflight import Existing, existing_problems

log = logging.getLogger("node")

TIMEOUT_S: Final = 1.0
"""For one answer of the servers: leases must be renewed meanwhile."""
CONNECT_TIMEOUT_S: Final = 30.0
"""For the first connection and the bucket: servers that have just started first elect a leader."""
RETRY_S: Final = 0.5
BUCKET: Final = "pumpwatch-leases"
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all leases; each takes some hundred bytes and keeps one value."""


class LeaseBucket:
    """The store of `cluster.leases` in a key-value bucket with `replicas` copies, made if there is none.

    After an error the bucket is made again before anything else: servers that lost their disks answer so too.

    A read may be answered by a server that is behind. Then an owner looks silent that is not; but the write that would
    take its lease names a revision of the past and is refused.
    """

    def __init__(self, context: JetStreamContext, replicas: int = 1) -> None:
        """Take a connection of the servers; the bucket is opened when it is first used."""
        self._context, self._replicas = context, replicas
        self._bucket: KeyValue | None = None

    async def open(self) -> KeyValue:
        """Return the bucket, made if there is none; raises `nats.errors.Error` if one differs from this."""
        if self._bucket is None:
            config = KeyValueConfig(
                BUCKET, history=1, max_bytes=MAX_BYTES, storage=StorageType.FILE, replicas=self._replicas
            )
            try:
                self._bucket = await self._context.create_key_value(config)
            except BadRequestError as error:
                raise DifferentError(await self._differences() or str(error)) from error
        return self._bucket

    async def _differences(self) -> str:
        """Return in which settings the bucket's stream is another than needed, in words."""
        found = (await self._context.stream_info(f"KV_{BUCKET}")).config
        needed = {"num_replicas": self._replicas, "max_msgs_per_subject": 1, "max_bytes": MAX_BYTES, "storage": "file"}
        has = {name: getattr(found, name) for name in needed}
        existing = Existing("stream", f"KV_{BUCKET}", has | {"storage": str(has["storage"])}, needed)
        return " ".join(existing_problems([existing]))

    async def get(self, key: str) -> Entry | None:
        """Return the value of a key, None if it has none; raises `OSError` if no server answers."""
        try:
            found = await (await self.open()).get(key)
        except KeyNotFoundError:
            return None
        except nats.errors.Error as error:
            self._bucket = None
            raise _unreachable(key, error) from error
        return Entry(found.value or b"", found.revision or 0)

    async def put(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key still has that revision, 0 for none; return the new one.

        Raises `ConflictError`, or `OSError` if no server answers: then it is not known whether the value was written.
        """
        try:
            return await (await self.open()).update(key, value, last=revision)
        except KeyWrongLastSequenceError as error:
            raise ConflictError(key) from error
        except nats.errors.Error as error:
            self._bucket = None
            raise _unreachable(key, error) from error


class UnansweredError(OSError):
    """The servers did not answer in time; trying again may help."""


class DifferentError(Exception):
    """The bucket exists with other settings; the text says which."""


class Requests:
    """Requests to the interface of JetStream, for what the client's library has no method."""

    def __init__(self, client: Client) -> None:
        """Take an open connection."""
        self._client = client

    async def request(self, subject: str, payload: bytes = b"") -> bytes:
        """Return the answer to a request; raises `OSError` if there is none."""
        try:
            return (await self._client.request(subject, payload, timeout=TIMEOUT_S)).data
        except nats.errors.Error as error:
            raise OSError(f"no answer to {subject}: {error or type(error).__name__}") from error


class UnreachableError(Exception):
    """The cluster's servers cannot be reached or used; the text says why."""


@contextlib.asynccontextmanager
async def cluster_store(
    url: str, replicas: int = 1, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[LeaseBucket, Requests]]:
    """Connect to the servers at `nats://[USER:PASSWORD@]HOST:PORT[,…]`, with `tls` if they require TLS.

    Yields the bucket of leases and the connection for other requests.

    The connection is made again for ever after it was lost. Raises `UnreachableError` if it cannot be made at first,
    `DifferentError` if the bucket exists with other settings.
    """

    latest = ""

    async def report(error: Exception) -> None:
        nonlocal latest
        latest = str(error) or type(error).__name__
        log.debug("cluster: %s", error)

    shown = ", ".join(server.rpartition("@")[2] for server in url.split(","))
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            client = await nats.connect(
                url.split(","),
                error_cb=report,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,
                connect_timeout=2,
                **({} if tls is None else {"tls": tls}),
            )
            bucket = await _opened(LeaseBucket(client.jetstream(timeout=TIMEOUT_S), replicas))
    except (OSError, nats.errors.Error, TimeoutError, ValueError) as error:
        reason = str(error) or latest or f"no answer within {CONNECT_TIMEOUT_S:g} s"
        raise UnreachableError(
            f"the cluster at {shown} cannot be used: {reason}; check its address, its login and, with TLS, --ca-file"
        ) from error
    try:
        yield bucket, Requests(client)
    finally:
        # A TLS connection that is gone already raises AttributeError in asyncio.
        with contextlib.suppress(nats.errors.Error, OSError, AttributeError):
            await client.close()


async def _opened(bucket: LeaseBucket) -> LeaseBucket:
    """Return the bucket once it is open: servers that have no leader yet refuse or do not answer."""
    while True:
        try:
            await bucket.open()
        except nats.errors.Error as error:
            log.debug("cluster: %s", error)
            await asyncio.sleep(RETRY_S)
        else:
            return bucket


def _unreachable(key: str, error: Exception) -> OSError:
    return UnansweredError(f"{key} in the bucket {BUCKET} cannot be read or written: {error or type(error).__name__}")
