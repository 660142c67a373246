"""Reverse proxies of a test's own, nginx and Caddy, configured as documented or in a few lines."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT
from tests.server_process import program_of, running

PAGE = (ROOT / "docs" / "reverse-proxy.md").read_text("utf-8")
HOST = "ward.example"


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


def changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old} is not once in the documented configuration"
        text = text.replace(old, new)
    return text
