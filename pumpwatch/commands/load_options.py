"""Options of `pumpwatch load`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from typer.core import TyperCommand

from pumpwatch.commands import options

MAX_REPEATS: Final = 20
MAX_WORKERS: Final = 16
LIMITS: Final = 'a metric and its limit such as "p99=1.5s", "loss=0", "cpu=90%" or "latency.alarm.p99=2s"'
TARGET: Final = "Target"
KNEE: Final = "--find-knee"


class LoadCommand(TyperCommand):
    """Lets `--find-knee=sessions` stand for `--find-knee --axis sessions`: Typer has no optional values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace the short form, then parse."""
        long = [
            word
            for arg in args
            for word in ((KNEE, f"--axis={arg.removeprefix(f'{KNEE}=')}") if arg.startswith(f"{KNEE}=") else (arg,))
        ]
        return super().parse_args(ctx, long)


def _file(flag: str, meaning: str, *, metavar: str = "FILE", panel: str | None = None) -> Any:
    return typer.Option(
        flag, metavar=metavar, callback=options.path, help=meaning, show_default=False, rich_help_panel=panel
    )


def _text(flag: str, metavar: str, meaning: str, panel: str | None = None) -> Any:
    return typer.Option(flag, metavar=metavar, help=meaning, show_default=False, rich_help_panel=panel)


ProfileName = Annotated[
    str,
    typer.Argument(
        metavar="[NAME|FILE]",
        callback=options.scenario_path,
        help="Packaged profile such as smoke, or a TOML file.",
        show_default=True,
    ),
]
Pumps = Annotated[
    int | None,
    typer.Option(
        "--pumps",
        min=1,
        max=1_000_000,
        help="One stage of so many pumps instead of the profile's stages; --find-knee begins there.",
    ),
]
Hold = Annotated[str | None, _text("--hold", "TIME", "How long each stage holds.")]
Ramp = Annotated[str | None, _text("--ramp", "TIME", "How long each stage takes to join.")]
Interval = Annotated[str | None, _text("--interval", "TIME", "Wall-clock time between a pump's samples.")]
Payload = Annotated[
    Literal["arrow", "ndjson", "json"] | None,
    typer.Option("--payload", help="Encoding; json is one message for each sample.", show_default=False),
]
Sessions = Annotated[
    bool | None,
    typer.Option("--sessions/--gateways", help="An MQTT session for each pump, or shared ones.", show_default=False),
]
Generators = Annotated[
    int | None, typer.Option("--generators", min=1, max=16, help="Processes that send.", show_default=False)
]
Limit = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="METRIC=LIMIT", help=f"Threshold, instead of the profile's: {LIMITS}."),
]
FindKnee = Annotated[
    bool,
    typer.Option(KNEE, help="Find the most that keeps the thresholds, and name what gives way beyond."),
]
Axis = Annotated[
    Literal["pumps", "sessions", "messages"],
    typer.Option(
        "--axis",
        help="What --find-knee raises: pumps, MQTT sessions (one for each pump), or JSON messages a second. "
        "--find-knee=sessions is short for both.",
    ),
]
Repeat = Annotated[int, typer.Option("--repeat", min=1, max=MAX_REPEATS, help="Run it so often; figures are medians.")]
Compare = Annotated[Path | None, _file("--compare", "Earlier --json to compare with.")]
Json = Annotated[Path | None, _file("--json", "Write the result as JSON.")]
Html = Annotated[Path | None, _file("--html", "Write a page with plots.")]
Junit = Annotated[Path | None, _file("--junit", "Write the thresholds as JUnit XML.")]
LiveFile = Annotated[Path | None, _file("--live-file", "Write the state as JSON each second, for a program.")]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Measure until a browser has painted it, if there is one.")
]
Broker = Annotated[
    str | None,
    _text("--broker", "URL", "Load this broker instead of a system of its own; the login reads and sends.", TARGET),
]
ProcessorData = Annotated[
    Path | None,
    _file("--processor-data", "Load the system that runs on this data directory.", metavar="DIR", panel=TARGET),
]
Dashboard = Annotated[
    str | None, _text("--dashboard", "URL", "Dashboard of the target, with its key, to measure painting.", TARGET)
]
GatewayBroker = Annotated[
    str | None, _text("--gateway-broker", "URL", "Where gateways connect. Default: as --broker.", TARGET)
]
GatewaySecret = Annotated[
    Path | None,
    _file("--gateway-secret", "Secret of the gateways' passwords (fleet.secret of the target).", panel=TARGET),
]
Confirmed = Annotated[
    str | None,
    _text("--i-know-what-i-do", "HOST", "Host of a target that is not this machine; it must be exactly that.", TARGET),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        max=MAX_WORKERS,
        help="Let so many workers send, started with --worker, instead of processes of this machine.",
        rich_help_panel=TARGET,
    ),
]
IsWorker = Annotated[
    bool,
    typer.Option("--worker", help="Be a worker: send what a load test asks for over --broker.", rich_help_panel=TARGET),
]
