"""TLS of a broker connection: certificate authority and client certificate, from PEM files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NO_FILES: Final = "certificates are for brokers with TLS; write mqtts:// instead of mqtt://"
HOST_MISMATCH: Final = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class _Socket(ssl.SSLSocket):
    """Closes itself if the handshake fails; paho-mqtt 2.1 leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class TlsError(Exception):
    """A file cannot be used for TLS; the text says which and why."""


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files, empty if there are none.

    `ca_file` has the certificates of the authorities to trust instead of the system's. `client_key` may be part of the
    file `client_cert`.
    """

    ca_file: str = ""
    client_cert: str = ""
    client_key: str = ""

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies the broker and presents the client certificate; raises `TlsError`."""
        if self.client_key and not self.client_cert:
            raise TlsError(f"the client key {self.client_key} has no certificate; name it with --client-cert")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if self.ca_file else ssl.create_default_context()
        context.sslsocket_class = _Socket
        if self.ca_file:
            _load_authorities(context, self.ca_file, "CA file")
        if self.client_cert:
            _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.client_cert, "client certificate")
            self._load_client(context)
        return context

    def _load_client(self, context: ssl.SSLContext) -> None:
        key = self.client_key or self.client_cert
        if "ENCRYPTED" in _read(key, "client key"):
            raise TlsError(f"the client key {key} is encrypted; write it without password, readable only by its owner")
        try:
            context.load_cert_chain(self.client_cert, key)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                text = f"the client key {key} does not belong to the client certificate {self.client_cert}"
            else:
                text = f"the client key {key} has no private key in PEM format"
            raise TlsError(text) from error


def untrusted(url: str, error: ssl.SSLCertVerificationError) -> str:
    """Return why the certificate of a broker is not trusted, and what to do."""
    wrong_host = error.verify_code in HOST_MISMATCH
    advice = "use a host that it names" if wrong_host else "name the authority that issued it with --ca-file"
    return f"the certificate of {url} is not trusted ({error.verify_message.rstrip('.')}); {advice}"


def _load_authorities(context: ssl.SSLContext, path: str, what: str) -> None:
    _read(path, what)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsError(f"the {what} {path} has no certificate in PEM format") from error


def _read(path: str, what: str) -> str:
    try:
        return Path(path).read_text("ascii", "replace")
    except OSError as error:
        raise TlsError(f"cannot read the {what} {path}: {error.strerror}") from error
