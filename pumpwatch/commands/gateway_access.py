"""What the commands about gateways and keys share: credentials, and what is printed for a gateway."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.tables import write_json

if TYPE_CHECKING:
    from broker.access.authority import Issued
    from broker.access.credentials import Credentials

SAMPLE: Final = '{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}'


@dataclass(frozen=True)
class ClientFiles:
    """Where the certificate of a gateway, its key and the authority are written."""

    certificate: Path
    key: Path
    authority: Path


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Raise `CommandError` for what credentials and certificates refuse."""
    from broker.access.credentials import CredentialsError
    from broker.store.action_key import ActionKeyError

    try:
        yield
    except (CredentialsError, ActionKeyError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename or 'the credentials'}: {error.strerror or error}") from error


def prepared(where: Path) -> Credentials:
    """Return the credentials of a data directory, made if they are missing; raises `CommandError`."""
    from broker.access.credentials import credentials_of

    with refused():
        credentials = credentials_of(where)
        credentials.prepare()
    return credentials


def client_files(out: Path, name: str, *, renewed: bool = False) -> ClientFiles:
    """Return where to write the certificate of a gateway; raises `CommandError` if that would overwrite one."""
    files = ClientFiles(out / f"{name}.pem", out / f"{name}.key", out / "pumpwatch-ca.pem")
    for path in (files.certificate, files.key):
        if path.exists() and not renewed:
            raise CommandError(f"{path} exists already; move it, or name another directory with --out")
    if not out.is_dir():
        raise CommandError(f"there is no directory {out}; make it, or name another with --out")
    return files


def write_client(files: ClientFiles, issued: Issued, credentials: Credentials) -> None:
    """Write certificate, key and authority of a gateway, readable only by their owner."""
    from broker.access.key_files import KeyFiles
    from broker.store import secret_files

    secret_files.write(files.key, issued.key)
    secret_files.write(files.certificate, issued.certificate)
    secret_files.write(files.authority, KeyFiles(credentials).certificate.read_bytes())


def password_login(where: Path, name: str, password: str) -> dict[str, str]:
    """Return what a gateway needs to log in with its password, and a line to try it."""
    host, port, ca_file = _place(where)
    words = ["-h", host, "-p", str(port), *(("--cafile", ca_file) if ca_file else ()), "-u", name, "-P", password]
    login = {"user": name, "password": password, "url": _url(host, port, ca_file), "ca_file": ca_file}
    return {**login, **_example(name, words)}


def certificate_login(where: Path, name: str, files: ClientFiles) -> dict[str, str]:
    """Return what a gateway needs to log in with its certificate, and a line to try it."""
    host, port, _ = _place(where)
    ca_file, certificate, key = str(files.authority), str(files.certificate), str(files.key)
    words = ["-h", host, "-p", str(port + 1), "--cafile", ca_file, "--cert", certificate, "--key", key]
    login = {"user": name, "certificate": certificate, "key": key, "ca_file": ca_file}
    return {**login, "url": _url(host, port + 1, ca_file), **_example(name, words)}


def show(login: Mapping[str, str], *, as_json: bool) -> None:
    """Print a login to stdout: JSON, or a line for each part and the example last."""
    if as_json:
        write_json(login)
        return
    for name, value in login.items():
        if value and name != "example":
            typer.echo(f"{name.replace('_', ' '):<12}{value}")
    typer.echo(f"\n{login['example']}")


def effect(where: Path) -> str:
    """Return when a change holds, as the end of a sentence."""
    from broker.access import endpoints

    if endpoints.find(where) is not None:
        return "; the running broker applies it within a second"
    return "; it holds from the broker's next start (for a Mosquitto of your own: when it gets SIGHUP)"


def _place(where: Path) -> tuple[str, int, str]:
    """Return host and port of gateways with passwords, and the authority's file, empty without TLS."""
    from broker.access import endpoints
    from broker.access.credentials import credentials_of
    from broker.access.key_files import KeyFiles
    from broker.mqtt.address import parse_url

    last = endpoints.last(where)
    credentials = credentials_of(where)
    keys = KeyFiles(credentials)
    if last is None:
        return ("127.0.0.1", 1883, "")
    if last.tls and keys.exist:
        return keys.server_facts().hosts[0], last.port, str(keys.certificate)
    return parse_url(last.gateway_url(credentials)).host, last.port, ""


def _url(host: str, port: int, ca_file: str) -> str:
    from broker.mqtt.local_broker import url_of

    return url_of(host, port, tls=bool(ca_file))


def _example(name: str, words: list[str]) -> dict[str, str]:
    from broker.contract.topics import topic_of

    topic = topic_of(name, "telemetry")
    return {"topic": topic, "example": shlex.join(["mosquitto_pub", *words, "-q", "1", "-t", topic, "-m", SAMPLE])}
