"""Credentials of a broker that Pumpwatch starts: passwords of parts and gateways, and the files of Mosquitto from them.

Everything is in `secrets/broker` of a data directory; `mosquitto` in there is what Mosquitto itself reads.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from broker.access.password_lines import SALT_BYTES, derived_password, password_line, salt_of, user_of
from broker.access.registry import Registry
from broker.mqtt import topic_access
from broker.mqtt.tls import TlsFiles
from broker.mqtt.url_files import ConnectionFiles, with_files
from broker.store import file_lock, secret_files

DIRECTORY: Final = "broker"
PASSWORD_BYTES: Final = 24
SECRET_BYTES: Final = 32


class CredentialsError(Exception):
    """The credentials cannot be used or changed; the text says why and what to do."""


@dataclass(frozen=True)
class Credentials:
    """The credentials of one data directory; `path` is their directory."""

    path: Path

    @property
    def mosquitto(self) -> Path:
        """Return the directory with the files that Mosquitto reads."""
        return self.path / "mosquitto"

    @property
    def registry_file(self) -> Path:
        """Return the file with the gateways that were added."""
        return self.path / "gateways.json"

    @property
    def gateway_passwords(self) -> Path:
        """Return Mosquitto's password file of gateways."""
        return self.mosquitto / "gateways.passwd"

    @property
    def system_passwords(self) -> Path:
        """Return Mosquitto's password file of the parts of the system."""
        return self.mosquitto / "system.passwd"

    @property
    def gateway_access(self) -> Path:
        """Return Mosquitto's access file of gateways with passwords."""
        return self.mosquitto / "gateways.acl"

    @property
    def certificate_access(self) -> Path:
        """Return Mosquitto's access file of gateways with certificates."""
        return self.mosquitto / "certificates.acl"

    @property
    def system_access(self) -> Path:
        """Return Mosquitto's access file of the parts of the system."""
        return self.mosquitto / "system.acl"

    @property
    def fleet_secret_file(self) -> Path:
        """Return the file of the secret from which the passwords of simulated gateways are derived."""
        return self.path / "fleet.secret"

    def password_file(self, user: str) -> Path:
        """Return the file whose only line is the password of a part of the system."""
        return self.path / f"{user.removeprefix('_')}.password"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the credentials while they are changed; raises `CredentialsError` if another process changes them."""
        try:
            with file_lock.hold(self.path / "lock"):
                yield
        except file_lock.LockedError:
            raise CredentialsError("another command is changing the credentials; try again when it has ended") from None

    def prepare(self, simulated: Iterable[str] | None = None) -> None:
        """Make what is missing, and write the files of Mosquitto; the passwords of parts stay.

        `simulated` are the names of the simulated gateways; None leaves those that there are. Raises
        `CredentialsError` or `OSError`.
        """
        _make(self.path)
        _make(self.mosquitto)
        with self.locked():
            self._write_system()
            registry = self.registry()
            if simulated is None:
                lines = self._simulated_lines(registry)
            else:
                secret, before = self.fleet_secret(), _by_user(self._lines())
                lines = [_line(name, derived_password(secret, name), before) for name in simulated]
            self._write_gateways(registry, lines)

    def admit(self, names: Iterable[str]) -> bool:
        """Let simulated gateways in beside those that there are; return whether any of them is new.

        Raises `CredentialsError` or `OSError`.
        """
        with self.locked():
            registry, secret = self.registry(), self.fleet_secret()
            lines = self._simulated_lines(registry)
            known = {user_of(line) for line in lines}
            fresh = [_line(name, derived_password(secret, name), {}) for name in names if name not in known]
            self._write_gateways(registry, [*lines, *fresh])
        return bool(fresh)

    def renew_system(self, user: str) -> None:
        """Give a part of the system a new password; it is disconnected and logs in again with the new one."""
        with self.locked():
            _write_password(self.password_file(user))
            self._write_system()

    def fleet_secret(self) -> bytes:
        """Return the secret of the simulated fleet, made if it is missing."""
        if not self.fleet_secret_file.exists():
            secret_files.write(self.fleet_secret_file, f"{secrets.token_urlsafe(SECRET_BYTES)}\n".encode())
        return self.fleet_secret_file.read_bytes().strip()

    def registry(self) -> Registry:
        """Return the gateways that were added; raises `CredentialsError` if the file cannot be read."""
        try:
            return msgspec.json.decode(self.registry_file.read_bytes(), type=Registry)
        except FileNotFoundError:
            return Registry()
        except (msgspec.DecodeError, OSError) as error:
            raise CredentialsError(
                f"cannot read {self.registry_file}: {error}; restore it from a backup, or remove it and add the "
                "gateways again"
            ) from error

    def known(self) -> set[str]:
        """Return the names of all gateways, simulated ones too."""
        return {user_of(line) for line in self._lines()} | {gateway.name for gateway in self.registry().gateways}

    def replace(self, registry: Registry) -> None:
        """Write another registry and the files of Mosquitto; the caller holds the lock."""
        simulated = self._simulated_lines(self.registry())
        secret_files.write(self.registry_file, msgspec.json.format(msgspec.json.encode(registry), indent=1))
        self._write_gateways(registry, simulated)

    def url(self, user: str, host_and_port: str) -> str:
        """Return the URL with which a part of the system logs in."""
        files = ConnectionFiles(password_file=str(self.password_file(user)))
        return with_files(f"mqtt://{quote(user)}@{host_and_port}", files)

    def tls_files(self) -> TlsFiles:
        """Return what a client of this machine needs to trust the broker's certificate."""
        return TlsFiles(ca_file=str(self.mosquitto / "ca.pem"))

    def _write_system(self) -> None:
        """Write users and access of the parts, and options of mosquitto_sub: it takes a password from no other file."""
        for user in topic_access.SYSTEM_USERS:
            if not self.password_file(user).exists():
                _write_password(self.password_file(user))
        before = _by_user(_read_lines(self.system_passwords))
        lines = [
            _line(user, self.password_file(user).read_text("utf-8").strip(), before)
            for user in topic_access.SYSTEM_USERS
        ]
        _write_lines(self.system_passwords, lines)
        monitor = topic_access.MONITOR
        password = self.password_file(monitor).read_text("utf-8").strip()
        _write(self.mosquitto / "mosquitto_sub", f"--username {monitor}\n--pw {password}\n")
        _write(self.system_access, topic_access.system_access())

    def _write_gateways(self, registry: Registry, simulated: list[str]) -> None:
        own = [gateway.line for gateway in registry.gateways if gateway.line]
        _write_lines(self.gateway_passwords, [*simulated, *own])
        _write(self.gateway_access, topic_access.gateway_access())
        names = [gateway.name for gateway in registry.gateways if gateway.serial]
        _write(self.certificate_access, topic_access.certificate_access(names))

    def _simulated_lines(self, registry: Registry) -> list[str]:
        added = {gateway.name for gateway in registry.gateways}
        return [line for line in self._lines() if user_of(line) not in added]

    def _lines(self) -> list[str]:
        return _read_lines(self.gateway_passwords)


def credentials_of(data: Path) -> Credentials:
    """Return the credentials of the broker of a data directory, whether they exist or not."""
    return Credentials(secret_files.directory(data.resolve()) / DIRECTORY)


def new_password() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def new_line(user: str, password: str) -> str:
    """Return a password line with a random salt."""
    return password_line(user, password, _salt())


def _salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def _write_password(path: Path) -> None:
    secret_files.write(path, f"{new_password()}\n".encode())


def _make(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=secret_files.DIRECTORY_MODE)
    path.chmod(secret_files.DIRECTORY_MODE)


def _line(user: str, password: str, before: dict[str, str]) -> str:
    """Return the password line, with the salt of the one before: the same password is the same line."""
    return password_line(user, password, salt_of(before.get(user, "")) or _salt())


def _by_user(lines: list[str]) -> dict[str, str]:
    return {user_of(line): line for line in lines}


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


def _write_lines(path: Path, lines: list[str]) -> None:
    _write(path, "".join(f"{line}\n" for line in lines))


def _write(path: Path, text: str) -> None:
    """Write a file unless it has that text already: a running broker reads again what is written."""
    content = text.encode()
    if not path.exists() or path.read_bytes() != content:
        secret_files.write(path, content)
