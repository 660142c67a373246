"""TLS of the dashboard's own listener: certificate and private key, checked before anything listens."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

_READABLE: Final = "PEM files that the user of the dashboard may read"


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
