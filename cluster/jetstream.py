"""JetStream: the leases' key-value store on a NATS server."""

from __future__ import annotations

from typing import Final

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from cluster.leases import ConflictError, Entry

BUCKET: Final = "pumpwatch-leases"
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all leases; each takes some hundred bytes and keeps one value."""


class LeaseBucket:
    """The store of `cluster.leases` in a key-value bucket.

    A read may be answered by a server that is behind. Then an owner looks silent that is not; but the write that would
    take its lease names a revision of the past and is refused.
    """

    def __init__(self, bucket: KeyValue) -> None:
        """Take an open bucket."""
        self._bucket = bucket

    async def get(self, key: str) -> Entry | None:
        """Return the value of a key, None if it has none; raises `OSError` if no server answers."""
        try:
            found = await self._bucket.get(key)
        except KeyNotFoundError:
            return None
        except nats.errors.Error as error:
            raise _unreachable(key, error) from error
        return Entry(found.value or b"", found.revision or 0)

    async def put(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key still has that revision, 0 for none; return the new one.

        Raises `ConflictError`, or `OSError` if no server answers: then it is not known whether the value was written.
        """
        try:
            return await self._bucket.update(key, value, last=revision)
        except KeyWrongLastSequenceError as error:
            raise ConflictError(key) from error
        except nats.errors.Error as error:
            raise _unreachable(key, error) from error


async def lease_bucket(context: JetStreamContext, replicas: int = 1) -> LeaseBucket:
    """Return the bucket of leases, made if there is none; raises `nats.errors.Error` if one differs from this."""
    config = KeyValueConfig(BUCKET, history=1, max_bytes=MAX_BYTES, storage=StorageType.FILE, replicas=replicas)
    return LeaseBucket(await context.create_key_value(config))


def _unreachable(key: str, error: Exception) -> OSError:
    return OSError(f"the lease {key} cannot be read or written: {error or type(error).__name__}")
