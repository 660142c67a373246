"""Checks of option values that the types of typer let pass: nan, and text that is not valid UTF-8."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import msgspec
import typer

from broker.contract.messages import Message, MessageError, encode
from pumpwatch.commands.errors import CommandError


def with_checked_values(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with a check of every value before it runs; a bad one is a usage error."""
    hints = get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def wrapped(*args: Any, **values: Any) -> None:
        for name, value in values.items():
            reason = _reason(value)
            if reason is not None:
                raise typer.BadParameter(reason, param_hint=_shown(name, hints.get(name)))
        command(*args, **values)

    return wrapped


def checked(message: msgspec.Struct, read: Callable[[bytes], Message]) -> None:
    """Check a message as its receiver will; raises `CommandError` with the field, its value and its range."""
    try:
        read(encode(message))
    except MessageError as error:
        raise CommandError(str(error)) from error


def _reason(value: object) -> str | None:
    if isinstance(value, float) and math.isnan(value):
        return "nan is not a number"
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in text):
            return f"{text[:80]!a} is not valid UTF-8 without NUL"
    return None


def _shown(name: str, hint: Any) -> str:
    """Return the option as people write it, or the argument as the help shows it."""
    # In an annotation, typer keeps the first flag where the default would be.
    flags = [
        flag
        for extra in get_args(hint)[1:]
        for flag in (getattr(extra, "default", None), *(getattr(extra, "param_decls", None) or ()))
        if isinstance(flag, str) and flag.startswith("--")
    ]
    return flags[0] if flags else name.upper()
