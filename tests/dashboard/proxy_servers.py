"""Reverse proxies of a test's own, nginx, Caddy and Traefik, configured as documented or in a few lines."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.conftest import ROOT
from tests.server_process import START_TIMEOUT_S, program_of, running

PAGE = (ROOT / "docs" / "reverse-proxy.md").read_text("utf-8")
HOST = "ward.example"
STRIPPED = """
  middlewares:
    strip:
      stripPrefix:
        prefixes: [/pumps-ward]
"""


def documented(language: str) -> str:
    """Return the configuration in this language on the page about reverse proxies."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for the host of the proxy; return it and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    request = [
        program_of("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2"]
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


@contextlib.contextmanager
def nginx(server: str, port: int, folder: Path) -> Iterator[None]:
    """Run nginx with these lines of its `http` block."""
    program = program_of("nginx")
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}\n{server}\n}}\n"
    )
    with running([program, "-c", str(config), "-p", str(folder), "-e", "stderr"], port, folder / "nginx.log"):
        yield


@contextlib.contextmanager
def documented_nginx(port: int, dashboard: int, folder: Path) -> Iterator[None]:
    """Run nginx as documented."""
    certificate, key = make_certificate(folder)
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/ward.example.pem": str(certificate),
        "/etc/ssl/ward.example.key": str(key),
        "127.0.0.1:8050": f"127.0.0.1:{dashboard}",
    }
    with nginx(changed(documented("nginx"), changes), port, folder):
        yield


@contextlib.contextmanager
def documented_caddy(port: int, dashboard: int, folder: Path) -> Iterator[None]:
    """Run Caddy as documented."""
    program = program_of("caddy")
    certificate, key = make_certificate(folder)
    options = "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}\n"
    changes = {
        f"{HOST} {{": f"https://{HOST}:{port} {{\n bind 127.0.0.1\n tls {certificate} {key}",
        "127.0.0.1:8050": f"127.0.0.1:{dashboard}",
    }
    config = folder / "Caddyfile"
    config.write_text(options + changed(documented("caddy"), changes))
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with running(command, port, folder / "caddy.log", home):
        yield


@contextlib.contextmanager
def documented_traefik(port: int, dashboard: int, folder: Path, *, strip: bool = False) -> Iterator[None]:
    """Run Traefik as documented, or with the `StripPrefix` middleware as well."""
    changes = {"127.0.0.1:8050": f"127.0.0.1:{dashboard}"}
    if strip:
        changes["tls: {}"] = "tls: {}\n      middlewares: [strip]"
    config = folder / "traefik.yml"
    config.write_text(changed(documented("yaml"), changes) + (STRIPPED if strip else ""))
    command = [
        program_of("traefik"),
        f"--entrypoints.websecure.address=127.0.0.1:{port}",
        f"--providers.file.filename={config}",
        # Open WebSockets must not hold up its end.
        "--entrypoints.websecure.transport.lifecycle.gracetimeout=0",
        "--global.checknewversion=false",
    ]
    log = folder / "traefik.log"
    with running(command, port, log):
        # The port answers before the file is read.
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _routes(f"https://127.0.0.1:{port}/pumps-ward/"):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield


def _routes(address: str) -> bool:
    """Return whether a proxy with a certificate of its own making knows where to send a request."""
    try:
        return httpx.get(address, headers={"Host": HOST}, verify=False).status_code != httpx.codes.NOT_FOUND
    except httpx.TransportError:
        return False


def changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old} is not once in the documented configuration"
        text = text.replace(old, new)
    return text
