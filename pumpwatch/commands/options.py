"""Options that several commands share: name, environment variable, range and help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pumpwatch import settings
from pumpwatch.settings import PREFIX

LOOPBACK = "127.0.0.1"
DASHBOARD_PORT = 8050
HISTORY_GB = 2.0
BYTES_A_GB = 1_000_000_000


def path(value: Path | None) -> Path | None:
    """Return the path of an option with `~` expanded; every option that is a path calls this. Raises a usage error."""
    try:
        return settings.expanded(value)
    except settings.SettingsError as error:
        raise typer.BadParameter(str(error)) from error


def scenario_path(value: str | None) -> str | None:
    """Return the name or the file of a scenario, `~` expanded as in a path. Raises a usage error."""
    return str(path(Path(value))) if value is not None and value.startswith("~") else value


def webhook_url(value: str) -> str:
    """Return the address of a webhook as it is, which may be empty. Raises a usage error that does not quote it."""
    from processor.service.anchor_webhook import WebhookError, address_of

    try:
        if value:
            address_of(value)
    except WebhookError as error:
        raise typer.BadParameter(f"the address cannot be used: {error}") from error
    return value


def _env(name: str) -> str:
    return f"{PREFIX}{name}"


def _file(flag: str, meaning: str) -> Any:
    """Return an option that names a file of the connection to the broker."""
    variable = _env(flag.removeprefix("--").replace("-", "_").upper())
    return typer.Option(flag, envvar=variable, metavar="FILE", callback=path, help=meaning, show_default=False)


Broker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar=_env("BROKER"),
        metavar="URL",
        help="Running broker, as mqtt://host:port or mqtt://user@host:port with --password-file. "
        "Default: the broker of the running system.",
        show_default=False,
    ),
]
OwnBroker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar=_env("BROKER"),
        metavar="URL",
        help="Running broker, as mqtt://host:port or mqtt://user@host:port with --password-file. Default: start one.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar=_env("DATA"),
        metavar="DIR",
        callback=path,
        help="Data directory. Default: the user's data directory.",
        show_default=False,
    ),
]
Pumps = Annotated[
    int | None,
    typer.Option(
        "--pumps",
        envvar=_env("PUMPS"),
        min=settings.PUMPS.ge,
        max=settings.PUMPS.le,
        help="Number of pumps. Default: from the scenario, else 200.",
        show_default=False,
    ),
]
Gateways = Annotated[
    int | None,
    typer.Option(
        "--gateways",
        envvar=_env("GATEWAYS"),
        min=settings.GATEWAYS.ge,
        max=settings.GATEWAYS.le,
        help="Number of gateways, one MQTT session each. Default: one per 25 pumps, above 40 gateways one per 1,000.",
        show_default=False,
    ),
]
Speed = Annotated[
    float,
    typer.Option(
        "--speed",
        envvar=_env("SPEED"),
        min=settings.SPEED.ge,
        max=settings.SPEED.le,
        help="Therapy seconds per wall-clock second.",
    ),
]
Interval = Annotated[
    str | None,
    typer.Option(
        "--interval",
        envvar=_env("INTERVAL"),
        metavar="TIME",
        help="Therapy time between two samples of a pump: 60s, 5m. Default: from the scenario, else 60s.",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        envvar=_env("SEED"),
        min=settings.SEED.ge,
        max=settings.SEED.le,
        help="Random seed; the same seed gives the same run. Default: from the scenario, else 42.",
        show_default=False,
    ),
]
Scenario = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        envvar=_env("SCENARIO"),
        metavar="NAME|FILE",
        callback=scenario_path,
        help="Bundled scenario such as demo, or a TOML file; 'none' for a healthy fleet.",
    ),
]
Payload = Annotated[
    Literal["auto", "json", "arrow"],
    typer.Option("--payload", envvar=_env("PAYLOAD"), help="auto: JSON for gateways of one pump, Arrow for more."),
]
HistorySize = Annotated[
    float,
    typer.Option(
        "--history-size",
        envvar=_env("HISTORY_SIZE"),
        min=settings.HISTORY_GB.ge,
        max=settings.HISTORY_GB.le,
        metavar="GB",
        help="Maximum size of the sample history in GB; the oldest samples are deleted first.",
    ),
]
HistoryDays = Annotated[
    int,
    typer.Option(
        "--history-days",
        envvar=_env("HISTORY_DAYS"),
        min=settings.HISTORY_DAYS.ge,
        max=settings.HISTORY_DAYS.le,
        metavar="DAYS",
        help="Days with samples to keep before the current one; 0 keeps as many as --history-size allows.",
    ),
]
Log = Annotated[
    settings.LogKind,
    typer.Option(
        "--log",
        envvar=_env("LOG"),
        help="Log for people, or as JSON, one object a line; auto is text on a terminal, else JSON.",
    ),
]
OtlpEndpoint = Annotated[
    str,
    typer.Option(
        "--otlp-endpoint",
        envvar=_env("OTLP_ENDPOINT"),
        metavar="URL",
        help="Collector of OpenTelemetry to which traces of batches are sent (OTLP over HTTP), such as "
        "http://127.0.0.1:4318/v1/traces; needs pumpwatch[otel]. Default: none.",
        show_default=False,
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        envvar=_env("METRICS_PORT"),
        min=settings.PORT.ge,
        max=settings.PORT.le,
        help="Port of this machine for /metrics, /healthz and /readyz; with `run`, the first of one for each part. "
        "Default: none.",
        show_default=False,
    ),
]
JournalAnchorUrl = Annotated[
    str,
    typer.Option(
        "--journal-anchor-url",
        envvar=_env("JOURNAL_ANCHOR_URL"),
        metavar="URL",
        callback=webhook_url,
        help="https:// address that gets the hash of the last journal entry every hour and at a stop. Default: none.",
        show_default=False,
    ),
]
Host = Annotated[
    str,
    typer.Option("--host", envvar=_env("HOST"), metavar="ADDRESS", help="Address the dashboard listens on."),
]
Port = Annotated[
    int,
    typer.Option(
        "--port", envvar=_env("PORT"), min=settings.PORT.ge, max=settings.PORT.le, help="Port of the dashboard."
    ),
]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar=_env("KEY"),
        metavar="TEXT",
        help="Shared key that opens the dashboard until there are accounts. Default: a new one at each start.",
        show_default=False,
    ),
]
PublicUrl = Annotated[
    str,
    typer.Option(
        "--public-url",
        envvar=_env("PUBLIC_URL"),
        metavar="URL",
        help="Address of the dashboard in front of a reverse proxy, such as https://ward.example/pumps-ward/.",
        show_default=False,
    ),
]
RootPath = Annotated[
    str,
    typer.Option(
        "--root-path",
        envvar=_env("ROOT_PATH"),
        metavar="PATH",
        help="Path of the dashboard in front of a reverse proxy. Default: the path of --public-url.",
        show_default=False,
    ),
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        envvar=_env("TRUSTED_PROXY"),
        metavar="ADDRESS|NETWORK",
        help="Proxy whose X-Forwarded-For, -Proto and -Host are believed; repeat it for more. Default: none.",
        show_default=False,
    ),
]
TlsCert = Annotated[
    Path | None,
    _file("--tls-cert", "Certificate of the dashboard with its chain, in PEM, to serve https. Default: http."),
]
TlsKey = Annotated[Path | None, _file("--tls-key", "Private key of --tls-cert, in PEM, without password.")]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        envvar=_env("ALLOWED_HOST"),
        metavar="NAME",
        help="Further name by which browsers reach the dashboard; repeat it for more. Always allowed: the host of "
        "--host and --public-url, localhost, and the address of this machine.",
        show_default=False,
    ),
]
CaFile = Annotated[
    Path | None,
    _file(
        "--ca-file",
        "Authority that issued the certificate of an mqtts:// broker, in PEM. Default: those of the system.",
    ),
]
ClientCert = Annotated[
    Path | None, _file("--client-cert", "Certificate to present to an mqtts:// broker, in PEM. Default: none.")
]
ClientKey = Annotated[
    Path | None,
    _file("--client-key", "Private key of --client-cert, in PEM, without password. Default: in the same file."),
]
PasswordFile = Annotated[
    Path | None,
    _file(
        "--password-file",
        "File whose only line is the password of the broker's user. Default: PUMPWATCH_BROKER_PASSWORD, if set.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
