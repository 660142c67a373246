"""A private certificate authority, made with the openssl command, and a Mosquitto with a certificate of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from broker.mqtt.endpoint import free_port
from broker.mqtt.mosquitto_config import find
from broker.mqtt.tls import TlsFiles
from broker.mqtt.url_files import with_files
from tests.server_process import program_of, running

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
DAYS = ("-days", "2")


class Authority:
    """An authority and the certificates that it issued, as PEM files in one folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        """Make the authority's key and certificate."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        files = ("-keyout", self._key, "-out", self.certificate)
        constraint = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl("req", "-x509", *EC, *DAYS, "-subj", f"/CN=test {name}", *constraint, *files)

    def issue(self, name: str, *, host: str = "localhost") -> tuple[Path, Path]:
        """Issue a certificate; return it and its key."""
        certificate, key, request = (self._folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        openssl("req", *EC, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions)
        openssl("x509", "-req", "-in", request, *signer, *DAYS, "-out", certificate)
        return certificate, key


def openssl(*arguments: str | Path) -> None:
    subprocess.run([program_of("openssl"), *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class TlsBroker:
    """A Mosquitto whose certificate a private authority has issued for localhost."""

    port: int
    ca_file: str
    client_cert: str
    client_key: str

    def url(self, host: str = "localhost", **files: str) -> str:
        return with_files(f"mqtts://{host}:{self.port}", TlsFiles(**files))


@contextlib.contextmanager
def tls_mosquitto(authority: Authority, folder: Path, *lines: str) -> Iterator[TlsBroker]:
    """Run a Mosquitto with TLS and further lines of configuration."""
    port, (certificate, key) = free_port(), authority.issue("server")
    client, client_key = authority.issue("client")
    own = (f"listener {port} 127.0.0.1", "allow_anonymous true", "user root")
    files = (f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}")
    (folder / "own.conf").write_text("\n".join((*own, *files, *lines)) + "\n")
    program = find(os.environ.get("PATH"))
    assert program is not None
    with running([str(program), "-c", str(folder / "own.conf")], port, folder / "log"):
        yield TlsBroker(port, str(authority.certificate), str(client), str(client_key))
