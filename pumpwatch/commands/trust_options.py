"""Options for what a part believes: the keys that sign commands, and how fast messages may arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pumpwatch import settings
from pumpwatch.commands import options
from pumpwatch.settings import PREFIX

ActionKey = Annotated[
    Path | None,
    typer.Option(
        "--action-key",
        envvar=f"{PREFIX}ACTION_KEY",
        metavar="FILE",
        callback=options.path,
        help="Public keys that commands are verified with: action.pub of the processor's data directory. "
        "Default: that of --data.",
        show_default=False,
    ),
]


def _rate(name: str, limits: Any, meaning: str) -> Any:
    """Return the option for a rate limit of the processor."""
    variable = PREFIX + name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, envvar=variable, metavar="N", min=limits.ge, max=limits.le, help=meaning)


GatewayMessages = Annotated[
    int,
    _rate(
        "--gateway-messages",
        settings.GATEWAY_MESSAGES,
        "Messages a second of one gateway; after an outage it may catch up 1,000 s of that at once.",
    ),
]
GatewayBirths = Annotated[int, _rate("--gateway-births", settings.GATEWAY_BIRTHS, "Births a minute of one gateway.")]
NewGateways = Annotated[
    int,
    _rate(
        "--new-gateways",
        settings.NEW_GATEWAYS,
        "New gateways a minute of the whole system; ten times as many after a start.",
    ),
]
NewPumps = Annotated[
    int,
    _rate(
        "--new-pumps",
        settings.NEW_PUMPS,
        "New pumps a minute of the whole system; ten times as many after a start, and in births of known gateways.",
    ),
]
