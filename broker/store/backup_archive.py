"""Archive of a backup: a ZIP file with a header, a digest of every member, and sealed secrets if there are any."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Final, TypeVar

import msgspec

from broker.store import private_files

FORMAT: Final = 1
HEADER: Final = "backup.json"
DIGESTS: Final = "digests.json"
SECRETS: Final = "secrets.sealed"
SETTINGS: Final = "settings.toml"
MAX_MEMBERS: Final = 2_000_000
MAX_NAME: Final = 500
MAX_HEADER_BYTES: Final = 1024**2
MAX_DIGESTS_BYTES: Final = 512 * 1024**2
MAX_SECRETS_BYTES: Final = 64 * 1024**2
NOT_RESTORED: Final = (
    *("secrets", "run.json", "client-id", "format.json", "broker", "accounts.json", "dashboard.", "."),
)
"""Beginnings of names below a data directory that no backup may contain in the open."""
_CHUNK: Final = 1024**2
_COMPRESSED: Final = (".parquet", ".arrow")
"""What is compressed already."""
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What `zipfile` raises for a file that is no archive, or a damaged one."""

Kind = TypeVar("Kind")


class BackupError(Exception):
    """The backup cannot be made or restored; the text says why and what to do."""


class Header(msgspec.Struct, frozen=True):
    """What a backup says about itself: `created` is wall ms, `entries` and `hash` are the end of its journal.

    `problem` is what was wrong with the journal when the backup was made, `left_out` are settings with secrets.
    """

    created: int
    version: str
    entries: int
    hash: str
    secrets: bool = False
    accounts: bool = False
    gateways: int = 0
    problem: str | None = None
    left_out: tuple[str, ...] = ()
    data_format: int = 0
    format: int = FORMAT


class Writer:
    """Writes a backup as a context; `finish` adds the digests and, if a function seals them, the secrets."""

    def __init__(self, file: IO[bytes]) -> None:
        self._archive = zipfile.ZipFile(file, "w", allowZip64=True)
        self._digests: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Writer:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the archive; without `finish` before, it has no digests and nobody can restore it."""
        self._archive.close()

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Add `size` bytes of a file; raises `BackupError` if it has fewer."""
        info, digest, left = _info(name), sha256(), size
        with self._archive.open(info, "w", force_zip64=True) as member:
            while left and (chunk := source.read(min(_CHUNK, left))):
                member.write(chunk)
                digest.update(chunk)
                left -= len(chunk)
        if left:
            raise BackupError(f"{name} became shorter while it was read; try again")
        self._digests[name] = (size, digest.hexdigest())

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small member."""
        self._archive.writestr(_info(name), content)
        self._digests[name] = (len(content), sha256(content).hexdigest())

    def finish(self, seal: Callable[[bytes], bytes] | None) -> None:
        """Write the digests; `seal` returns the sealed secrets, bound to the digest of the digests."""
        listed = msgspec.json.encode(self._digests)
        self._archive.writestr(_info(DIGESTS), listed)
        if seal is not None:
            self._archive.writestr(_info(SECRETS), seal(sha256(listed).digest()))


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_STORED if name.endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    return info


class Reader:
    """Reads a backup and trusts nothing of it: methods raise `BackupError` for what is damaged or not allowed."""

    def __init__(self, path: Path) -> None:
        """Open a backup and check header, names and sizes; raises `BackupError` or `OSError`."""
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except _DAMAGED as error:
            raise BackupError(
                f"{path} is no backup, or its end is missing ({error}); use another copy of it"
            ) from error
        try:
            self.header = self._header()
            listed = self._small(DIGESTS, MAX_DIGESTS_BYTES)
            self.digest = sha256(listed).digest()
            self._digests = self._decoded(listed, dict[str, tuple[int, str]])
            self._check_names()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    @property
    def total(self) -> int:
        """Size of all members when they are extracted."""
        return sum(size for size, _ in self._digests.values())

    def names(self) -> list[str]:
        """Return the names of the files of the data directory."""
        return [name for name in self._digests if name not in (HEADER, SETTINGS)]

    def sealed(self) -> bytes:
        """Return the sealed secrets."""
        return self._small(SECRETS, MAX_SECRETS_BYTES)

    def settings(self) -> bytes:
        """Return the settings file, empty if there was none."""
        return b"".join(self.content(SETTINGS)) if SETTINGS in self._digests else b""

    def content(self, name: str) -> Iterator[bytes]:
        """Yield a member in pieces; at its end it has the size and the digest that it had when it was written."""
        expected_size, expected = self._digests[name]
        size, digest = 0, sha256()
        try:
            with self._archive.open(name) as member:
                while chunk := member.read(_CHUNK):
                    size += len(chunk)
                    if size > expected_size:
                        raise self._damaged(name)
                    digest.update(chunk)
                    yield chunk
        except _DAMAGED as error:
            raise self._damaged(name) from error
        if (size, digest.hexdigest()) != (expected_size, expected):
            raise self._damaged(name)

    def _header(self) -> Header:
        written = self._small(HEADER, MAX_HEADER_BYTES)
        found = self._decoded(written, dict[str, object]).get("format")
        if found != FORMAT:
            raise BackupError(
                f"{self.path} has format {found!r:.20}, and this version of Pumpwatch reads {FORMAT}; restore it with "
                "the version that made it"
            )
        return self._decoded(written, Header)

    def _decoded(self, content: bytes, kind: type[Kind]) -> Kind:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._damaged(HEADER) from error

    def _small(self, name: str, limit: int) -> bytes:
        try:
            with self._archive.open(name) as member:
                content = member.read(limit + 1)
        except KeyError:
            raise BackupError(f"{self.path} is no backup of Pumpwatch: it has no {name}") from None
        except _DAMAGED as error:
            raise self._damaged(name) from error
        if len(content) > limit:
            raise BackupError(f"{name} in {self.path} is larger than the {limit:,} bytes that are allowed")
        return content

    def _check_names(self) -> None:
        members = self._archive.namelist()
        if len(members) > MAX_MEMBERS:
            raise BackupError(f"{self.path} has {len(members):,} files; at most {MAX_MEMBERS:,} are allowed")
        expected = {*self._digests, DIGESTS, *((SECRETS,) if self.header.secrets else ())}
        if len(members) != len(expected) or set(members) != expected:
            raise BackupError(f"{self.path} does not contain what it lists; use another copy of it")
        for name in self.names():
            if not is_safe(name):
                raise BackupError(f"{self.path} contains {name[:80]!a}, which no backup of Pumpwatch does")

    def _damaged(self, name: str) -> BackupError:
        return BackupError(f"{self.path} is damaged: {name[:80]!a} is not what was written; use another copy of it")


def is_safe(name: str) -> bool:
    """Return whether a member may become a file of a data directory: nothing outside of it, and nothing secret."""
    path = PurePosixPath(name)
    if not name.isprintable() or "\\" in name or len(name) > MAX_NAME or path.as_posix() != name or path.is_absolute():
        return False
    parts = path.parts
    return ".." not in parts and private_files.is_ours(parts[0]) and not _is_kept_out(parts[0])


def _is_kept_out(top: str) -> bool:
    return top.startswith(NOT_RESTORED)
