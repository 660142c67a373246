"""Options for the TLS files and the password of a broker, added to every command that has `--broker`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

import typer

from pumpwatch.commands import options
from pumpwatch.commands.broker_password import ENVIRONMENT, Source, choose, level_of, put_in
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import PASSWORD_VARIABLE, PREFIX, environment, user_data
from pumpwatch.supervision import run_file

if TYPE_CHECKING:
    from broker.mqtt.address import Address

CERTIFICATES: Final = ("ca_file", "client_cert", "client_key")
OPTIONS: Final[dict[str, Any]] = {
    "ca_file": options.CaFile,
    "client_cert": options.ClientCert,
    "client_key": options.ClientKey,
    "password_file": options.PasswordFile,
}


def with_broker_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options if it has `--broker`; the URL that it gets then has files and password.

    That of `run` has no password of the environment: its parts have the environment themselves.
    """
    signature = inspect.signature(command)
    if "broker" not in signature.parameters:
        return command
    has_context = "ctx" in signature.parameters

    @functools.wraps(command)
    def wrapped(*, ctx: typer.Context, **values: Any) -> None:
        paths = {name: str(values.pop(name) or "") for name in OPTIONS}
        levels = {
            Source.FILE: level_of(ctx, "password_file"),
            Source.VARIABLE: ENVIRONMENT,
            Source.URL: level_of(ctx, "broker"),
        }
        own = command.__name__ == "run"
        if "data" in values or values["broker"] is not None:
            # A command without a data directory, such as a load test, has no running system that it could mean.
            values["broker"] = _complete(values["broker"], values.get("data"), paths, levels, own=own)
        command(**values, **({"ctx": ctx} if has_context else {}))

    hints = {"ctx": typer.Context, **get_type_hints(command, include_extras=True), **OPTIONS}
    given = [parameter.replace(annotation=hints[name]) for name, parameter in signature.parameters.items()]
    context = [] if has_context else [_parameter("ctx", hints["ctx"], inspect.Parameter.empty)]
    added = [_parameter(name, kind, None) for name, kind in OPTIONS.items()]
    # Typer reads both; evaluated, because names in them are those of the module of the command.
    wrapped.__annotations__ = hints
    vars(wrapped)["__signature__"] = signature.replace(parameters=[*given, *context, *added], return_annotation=None)
    return wrapped


def variables_of_parts(url: str) -> dict[str, str]:
    """Return the environment of the parts of a system on a broker of the user's own.

    Its files come from the URL alone. Its password comes from where `run` has it, and from nowhere else.
    """
    from broker.mqtt.address import parse_url

    address = parse_url(url)
    variables = {f"{PREFIX}{name.upper()}": getattr(address.files, name) for name in CERTIFICATES}
    variables |= {f"{PREFIX}BROKER": url, f"{PREFIX}PASSWORD_FILE": ""}
    if address.password is not None or address.files.password_file:
        variables[PASSWORD_VARIABLE] = ""
    return variables


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _complete(
    broker: str | None, data: Path | None, paths: dict[str, str], levels: Mapping[Source, int], *, own: bool
) -> str | None:
    """Return the URL with files and password; the broker of the running system only gets those that it can use."""
    variable = environment().get(PASSWORD_VARIABLE, "")
    if not (variable or any(paths.values())):
        return broker
    if broker is None and own:
        raise CommandError(_without_broker(paths))
    from broker.mqtt.address import LinkError, parse_url
    from broker.mqtt.tls import TlsError
    from broker.mqtt.url_files import ConnectionFiles, with_files

    url = run_file.broker_of(broker, data or user_data())
    try:
        address = parse_url(url)
        if broker is None and not address.tls:
            paths |= dict.fromkeys(CERTIFICATES, "")
        if broker is None and (not address.username or run_file.knows_login(data or user_data())):
            variable = paths["password_file"] = ""
        if not (variable or any(paths.values())):
            return broker
        url = with_files(url, ConnectionFiles(**{name: paths[name] for name in CERTIFICATES}))
        return _with_password(url, address, paths["password_file"], variable, levels, own=own)
    except (LinkError, TlsError) as error:
        raise CommandError(str(error)) from error


def _with_password(
    url: str, address: Address, file: str, variable: str, levels: Mapping[Source, int], *, own: bool
) -> str:
    in_url = address.password is not None or bool(address.files.password_file)
    given = {Source.FILE: bool(file), Source.VARIABLE: bool(variable), Source.URL: in_url}
    source = choose({source: levels[source] for source, there in given.items() if there})
    if source is None:
        return url
    from broker.mqtt.address import without_password

    complete = put_in(url, source, file=file, variable=variable)
    return without_password(url) if own and source is Source.VARIABLE else complete


def _without_broker(paths: Mapping[str, str]) -> str:
    if any(paths[name] for name in CERTIFICATES):
        return "certificates need a broker of your own; name it with --broker mqtts://host"
    source = Source.FILE if paths["password_file"] else Source.VARIABLE
    return f"the password of {source} needs a broker of your own; name it with --broker mqtts://USER@host"
