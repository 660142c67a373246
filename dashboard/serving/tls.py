"""TLS of the dashboard's own listener: certificate and private key, checked before anything listens."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dashboard.settings import TlsFiles

LOG: Final = logging.getLogger("dashboard")
LOOK_INTERVAL_S: Final = 10.0
_READABLE: Final = "PEM files that the user of the dashboard may read"


class Certificate:
    """The TLS settings for new connections; a renewed certificate is used without a restart."""

    def __init__(self, files: TlsFiles, clock: Callable[[], float]) -> None:
        """Load the files; `clock` is monotonic, in s. Raises `ValueError`."""
        self._files = files
        self._clock = clock
        self._looked_at = clock()
        self._stamp = self._found()
        self._context = context(files.certificate, files.key)

    def current(self) -> ssl.SSLContext:
        """Return the settings; the files are looked at every `LOOK_INTERVAL_S`, and kept if the new ones are wrong."""
        if self._clock() - self._looked_at >= LOOK_INTERVAL_S:
            self._looked_at = self._clock()
            if (stamp := self._found()) != self._stamp:
                self._stamp = stamp
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = context(self._files.certificate, self._files.key)
        except ValueError as error:
            LOG.warning("The certificate changed and cannot be used, the one before stays: %s", error)
        else:
            LOG.info("The certificate %s was renewed", self._files.certificate)

    def _found(self) -> list[tuple[int, int]]:
        found = []
        for path in (self._files.certificate, self._files.key):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_mtime_ns, status.st_ino))
        return found


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the server's TLS settings; raises `ValueError` if the files cannot be used, with what to do."""
    for name, path in (("tls-cert", certificate), ("tls-key", key)):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{name} {path} cannot be read: {error.strerror}; use {_READABLE}") from error
        if b"-----BEGIN" not in content:
            raise ValueError(f"{name} {path} is not a PEM file; use {_READABLE}")
        if b"ENCRYPTED" in content:
            raise ValueError(
                f"{name} {path} is encrypted, and nobody is asked for its password; store the key decrypted, readable "
                "by its owner only: openssl pkey -in KEY -out FILE"
            )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ValueError(f"tls-cert {certificate} and tls-key {key} cannot be used together: {_why(error)}") from error
    return made


def _why(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate; give the certificate of the server first, then its chain"
    return f"{error.reason or error}; use a certificate with its chain and an unencrypted private key, both as PEM"
