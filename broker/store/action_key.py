"""Key that signs commands and operator actions: the private part among the secrets, the public part beside them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from broker.contract.signed import MAX_AGE_S, MAX_AHEAD_S, MAX_KEYS, Keys, Signer
from broker.store import file_lock, secret_files

log = logging.getLogger("broker")

PRIVATE: Final = "action.key"
"""Private key in PEM, among the secrets of the data directory."""
PUBLIC: Final = "action.pub"
"""Public keys (`Keys`) in the data directory: copy it to gateways on other machines."""
_LOCK: Final = "action.lock"
_KEYS = msgspec.json.Decoder(Keys)


class ActionKeyError(Exception):
    """The key that signs cannot be used; the text says what to do."""


def ensure(data: Path) -> None:
    """Make the key of a data directory at its first use. Raises `ActionKeyError`, `OSError`."""
    directory = secret_files.directory(data)
    if (directory / PRIVATE).exists() and (data / PUBLIC).exists():
        return
    with _locked(directory):
        fresh = not (directory / PRIVATE).exists()
        if fresh:
            _write_private(directory / PRIVATE)
        if fresh or not (data / PUBLIC).exists():
            _write_public(data, Keys([_read(directory / PRIVATE).public]))


def signer(data: Path) -> Signer:
    """Return the signer with the key of a data directory, made at its first use. Raises `ActionKeyError`, `OSError`."""
    ensure(data)
    return _read(secret_files.directory(data) / PRIVATE)


def renew(data: Path, now: int) -> str:
    """Replace the key and return the id of the new one; what the old one signed until `now` (wall ms) stays valid.

    Raises `ActionKeyError`, `OSError`.
    """
    ensure(data)
    directory = secret_files.directory(data)
    with _locked(directory):
        until = now + 1000 * (MAX_AGE_S + MAX_AHEAD_S)
        former = [key if key.until else msgspec.structs.replace(key, until=until) for key in read(data / PUBLIC).keys]
        _write_private(directory / PRIVATE)
        current = _read(directory / PRIVATE).public
        # The former ones stay listed: messages that a processor takes in again after a crash were signed with them.
        _write_public(data, Keys([current, *former][:MAX_KEYS]))
    return current.id


def succeed(data: Path, until: int) -> None:
    """Make a new key for a data directory that was restored without its private key.

    What the former ones signed stays valid until then (wall ms): the message log may contain such messages. Raises
    `ActionKeyError`, `OSError`.
    """
    former = read(data / PUBLIC).keys if (data / PUBLIC).exists() else []
    ended = [key if key.until else msgspec.structs.replace(key, until=until) for key in former]
    directory = secret_files.directory(data)
    with _locked(directory):
        _write_private(directory / PRIVATE)
        _write_public(data, Keys([_read(directory / PRIVATE).public, *ended][:MAX_KEYS]))


def read(path: Path) -> Keys:
    """Return the public keys of a file such as `action.pub`; raises `ActionKeyError`."""
    try:
        return _KEYS.decode(path.read_bytes())
    except OSError as error:
        raise ActionKeyError(f"{path} cannot be read: {error.strerror}; copy action.pub of the processor") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ActionKeyError(f"{path} contains no public keys ({error}); copy action.pub of the processor") from error


@dataclass
class KeyFile:
    """The public keys of a file as they are now; while it cannot be read, none, which is logged once."""

    path: Path
    _stamp: tuple[int, int, int] | None = None
    _keys: Keys = field(default_factory=Keys)
    _failed: bool = False

    def __call__(self) -> Keys:
        """Return the public keys; the file is read again when it changed."""
        try:
            status = self.path.stat()
            stamp = status.st_ino, status.st_mtime_ns, status.st_size
            if stamp != self._stamp:
                self._keys, self._stamp = read(self.path), stamp
            self._failed = False
        except (OSError, ActionKeyError) as error:
            if not self._failed:
                log.warning("no command and no action is accepted: %s", error)
            self._keys, self._stamp, self._failed = Keys(), None, True
        return self._keys


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let one process at a time make keys; raises `ActionKeyError` if another one takes too long."""
    try:
        with file_lock.hold(directory / _LOCK):
            yield
    except file_lock.LockedError as error:
        raise ActionKeyError(f"another process is making a key in {directory}; try again") from error


def _write_private(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret_files.write(path, pem)


def _write_public(data: Path, keys: Keys) -> None:
    secret_files.write(data / PUBLIC, msgspec.json.encode(keys) + b"\n")


def _read(path: Path) -> Signer:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ActionKeyError(f"{path} is no private key in PEM ({error}); remove it, and a new one is made") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ActionKeyError(f"{path} is no Ed25519 key; remove it, and a new one is made")
    return Signer(key.private_bytes_raw())
