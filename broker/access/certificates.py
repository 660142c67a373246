"""When the certificates of an installation end: the authority's, the broker's, and that of the dashboard's listener."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.access import authority
from broker.access.credentials import Credentials
from broker.store import durable_write, secret_files

DASHBOARD: Final = "dashboard.certificate"
"""File in the data directory that says where the certificate of the dashboard is."""
SOON_DAYS: Final = 30
URGENT_DAYS: Final = 7
_MS_PER_DAY: Final = 86_400_000
_MAX_PATH: Final = 4_096


@dataclass(frozen=True)
class Certificate:
    """A certificate: whose it is, when it ends (wall ms), and what to do before that."""

    what: str
    expires: int
    remedy: str

    def days_left(self, now: int) -> int:
        """Return the whole days until it ends at `now` (wall ms); negative if it has ended."""
        return math.floor((self.expires - now) / _MS_PER_DAY)

    def text(self, now: int) -> str:
        """Return the sentence about its end."""
        days = self.days_left(now)
        ends = f"expires in {days} d" if days > 0 else "expires today" if days == 0 else "has expired"
        return f"the certificate of {self.what} {ends}: {self.remedy}"


def note_dashboard(data: Path, certificate: Path | None) -> None:
    """Note where the certificate of the dashboard is; None if it has none. Raises `OSError`."""
    path = data / DASHBOARD
    if certificate is None:
        path.unlink(missing_ok=True)
        return
    content = str(certificate.absolute()).encode()
    durable_write.replace(path, lambda fresh: fresh.write_bytes(content))


def certificates(data: Path) -> Iterator[Certificate]:
    """Yield the certificates that are there and can be read; others, as of another machine, are left out."""
    credentials = Credentials(secret_files.path(data) / "broker")
    authority_file, server = credentials.mosquitto / "ca.pem", credentials.mosquitto / "server.pem"
    remedy = (
        f"move {credentials.path / 'authority.key'} away, run pumpwatch keys init, give each gateway the new ca.pem"
    )
    found = [("the private authority", authority_file, remedy), ("the broker", server, "run pumpwatch keys renew")]
    with contextlib.suppress(OSError, ValueError):
        path = Path((data / DASHBOARD).read_bytes()[:_MAX_PATH].decode())
        found.append(("the dashboard", path, f"replace {path} (--tls-cert) and its key; new connections use them"))
    for what, path, remedy in found:
        with contextlib.suppress(OSError, ValueError):
            yield Certificate(what, round(authority.end(path.read_bytes()).timestamp() * 1000), remedy)


def ending(data: Path, now: int) -> dict[int, str]:
    """Return a sentence about what ends within `URGENT_DAYS`, and one about what ends within `SOON_DAYS`, by days."""
    texts: dict[int, list[str]] = {}
    for certificate in certificates(data):
        left = certificate.days_left(now)
        if left <= SOON_DAYS:
            texts.setdefault(URGENT_DAYS if left <= URGENT_DAYS else SOON_DAYS, []).append(certificate.text(now))
    return {days: "; ".join(sentences) for days, sentences in texts.items()}
