"""The system that a load test is given: a running one of this machine, or any broker; who may be its target."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from broker.access import endpoints
from broker.access.credentials import CredentialsError, credentials_of
from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.endpoint import bare_host, is_loopback
from broker.mqtt.local_broker import url_of
from broker.mqtt.reloading import RELOAD_INTERVAL_S
from broker.mqtt.tls import TlsFiles
from broker.mqtt.topic_access import LOAD, MONITOR
from broker.mqtt.url_files import with_files
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.own_broker import MIN_SECRET
from pumpwatch.supervision import run_file
from trials.load.system import SystemUnderLoad

PARTS: Final = {"broker": "broker", "process": "processor", "dashboard": "dashboard", "simulate": "simulator"}
"""Parts by the command that runs them."""
REACH_S: Final = 5.0


@dataclass(frozen=True)
class Target:
    """What the options say: `broker` and `data` (one of them), `dashboard` with its key, and how gateways log in.

    `confirmed` is the host that may be loaded although it is not this machine. `workers` is how many take part.
    """

    broker: str | None = None
    data: Path | None = None
    dashboard: str | None = None
    gateway_broker: str | None = None
    secret_file: Path | None = None
    confirmed: str | None = None
    workers: int = 0

    @property
    def given(self) -> bool:
        """Whether there is a target; else the test starts a system of its own."""
        return self.broker is not None or self.data is not None

    def check(self) -> None:
        """Raise `CommandError` if the options contradict each other, or if a host is not to be loaded."""
        if self.broker is not None and self.data is not None:
            raise CommandError("--broker and --processor-data name two targets; leave one of them out")
        if self.workers and not self.given:
            raise CommandError("workers need a broker that they reach: add --processor-data DIR or --broker URL")
        if (self.dashboard or self.gateway_broker or self.secret_file) and not self.given:
            raise CommandError(
                "a dashboard or gateway login belongs to a target: add --processor-data DIR or --broker URL"
            )
        for url in (self.broker, self.gateway_broker):
            if url is not None:
                allow(_host_of_broker(url), self.confirmed)
        if self.dashboard is not None:
            allow(_host_of_dashboard(self.dashboard), self.confirmed)

    def system(self, names: Sequence[str]) -> SystemUnderLoad:
        """Return the target, with `names` of gateways let in; raises `CommandError`."""
        return self._on_data(self.data, names) if self.data is not None else self._at_broker()

    def _on_data(self, data: Path, names: Sequence[str]) -> SystemUnderLoad:
        found = endpoints.find(data)
        if found is None:
            raise CommandError(
                f"no broker with passwords runs on {data}; start a system with: PUMPWATCH_TRACE=1 pumpwatch run "
                f"--data {data}, or name a broker with --broker URL"
            )
        credentials = credentials_of(data)
        try:
            if credentials.admit(names):
                # The broker reads them within this time; who comes earlier is refused and backs off for longer.
                time.sleep(2 * RELOAD_INTERVAL_S)
        except CredentialsError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"cannot write {error.filename}: {error.strerror}") from error
        return SystemUnderLoad(
            monitor=parse_url(found.system_url(credentials, MONITOR)),
            gateway_url=found.gateway_url(credentials),
            gateway_secret=credentials.fleet_secret().decode(),
            parts=parts_of(data),
            dashboard=self.dashboard,
            workers=parse_url(found.system_url(credentials, LOAD)) if self.workers else None,
        )

    def _at_broker(self) -> SystemUnderLoad:
        try:
            address = parse_url(self.broker or "")
            url, secret = self.login()
        except LinkError as error:
            raise CommandError(str(error)) from error
        return SystemUnderLoad(
            monitor=address,
            gateway_url=url,
            gateway_secret=secret,
            dashboard=self.dashboard,
            workers=address if self.workers else None,
            elsewhere=not is_loopback(address.host),
        )

    def login(self) -> tuple[str, str | None]:
        """Return where gateways connect, and the secret of their passwords (None: all with the login of the URL).

        Raises `CommandError`.
        """
        url = self.gateway_broker or self.broker or ""
        if self.secret_file is None:
            return url, None
        try:
            secret = self.secret_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read the gateway secret {self.secret_file}: {error}") from error
        if len(secret) < MIN_SECRET:
            raise CommandError(
                f"the gateway secret {self.secret_file} is too short; it needs {MIN_SECRET} characters or more, as in "
                "fleet.secret of pumpwatch keys init"
            )
        # Our broker has one session for each user: a gateway that looked for the protocol with this login would end it.
        address = parse_url(url)
        ca_file = TlsFiles(ca_file=address.files.ca_file)
        return with_files(url_of(address.host, address.port, tls=address.tls), ca_file), secret


def allow(host: str, confirmed: str | None) -> None:
    """Raise `CommandError` unless a host is this machine, or is exactly the one that was confirmed."""
    if is_loopback(host) or host == confirmed:
        return
    instead = f"; --i-know-what-i-do names {confirmed}" if confirmed else ""
    raise CommandError(
        f"{host or 'the target'} is another machine, and a load test may bring it down{instead}; if it is yours to "
        f"load, add: --i-know-what-i-do {host}"
    )


def _host_of_broker(url: str) -> str:
    try:
        return bare_host(parse_url(url).host)
    except LinkError as error:
        raise CommandError(str(error)) from error


def _host_of_dashboard(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in {"http", "https"} else None
    except ValueError:
        host = None
    if not host:
        raise CommandError("the dashboard's address cannot be read; write http://HOST:PORT/?key=KEY, as it was printed")
    return host


async def reach_dashboard(url: str) -> None:
    """Raise `CommandError` if nothing listens at the dashboard's address."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except ValueError as error:
        raise CommandError(f"the dashboard's address has no port that exists: {error}") from error
    except OSError as error:  # TimeoutError is one
        why = "no answer" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno or 0, str(error))
        raise CommandError(
            f"no dashboard answers at {place} ({why}); check the address, or leave out --dashboard"
        ) from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def parts_of(data: Path) -> dict[str, int]:
    """Return the process ids of the parts that the system running on a data directory started on this machine."""
    running = run_file.find(data)
    if running is None:
        return {}
    found: dict[str, int] = {}
    try:
        for process in psutil.Process(running.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                place = words.index("pumpwatch") + 1 if "pumpwatch" in words else len(words)
                if place < len(words) and words[place] in PARTS:
                    found.setdefault(PARTS[words[place]], process.pid)
    except psutil.Error:
        return {}
    return found
