"""The broker that Pumpwatch starts: where it listens, who may log in, and what is refused beyond this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.access import endpoints
from broker.access.credentials import Credentials, CredentialsError, credentials_of
from broker.access.endpoints import Endpoints
from broker.access.key_files import KeyFiles
from broker.mqtt import mosquitto_config
from broker.mqtt.address import parse_url
from broker.mqtt.endpoint import is_loopback
from broker.mqtt.local_broker import url_of
from broker.mqtt.reloading import RELOAD_INTERVAL_S
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import PREFIX, environment

MIN_SECRET: Final = 32
"""Fewest characters of a secret from which passwords are derived."""

log = logging.getLogger("pumpwatch")


@dataclass(frozen=True)
class OwnBroker:
    """Where the broker of a data directory listens, and its credentials; None if it is the embedded one."""

    endpoints: Endpoints
    credentials: Credentials | None

    def url(self, user: str) -> str:
        """Return the URL with which a part of the system logs in."""
        return self.gateway_url if self.credentials is None else self.endpoints.system_url(self.credentials, user)

    @property
    def flags(self) -> tuple[str, ...]:
        """The options of `pumpwatch broker`."""
        found = self.endpoints
        if self.credentials is None:
            return "--kind", "amqtt", "--host", found.host, "--port", str(found.port)
        ports = ("--port", str(found.port), "--system-port", str(found.system_port))
        return "--host", found.host, *ports, *(("--tls",) if found.tls else ())

    def variables_of_gateways(self) -> dict[str, str]:
        """Return the environment with which simulated gateways log in as themselves."""
        if self.credentials is None:
            return {}
        secret = str(self.credentials.fleet_secret_file)
        return {f"{PREFIX}GATEWAY_BROKER": self.gateway_url, f"{PREFIX}GATEWAY_SECRET": secret}

    @property
    def gateway_url(self) -> str:
        """The URL for gateways of this machine, without a login."""
        found = self.endpoints
        return url_of(found.host, found.port) if self.credentials is None else found.gateway_url(self.credentials)

    @property
    def gateway_address(self) -> str:
        """The address for gateways, for people."""
        return parse_url(self.gateway_url).url


def plan(
    data: Path,
    host: str,
    port: int,
    *,
    system_port: int = 0,
    tls: bool = False,
    simulated: Iterable[str] | None = None,
) -> OwnBroker:
    """Choose the ports and make the credentials that are missing; raises `CommandError`.

    `simulated` are the names of the simulated gateways; None leaves those that there are.
    """
    credentials = credentials_of(data)
    require_tls(host, tls=tls)
    if tls and not KeyFiles(credentials).exist:
        raise CommandError(
            "a broker with TLS needs a certificate; make one with: pumpwatch keys init --host NAME, where NAME is how "
            "gateways call this machine"
        )
    try:
        credentials.prepare(simulated)
    except CredentialsError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"cannot write {error.filename or credentials.path}: {error.strerror}") from error
    return OwnBroker(endpoints.plan(data, host, port, system_port=system_port, tls=tls), credentials)


def embedded(data: Path, host: str, port: int, *, tls: bool = False) -> OwnBroker:
    """Choose the port of the embedded broker; raises `CommandError` if others were to reach it."""
    if tls or not is_loopback(host):
        place = f"with TLS at {host}" if tls else f"at {host}"
        raise CommandError(
            f"the embedded broker checks no passwords and has no TLS: it listens on loopback only, not {place}; "
            "install mosquitto, or use 127.0.0.1 without TLS"
        )
    return OwnBroker(endpoints.plan(data, host, port), None)


def choose(data: Path, host: str, port: int, *, tls: bool, simulated: Iterable[str]) -> OwnBroker:
    """Return the broker to start: Mosquitto if it is installed, else the embedded one; raises `CommandError`."""
    if mosquitto_config.find(environment().get("PATH")) is None:
        return embedded(data, host, port, tls=tls)
    return plan(data, host, port, tls=tls, simulated=simulated)


def require_tls(host: str, *, tls: bool) -> None:
    """Raise `CommandError` if passwords would cross a network in clear text."""
    if not (tls or is_loopback(host)):
        raise CommandError(
            f"the broker does not listen at {host} without TLS: everybody on that network could read the passwords of "
            "gateways. Make a certificate with: pumpwatch keys init --host NAME, and add --tls (with pumpwatch run: "
            "--gateway-tls)"
        )


def simulated_login(
    data: Path, broker: str | None, gateway_broker: str | None, secret_file: Path | None, names: Iterable[str]
) -> tuple[str | None, bytes | None]:
    """Return where simulated gateways connect and the secret of their passwords, None and None if they have no own.

    Without options, the broker that runs on the data directory is made to let them in. Raises `CommandError`.
    """
    if secret_file is not None:
        try:
            secret = secret_file.read_bytes().strip()
        except OSError as error:
            raise CommandError(f"cannot read the gateway secret {secret_file}: {error.strerror}") from error
        if len(secret) < MIN_SECRET:
            raise CommandError(
                f"the gateway secret {secret_file} is too short; it needs {MIN_SECRET} characters or more, as in "
                "fleet.secret of pumpwatch keys init"
            )
        return gateway_broker, secret
    if gateway_broker is not None:
        raise CommandError("--gateway-broker needs --gateway-secret, from which the passwords of gateways are derived")
    found = endpoints.find(data) if broker is None else None
    if found is None:
        return None, None
    credentials = credentials_of(data)
    before = credentials.gateway_passwords.stat().st_mtime_ns
    try:
        credentials.prepare(names)
    except CredentialsError as error:
        raise CommandError(str(error)) from error
    if credentials.gateway_passwords.stat().st_mtime_ns != before:
        # The broker reads them within this time; those that come earlier are refused and back off for longer.
        time.sleep(2 * RELOAD_INTERVAL_S)
    return found.gateway_url(credentials), credentials.fleet_secret()


def warn_of_anonymous(url: str) -> None:
    """Log a warning if a broker of the user's own asks for no login."""
    address = parse_url(url)
    if not (address.username or address.files.client_cert):
        log.warning(
            "no user and no certificate for the broker at %s: whoever reaches it can read everything, send commands "
            "and speak for any gateway; docs/access.md says how to close it",
            address.url,
        )
