"""Gateways that people add: checks of their names, their passwords and certificates, and their removal."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

from broker.access import authority
from broker.access.credentials import Credentials, CredentialsError, new_line, new_password
from broker.access.key_files import KeyFiles
from broker.access.registry import MAX_GATEWAYS, Gateway, Registry
from broker.contract.topics import NAME, name_rule

RESERVED: Final = "pumpwatch-"
"""MQTT client ids of the parts begin so, and a gateway's client id is its name."""
SIMULATED: Final = re.compile(r"gateway-[0-9]+")
"""Names of simulated gateways."""


def check_name(name: str, known: set[str]) -> None:
    """Raise `CredentialsError` unless a gateway may get this name."""
    shown = repr(name[:80])
    if not NAME.fullmatch(name):
        raise CredentialsError(f"{shown} is not a valid gateway name: {name_rule()}")
    if ":" in name:
        raise CredentialsError(f"{shown} has a colon, which Mosquitto allows in no user's name; use - instead")
    if name.lower().startswith(RESERVED):
        raise CredentialsError(
            f"{shown} is reserved: names that begin with {RESERVED} belong to the parts of Pumpwatch"
        )
    if name in known:
        raise CredentialsError(f"there is a gateway {shown} already; choose another name, or remove that one first")
    if SIMULATED.fullmatch(name):
        raise CredentialsError(f"{shown} is reserved: names such as gateway-00 belong to simulated gateways")


def add_with_password(credentials: Credentials, name: str, now: datetime) -> str:
    """Add a gateway and return its password, which is stored nowhere; raises `CredentialsError`."""
    with credentials.locked():
        registry = _with_room(credentials, name)
        password = new_password()
        _put(credentials, registry, Gateway(name, _ms(now), line=new_line(name, password)))
    return password


def add_with_certificate(credentials: Credentials, name: str, now: datetime) -> authority.Issued:
    """Add a gateway and return its certificate and key, which are stored nowhere; raises `CredentialsError`."""
    with credentials.locked():
        registry = _with_room(credentials, name)
        issued = authority.client_certificate(KeyFiles(credentials).issuer(), name, now)
        _put(credentials, registry, _with_certificate(name, issued, now))
    return issued


def renew_password(credentials: Credentials, name: str, now: datetime) -> str:
    """Replace the password of a gateway and return the new one; raises `CredentialsError`."""
    with credentials.locked():
        registry = credentials.registry()
        gateway = find(registry, name)
        if not gateway.line:
            raise CredentialsError(f"gateway {name!r} has a certificate and no password")
        password = new_password()
        _put(credentials, registry, Gateway(name, _ms(now), line=new_line(name, password)))
    return password


def renew_certificate(credentials: Credentials, name: str, now: datetime) -> authority.Issued:
    """Replace the certificate of a gateway, revoke the old one, and return the new one; raises `CredentialsError`."""
    with credentials.locked():
        registry = credentials.registry()
        gateway = find(registry, name)
        if not gateway.serial:
            raise CredentialsError(f"gateway {name!r} has a password and no certificate")
        keys = KeyFiles(credentials)
        issued = authority.client_certificate(keys.issuer(), name, now)
        revoked = (*registry.revoked, gateway.serial)
        keys.revoke(revoked, now)
        _put(credentials, msgspec.structs.replace(registry, revoked=revoked), _with_certificate(name, issued, now))
    return issued


def remove(credentials: Credentials, name: str, now: datetime) -> Gateway:
    """Remove a gateway, revoke its certificate if it has one, and return it; raises `CredentialsError`."""
    with credentials.locked():
        registry = credentials.registry()
        gateway = find(registry, name)
        revoked = (*registry.revoked, gateway.serial) if gateway.serial else registry.revoked
        if gateway.serial:
            KeyFiles(credentials).revoke(revoked, now)
        rest = tuple(other for other in registry.gateways if other.name != name)
        credentials.replace(Registry(rest, revoked))
    return gateway


def find(registry: Registry, name: str) -> Gateway:
    """Return the gateway with that name; raises `CredentialsError` if there is none."""
    for gateway in registry.gateways:
        if gateway.name == name:
            return gateway
    raise CredentialsError(f"there is no gateway {name[:80]!r} among those added with: pumpwatch gateway add")


def _with_room(credentials: Credentials, name: str) -> Registry:
    check_name(name, credentials.known())
    registry = credentials.registry()
    if len(registry.gateways) >= MAX_GATEWAYS:
        raise CredentialsError(f"there are {MAX_GATEWAYS:,} gateways already, which is the most; remove some first")
    return registry


def _put(credentials: Credentials, registry: Registry, gateway: Gateway) -> None:
    """Write the registry with a gateway that is new or replaces the one of its name."""
    others = (other for other in registry.gateways if other.name != gateway.name)
    gateways = tuple(sorted((*others, gateway), key=lambda each: each.name))
    credentials.replace(msgspec.structs.replace(registry, gateways=gateways))


def _with_certificate(name: str, issued: authority.Issued, now: datetime) -> Gateway:
    facts = authority.facts(issued.certificate)
    return Gateway(name, _ms(now), serial=facts.serial, expires=_ms(facts.expires))


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
