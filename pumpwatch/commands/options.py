"""This file has every option once, with its name, its variable of the environment and its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pumpwatch.settings import PREFIX

LOOPBACK = "127.0.0.1"
DASHBOARD_PORT = 8050
HISTORY_GB = 2.0
BYTES_A_GB = 1_000_000_000


def _env(name: str) -> str:
    return f"{PREFIX}{name}"


Broker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar=_env("BROKER"),
        metavar="URL",
        help="A broker that runs already, as mqtt://host:port or mqtt://user:password@host:port. "
        "Default: that of the running system.",
        show_default=False,
    ),
]
OwnBroker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar=_env("BROKER"),
        metavar="URL",
        help="A broker that runs already, as mqtt://host:port or mqtt://user:password@host:port. Default: start one.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar=_env("DATA"),
        metavar="DIR",
        help="The directory of everything kept. Default: the user's data directory.",
        show_default=False,
    ),
]
Pumps = Annotated[
    int | None,
    typer.Option(
        "--pumps",
        envvar=_env("PUMPS"),
        min=1,
        help="How many pumps. Default: as the scenario says, else 200.",
        show_default=False,
    ),
]
Gateways = Annotated[
    int | None,
    typer.Option(
        "--gateways",
        envvar=_env("GATEWAYS"),
        min=1,
        help="How many MQTT sessions speak for them. Default: one for 25 pumps, from 40 on one for 1,000.",
        show_default=False,
    ),
]
Speed = Annotated[
    float,
    typer.Option("--speed", envvar=_env("SPEED"), min=0.001, max=100_000, help="Seconds of therapy a second."),
]
Interval = Annotated[
    str | None,
    typer.Option(
        "--interval",
        envvar=_env("INTERVAL"),
        metavar="TIME",
        help="Therapy time between two samples of a pump, as 60s or 5m. Default: as the scenario says, else 60s.",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        envvar=_env("SEED"),
        min=0,
        help="The same seed gives the same run. Default: as the scenario says, else 42.",
        show_default=False,
    ),
]
Scenario = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        envvar=_env("SCENARIO"),
        metavar="NAME|FILE",
        help="What goes wrong, and when: demo, or a TOML file. 'none' for a healthy fleet.",
    ),
]
Payload = Annotated[
    Literal["auto", "json", "arrow"],
    typer.Option("--payload", envvar=_env("PAYLOAD"), help="auto is JSON for a gateway of one pump, Arrow for more."),
]
HistorySize = Annotated[
    float,
    typer.Option(
        "--history-size",
        envvar=_env("HISTORY_SIZE"),
        min=0.01,
        max=1_000_000,
        metavar="GB",
        help="How much of the disk the samples may take, in GB; the oldest go first.",
    ),
]
HistoryDays = Annotated[
    int,
    typer.Option(
        "--history-days",
        envvar=_env("HISTORY_DAYS"),
        min=0,
        metavar="DAYS",
        help="How many days of therapy time samples are kept at most; 0 is as many as there is room for.",
    ),
]
Host = Annotated[
    str,
    typer.Option("--host", envvar=_env("HOST"), metavar="ADDRESS", help="The address on which the dashboard listens."),
]
Port = Annotated[
    int,
    typer.Option("--port", envvar=_env("PORT"), min=1, max=65535, help="The dashboard's port."),
]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar=_env("KEY"),
        metavar="TEXT",
        help="The key that opens the dashboard while nobody has an account. Default: a new one at each start.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for scripts.")]
