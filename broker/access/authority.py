"""Private certificate authority: certificates of the broker and of gateways, and the list of revoked ones."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 397
"""Longest validity that current TLS clients accept of a server certificate."""
BACKDATED: Final = timedelta(minutes=5)
"""Certificates begin this long ago, so that a gateway whose clock is a little late accepts them."""
MAX_HOST: Final = 253
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
"""A host name in ASCII, or a wildcard for one label."""
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that every certificate of a broker bears."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Facts:
    """What a certificate says: common name, serial number in hexadecimal, end, and the hosts it names."""

    name: str
    serial: str
    expires: datetime
    hosts: tuple[str, ...]


def is_host(text: str) -> bool:
    """Return whether a certificate may name this host."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= MAX_HOST and HOST.fullmatch(text) is not None
    return True


def new_authority(now: datetime) -> Issued:
    """Return a new authority, valid for `AUTHORITY_DAYS`; `now` is in UTC."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Pumpwatch private authority")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _issued(certificate, key)


def server_certificate(authority: Issued, hosts: Sequence[str], now: datetime) -> Issued:
    """Return a certificate of a broker that is reached under `hosts` (names or addresses) and from its own machine."""
    names = [_alternative(host) for host in dict.fromkeys((*hosts, *LOCAL_HOSTS))]
    return _issue(authority, "broker", names, ExtendedKeyUsageOID.SERVER_AUTH, now)


def client_certificate(authority: Issued, gateway: str, now: datetime) -> Issued:
    """Return a client certificate whose common name is the gateway's; the broker takes it for the user."""
    return _issue(authority, gateway, [], ExtendedKeyUsageOID.CLIENT_AUTH, now)


def revocation_list(authority: Issued, serials: Iterable[str], now: datetime) -> bytes:
    """Return the list of revoked certificates, PEM; it ends with the authority, so that it cannot expire unnoticed."""
    issuer, key = _load(authority)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - BACKDATED)
        .next_update(issuer.not_valid_after_utc)
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(now).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def end(certificate: bytes) -> datetime:
    """Return when a certificate in PEM ends, the first one of a chain; raises `ValueError` if it is none."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def facts(certificate: bytes) -> Facts:
    """Return what a certificate in PEM says; raises `ValueError` if it is none."""
    read = x509.load_pem_x509_certificate(certificate)
    (common,) = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [
            *map(str, names.get_values_for_type(x509.DNSName)),
            *map(str, names.get_values_for_type(x509.IPAddress)),
        ]
    except x509.ExtensionNotFound:
        hosts = []
    return Facts(str(common.value), f"{read.serial_number:x}", read.not_valid_after_utc, tuple(hosts))


def _issue(
    authority: Issued, name: str, hosts: Sequence[x509.GeneralName], purpose: x509.ObjectIdentifier, now: datetime
) -> Issued:
    issuer, signer = _load(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(name), issuer.subject, key.public_key(), now, CERTIFICATE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return _issued(builder.sign(signer, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _load(authority: Issued) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of the authority is not of the kind that pumpwatch makes (elliptic curve)")
    return x509.load_pem_x509_certificate(authority.certificate), key


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Issued(certificate.public_bytes(encoding), private)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
