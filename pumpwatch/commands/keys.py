"""`pumpwatch keys`: the private authority, the broker's certificate, and the passwords of parts and gateways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from broker.display import terminal
from broker.display.instants import timestamp
from pumpwatch.commands import audit_entries, gateway_access, options
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.gateways import Out, remove_gateway
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import GATEWAYS, PORT, user_data

if TYPE_CHECKING:
    from broker.access.credentials import Credentials

app = typer.Typer(no_args_is_help=True, help="Make, renew and revoke certificates and passwords of the broker.")

ACTION_KEY: Final = "_action"
"""Name of the key that signs commands, among the names that can be renewed."""

Hosts = Annotated[
    list[str],
    typer.Option("--host", metavar="NAME", help="How gateways call the broker: a name or an address. Repeatable."),
]


def _directory(meaning: str) -> Any:
    return typer.Option(metavar="DIR", callback=options.path, help=meaning, show_default=False)


@app.command(epilog="Example: pumpwatch keys init --host pumps.ward.example")
@with_checked_values
def init(
    *,
    host: Hosts,
    gateway_port: Annotated[
        int,
        typer.Option(min=PORT.ge, max=PORT.le - 1 if PORT.le else None, help="Port of gateways with passwords."),
    ] = 8883,
    system_host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where processor, dashboard and other parts connect.")
    ] = options.LOOPBACK,
    system_port: Annotated[int, typer.Option(min=PORT.ge, max=PORT.le, help="Port of the parts.")] = 8885,
    mosquitto_path: Annotated[
        Path | None, _directory("Where your Mosquitto finds its files. Default: where they are made.")
    ] = None,
    database: Annotated[Path | None, _directory("Where your Mosquitto keeps its database. Default: in --data.")] = None,
    simulated: Annotated[
        int, typer.Option(min=0, max=GATEWAYS.le, help="Simulated gateways that your Mosquitto lets in.")
    ] = 0,
    data: options.Data = None,
) -> None:
    """Make a private authority, a certificate of the broker, passwords, and a configuration for your own Mosquitto."""
    from broker.access.key_files import KeyFiles
    from broker.access.own_mosquitto import write_configuration
    from simulator.gateway.settings import gateway_names

    where, now = data or user_data(), datetime.now(UTC)
    if system_port in (gateway_port, gateway_port + 1):
        raise CommandError(
            f"ports {gateway_port} and {gateway_port + 1} for gateways leave no {system_port} for the parts; choose "
            "another --system-port"
        )
    credentials = gateway_access.prepared(where)
    keys = KeyFiles(credentials)
    if keys.exist:
        raise CommandError(
            f"there is an authority already in {credentials.path}; renew the broker's certificate with: pumpwatch keys "
            "renew --host NAME"
        )
    with gateway_access.refused():
        keys.create(_hosts(host), now)
        if simulated:
            credentials.prepare(gateway_names("gateway", simulated))
        written = write_configuration(
            where, gateway_port, system_host, system_port, files=mosquitto_path, database=database
        )
    audit_entries.record_afterwards(
        where, "key_changed", f"certificate authority and certificate of the broker made for {', '.join(host)}"
    )
    typer.echo(f"authority for gateways: {keys.certificate}", err=True)
    typer.echo(f"configuration for your own Mosquitto: {written}", err=True)
    typer.echo("or start the system with: pumpwatch run --gateway-tls --gateway-host 0.0.0.0", err=True)


@app.command(epilog="Example: pumpwatch keys renew --host pumps.ward.example")
@with_checked_values
def renew(
    name: Annotated[
        str,
        typer.Argument(help="Gateway, part such as _processor, _action. Default: certificate of the broker."),
    ] = "",
    *,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="Names in the new certificate of the broker. Default: as before."),
    ] = None,
    out: Out = Path(),
    as_json: options.AsJson = False,
    data: options.Data = None,
) -> None:
    """Renew the certificate of the broker, the password or certificate of a gateway, or the password of a part.

    `_action` is the key that signs commands and operator actions; what the old one signed is valid for a minute more.
    """
    from broker.access.key_files import KeyFiles
    from broker.mqtt.topic_access import SYSTEM_USERS
    from broker.store import action_key

    where, now = data or user_data(), datetime.now(UTC)
    credentials = gateway_access.prepared(where)
    with gateway_access.refused():
        if not name:
            keys = KeyFiles(credentials)
            keys.issuer()
            keys.renew_server(_hosts(host or keys.server_facts().hosts), now)
            what = "the certificate of the broker"
        elif name == ACTION_KEY:
            current = action_key.renew(where, round(now.timestamp() * 1000))
            audit_entries.record_afterwards(where, "key_changed", f"the key that signs commands renewed: {current}")
            typer.echo(f"commands are signed with key {current}; copy {where / action_key.PUBLIC} to others", err=True)
            return
        elif name in SYSTEM_USERS:
            credentials.renew_system(name)
            what = f"the password of {name}"
        else:
            what = _renew_gateway(where, credentials, name, out, now, as_json=as_json)
    audit_entries.record_afterwards(where, "key_changed", f"{what} renewed")
    typer.echo(f"{what} is renewed{gateway_access.effect(where)}", err=True)


@app.command(epilog="Example: pumpwatch keys revoke ward-3")
@with_checked_values
def revoke(
    name: Annotated[str, typer.Argument(help="Gateway whose certificate or password no longer holds.")],
    *,
    data: options.Data = None,
) -> None:
    """Revoke the certificate or the password of a gateway, as `pumpwatch gateway remove` does."""
    remove_gateway(data or user_data(), name)


@app.command("list", epilog="Example: pumpwatch keys list --json")
@with_checked_values
def list_keys(*, as_json: options.AsJson = False, data: options.Data = None) -> None:
    """List certificates and passwords, and when they end."""
    from broker.access.credentials import credentials_of

    with gateway_access.refused():
        rows = list(_rows(credentials_of(data or user_data())))
    if as_json:
        write_json(rows)
        return
    columns = dict.fromkeys(("name", "kind", "expires", "for"), terminal.FOLD)
    cells = ((row["name"], row["kind"], row["expires"] or "never", row["for"]) for row in rows)
    Console(highlight=False).print(terminal.table("Keys of the broker", columns, cells))


def _rows(credentials: Credentials) -> Iterator[dict[str, str | None]]:
    from broker.access import authority
    from broker.access.key_files import KeyFiles
    from broker.mqtt.topic_access import SYSTEM_USERS

    keys = KeyFiles(credentials)
    if keys.exist:
        for kind, path in (("authority", keys.certificate), ("certificate of the broker", keys.server)):
            facts = authority.facts(path.read_bytes())
            expires = timestamp(facts.expires.timestamp() * 1000)
            yield {"name": facts.name, "kind": kind, "expires": expires, "for": ", ".join(facts.hosts)}
    for user in SYSTEM_USERS:
        if credentials.password_file(user).exists():
            yield {"name": user, "kind": "password of a part", "expires": None, "for": ""}
    for gateway in credentials.registry().gateways:
        kind = "certificate of a gateway" if gateway.serial else "password of a gateway"
        end = timestamp(gateway.expires) if gateway.serial else None
        yield {"name": gateway.name, "kind": kind, "expires": end, "for": ""}


def _renew_gateway(where: Path, credentials: Credentials, name: str, out: Path, now: datetime, *, as_json: bool) -> str:
    """Renew what a gateway logs in with, print it, and return what that is."""
    from broker.access import gateways

    if gateways.find(credentials.registry(), name).serial:
        files = gateway_access.client_files(out, name, renewed=True)
        issued = gateways.renew_certificate(credentials, name, now)
        gateway_access.write_client(files, issued, credentials)
        gateway_access.show(gateway_access.certificate_login(where, name, files), as_json=as_json)
        return f"the certificate of gateway {name}"
    password = gateways.renew_password(credentials, name, now)
    gateway_access.show(gateway_access.password_login(where, name, password), as_json=as_json)
    return f"the password of gateway {name}"


def _hosts(given: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return names and addresses for a certificate; raises `CommandError` if one cannot be in it."""
    from broker.access.authority import is_host

    for host in given:
        if not is_host(host):
            raise CommandError(
                f"{host[:80]!r} is neither a host name nor an address; write it as gateways call the broker, without "
                "port, such as pumps.ward.example or 192.0.2.7"
            )
    return tuple(given)
