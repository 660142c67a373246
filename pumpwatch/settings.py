"""This file is where settings come from: flags, then PUMPWATCH_* environment, then pumpwatch.toml, then defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import platformdirs

PREFIX: Final = "PUMPWATCH_"
FILE: Final = "pumpwatch.toml"


class SettingsError(ValueError):
    """The settings file cannot be used; the text says why and what is allowed."""


def user_data() -> Path:
    """Return the user's data directory for Pumpwatch."""
    return platformdirs.user_data_path("pumpwatch")


def environment() -> dict[str, str]:
    """Return the environment of this process."""
    return dict(os.environ)


def keep_memory() -> None:
    """Let Polars, if it is not loaded yet, keep memory that it needs no longer for ten seconds instead of half a one.

    A large fleet is judged every few seconds, and to be given a gigabyte anew takes longer than to judge.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000")


def read_file(path: Path | None, known: Iterable[str]) -> dict[str, Any]:
    """Read the settings file: names as the options' without the dashes in front, one value each.

    Without `path`, `pumpwatch.toml` in the working directory is read if it is there. Raises `SettingsError` for a file
    that cannot be read, a name that is not among `known`, or a value that is neither text, number nor yes or no.
    """
    file = path or Path(FILE)
    if path is None and not file.is_file():
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    names = sorted(set(known))
    for name, value in values.items():
        if name not in names:
            raise SettingsError(f"{file} has {name!r}, which is no setting; {_instead(name, names)}")
        if not isinstance(value, str | int | float | bool):
            raise SettingsError(f"{file}: {name} is a {type(value).__name__}; write one text, number, true or false")
    return values


def defaults_for(commands: Mapping[str, Iterable[str]], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give each command the values of the settings it has, as defaults."""
    return {command: {name: values[name] for name in names if name in values} for command, names in commands.items()}


def _instead(name: str, known: list[str]) -> str:
    return f"{nearest(name, known)}known are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X? ` for the known name most like `name`, or nothing."""
    close = get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}? " if close else ""
