"""Files of the private authority and of the broker's certificate, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from broker.access import authority
from broker.access.credentials import Credentials, CredentialsError
from broker.store import secret_files


@dataclass(frozen=True)
class KeyFiles:
    """The authority, the broker's certificate and the list of revoked certificates, beside the credentials."""

    credentials: Credentials

    @property
    def exist(self) -> bool:
        """Whether there is an authority."""
        return self._authority_key.exists()

    @property
    def certificate(self) -> Path:
        """The authority's certificate, which every client with TLS needs."""
        return self.credentials.mosquitto / "ca.pem"

    @property
    def server(self) -> Path:
        """The certificate of the broker."""
        return self.credentials.mosquitto / "server.pem"

    @property
    def _authority_key(self) -> Path:
        return self.credentials.path / "authority.key"

    def create(self, hosts: Sequence[str], now: datetime) -> None:
        """Make the authority, the broker's certificate for `hosts`, and an empty list of revoked ones."""
        issued = authority.new_authority(now)
        secret_files.write(self._authority_key, issued.key)
        secret_files.write(self.certificate, issued.certificate)
        self.renew_server(hosts, now)
        self.revoke((), now)

    def issuer(self) -> authority.Issued:
        """Return the authority; raises `CredentialsError` if there is none."""
        if not self.exist:
            raise CredentialsError(
                "there is no certificate authority yet; make one with: pumpwatch keys init --host NAME, where NAME is "
                "how gateways call this machine"
            )
        return authority.Issued(self.certificate.read_bytes(), self._authority_key.read_bytes())

    def server_facts(self) -> authority.Facts:
        """Return what the certificate of the broker says."""
        return authority.facts(self.server.read_bytes())

    def renew_server(self, hosts: Sequence[str], now: datetime) -> None:
        """Issue a new certificate of the broker."""
        issued = authority.server_certificate(self.issuer(), hosts, now)
        secret_files.write(self.credentials.mosquitto / "server.key", issued.key)
        secret_files.write(self.server, issued.certificate)

    def revoke(self, serials: Sequence[str], now: datetime) -> None:
        """Write the list of all revoked certificates."""
        content = authority.revocation_list(self.issuer(), serials, now)
        secret_files.write(self.credentials.mosquitto / "crl.pem", content)
