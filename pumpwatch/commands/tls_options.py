"""Options for the TLS files of a broker, added to every command that has `--broker`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_type_hints

from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file

OPTIONS: Final[dict[str, Any]] = {
    "ca_file": options.CaFile,
    "client_cert": options.ClientCert,
    "client_key": options.ClientKey,
}


def with_tls_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options if it has `--broker`; the URL that it gets then names the files."""
    signature = inspect.signature(command)
    if "broker" not in signature.parameters:
        return command

    @functools.wraps(command)
    def wrapped(*args: Any, **values: Any) -> None:
        files = {name: values.pop(name) for name in OPTIONS}
        values["broker"] = _complete(values["broker"], values["data"], files, own=command.__name__ == "run")
        command(*args, **values)

    hints = {**get_type_hints(command, include_extras=True), **OPTIONS}
    given = [parameter.replace(annotation=hints[name]) for name, parameter in signature.parameters.items()]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in OPTIONS.items()
    ]
    # Typer reads both; evaluated, because names in them are those of the module of the command.
    wrapped.__annotations__ = hints
    vars(wrapped)["__signature__"] = signature.replace(parameters=[*given, *added], return_annotation=None)
    return wrapped


def _complete(broker: str | None, data: Path | None, files: dict[str, Path | None], *, own: bool) -> str | None:
    """Return the URL with the files; the broker of the running system only gets them if it has TLS."""
    if not any(files.values()):
        return broker
    from broker.mqtt.address import LinkError, parse_url
    from broker.mqtt.tls import TlsError, TlsFiles, with_files

    if broker is None and own:
        raise CommandError("certificates need a broker of your own; name it with --broker mqtts://host")
    url = run_file.broker_of(broker, data or user_data())
    if broker is None and not url.startswith("mqtts:"):
        return None
    try:
        parse_url(url)
        return with_files(url, TlsFiles(**{name: str(path or "") for name, path in files.items()}))
    except (LinkError, TlsError) as error:
        raise CommandError(str(error)) from error
