"""`pumpwatch gateway`: gateways that may log in at the broker."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.display import terminal
from broker.display.instants import timestamp
from pumpwatch.commands import audit_entries, gateway_access, options
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import user_data

app = typer.Typer(no_args_is_help=True, help="Manage the gateways that may log in at the broker.")

Name = Annotated[str, typer.Argument(help="Name of the gateway: its user, and its part of the topic.")]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", callback=options.path, help="Where to write certificate, key and authority."),
]


@app.command(epilog="Example: pumpwatch gateway add ward-3")
@with_checked_values
def add(
    name: Name,
    *,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Give it a client certificate instead of a password; needs TLS.")
    ] = False,
    out: Out = Path(),
    as_json: options.AsJson = False,
    data: options.Data = None,
) -> None:
    """Let a gateway log in. Prints its password, which is shown only once, and a line to try it."""
    from broker.access import gateways

    where, now = data or user_data(), datetime.now(UTC)
    credentials = gateway_access.prepared(where)
    with gateway_access.refused():
        if certificate:
            gateways.check_name(name, credentials.known())
            files = gateway_access.client_files(out, name)
            issued = gateways.add_with_certificate(credentials, name, now)
            gateway_access.write_client(files, issued, credentials)
            login = gateway_access.certificate_login(where, name, files)
            advice = "move certificate and key to the gateway"
        else:
            password = gateways.add_with_password(credentials, name, now)
            login = gateway_access.password_login(where, name, password)
            advice = "keep the password: it is shown only now"
    audit_entries.record_afterwards(where, "key_changed", f"gateway {name} may log in")
    gateway_access.show(login, as_json=as_json)
    typer.echo(f"{name} is added{gateway_access.effect(where)}. {advice.capitalize()}.", err=True)


@app.command("list", epilog="Example: pumpwatch gateway list --json")
@with_checked_values
def list_gateways(*, as_json: options.AsJson = False, data: options.Data = None) -> None:
    """List the gateways that were added, and when their certificates end."""
    from broker.access.credentials import credentials_of

    with gateway_access.refused():
        registry = credentials_of(data or user_data()).registry()
    rows = [
        {
            "name": gateway.name,
            "login": "certificate" if gateway.serial else "password",
            "added": timestamp(gateway.added),
            "expires": timestamp(gateway.expires) if gateway.expires else None,
        }
        for gateway in registry.gateways
    ]
    if as_json:
        write_json(rows)
        return
    columns = dict.fromkeys(("name", "login", "added", "expires"), terminal.FOLD)
    cells = ((row["name"], row["login"], row["added"], row["expires"] or "never") for row in rows)
    Console(highlight=False).print(terminal.table("Gateways", columns, cells))


@app.command(epilog="Example: pumpwatch gateway remove ward-3")
@with_checked_values
def remove(name: Name, *, data: options.Data = None) -> None:
    """Take a gateway's login away. It is disconnected, or refused at its next message if it has a certificate."""
    remove_gateway(data or user_data(), name)


def remove_gateway(where: Path, name: str) -> None:
    """Remove a gateway, record it, and say what happens to its connection; raises `CommandError`."""
    from broker.access import gateways
    from broker.access.credentials import credentials_of

    now = datetime.now(UTC)
    with gateway_access.refused():
        gateway = gateways.remove(credentials_of(where), name, now)
    audit_entries.record_afterwards(where, "key_changed", f"gateway {name} may no longer log in")
    what = "its certificate is revoked and its next message refused" if gateway.serial else "it is disconnected"
    typer.echo(f"{name} is removed: {what}{gateway_access.effect(where)}", err=True)


@app.command("nats-users", epilog="Example: pumpwatch gateway nats-users ward-3 ward-4 > users.conf")
def nats_users(names: Annotated[list[str], typer.Argument(help="Names of the gateways.")]) -> None:
    """Print users of NATS servers of a cluster: the nodes, the parts and these gateways, with new passwords.

    Each gateway may publish and read its own topics only. It is a block of the servers' configuration, to be included
    there in place of the login of the nodes; the passwords are shown only now.
    """
    from broker.access.credentials import new_password
    from broker.mqtt.topic_access import SYSTEM_USERS
    from cluster.nats_server import Login
    from cluster.nats_users import authorization

    parts, gateways = ({name: new_password() for name in some} for some in (SYSTEM_USERS, names))
    try:
        text = authorization(Login("pumpwatch", new_password()), parts, gateways)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAMES") from error
    typer.echo(text, nl=False)
