"""Options of where gateways connect to a broker, and of how simulated ones log in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pumpwatch import settings
from pumpwatch.commands.options import path
from pumpwatch.settings import PREFIX

GatewayBroker = Annotated[
    str | None,
    typer.Option(
        "--gateway-broker",
        envvar=f"{PREFIX}GATEWAY_BROKER",
        metavar="URL",
        help="Where simulated gateways log in with --gateway-secret, if not at --broker.",
        show_default=False,
    ),
]
GatewaySecret = Annotated[
    Path | None,
    typer.Option(
        "--gateway-secret",
        envvar=f"{PREFIX}GATEWAY_SECRET",
        metavar="FILE",
        callback=path,
        help="Each simulated gateway logs in as itself, with a password derived from this secret and its name.",
        show_default=False,
    ),
]
GatewayHost = Annotated[
    str,
    typer.Option(
        "--gateway-host", envvar=f"{PREFIX}GATEWAY_HOST", metavar="ADDRESS", help="Address where gateways connect."
    ),
]
GatewayPort = Annotated[
    int,
    typer.Option(
        "--gateway-port",
        envvar=f"{PREFIX}GATEWAY_PORT",
        min=settings.ANY_PORT.ge,
        max=settings.ANY_PORT.le,
        help="Port where gateways connect; 0 picks a free one, the same each time.",
    ),
]
GatewayTls = Annotated[
    bool,
    typer.Option(
        "--gateway-tls/--no-gateway-tls",
        envvar=f"{PREFIX}GATEWAY_TLS",
        help="Gateways connect with TLS, or at the next port with a client certificate; see pumpwatch keys init.",
    ),
]
