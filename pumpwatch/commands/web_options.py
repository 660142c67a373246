"""The dashboard's place on the network, from options: public address, TLS, allowed hosts; and back into options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pumpwatch.commands.errors import CommandError

if TYPE_CHECKING:
    from dashboard.settings import Public, TlsFiles


@dataclass(frozen=True)
class Web:
    """Public address, TLS files and allowed hosts of the dashboard, checked."""

    public: Public
    tls: TlsFiles | None
    allowed_hosts: tuple[str, ...]

    def flags(self) -> tuple[str, ...]:
        """Return the options of `pumpwatch dashboard` that lead to the same."""
        pairs = [
            ("--public-url", self.public.url),
            ("--root-path", "" if self.public.url else self.public.root),
            *(("--trusted-proxy", str(proxy)) for proxy in self.public.proxies),
            ("--tls-cert", "" if self.tls is None else str(self.tls.certificate)),
            ("--tls-key", "" if self.tls is None else str(self.tls.key)),
            *(("--allowed-host", name) for name in self.allowed_hosts),
        ]
        return tuple(word for name, value in pairs if value for word in (name, value))


def web_of(
    url: str,
    root_path: str,
    proxies: Sequence[str] | None,
    *,
    certificate: Path | None,
    key: Path | None,
    hosts: Sequence[str] | None,
) -> Web:
    """Return what the options say; raises a usage error if they are invalid, `CommandError` if the files are."""
    from dashboard.settings import TlsFiles, host_names, public_address

    if (certificate is None) != (key is None):
        given, lacking = ("--tls-cert", "--tls-key") if key is None else ("--tls-key", "--tls-cert")
        raise typer.BadParameter(f"{given} needs {lacking}; give the certificate and its private key")
    try:
        public, names = public_address(url, root_path, _each(proxies)), host_names(_each(hosts))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if certificate is None or key is None:
        return Web(public, None, names)
    files = TlsFiles(certificate.resolve(), key.resolve())
    _check(files)
    return Web(public, files, names)


def _each(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the values of a repeatable option; variables and settings separate them by spaces or commas."""
    return tuple(" ".join(values or ()).replace(",", " ").split())


def _check(files: TlsFiles) -> None:
    from dashboard.serving import tls

    try:
        tls.context(files.certificate, files.key)
    except ValueError as error:
        raise CommandError(str(error)) from error
