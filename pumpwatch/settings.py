"""Settings: command-line flags, then PUMPWATCH_ environment variables, then pumpwatch.toml, then defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import platformdirs
from msgspec import Meta

PREFIX: Final = "PUMPWATCH_"
FILE: Final = "pumpwatch.toml"

PUMPS: Final = Meta(ge=1, le=2_000_000)
GATEWAYS: Final = Meta(ge=1, le=100_000)
SPEED: Final = Meta(ge=0.001, le=100_000.0)
SEED: Final = Meta(ge=0, le=2**63 - 1)
TICK_S: Final = Meta(ge=0.01, le=60.0)
HISTORY_GB: Final = Meta(ge=0.01, le=1_000_000.0)
HISTORY_DAYS: Final = Meta(ge=0, le=100_000)
SPOOL_SAMPLES: Final = Meta(ge=1, le=10_000_000_000)
PORT: Final = Meta(ge=1, le=65_535)
"""Ranges of the numeric settings, for the settings file and the command line alike."""
_Text = Annotated[str, Meta(min_length=1, max_length=4096)]


class Settings(msgspec.Struct, kw_only=True):
    """The settings file: one optional field per option that has an environment variable."""

    broker: _Text | None = None
    data: _Text | None = None
    pumps: Annotated[int, PUMPS] | None = None
    gateways: Annotated[int, GATEWAYS] | None = None
    speed: Annotated[float, SPEED] | None = None
    interval: _Text | None = None
    seed: Annotated[int, SEED] | None = None
    scenario: _Text | None = None
    payload: Literal["auto", "json", "arrow"] | None = None
    spool: _Text | None = None
    spool_samples: Annotated[int, SPOOL_SAMPLES] | None = None
    tick: Annotated[float, TICK_S] | None = None
    history_size: Annotated[float, HISTORY_GB] | None = None
    history_days: Annotated[int, HISTORY_DAYS] | None = None
    host: _Text | None = None
    port: Annotated[int, PORT] | None = None
    key: _Text | None = None


class SettingsError(ValueError):
    """The settings file cannot be used; the message says why and what is allowed."""


def user_data() -> Path:
    """Return the user's data directory for Pumpwatch."""
    return platformdirs.user_data_path("pumpwatch")


def environment() -> dict[str, str]:
    """Return the environment of this process."""
    return dict(os.environ)


def keep_memory() -> None:
    """Make Polars' allocator keep freed memory for ten seconds instead of half a second, unless it is loaded already.

    A large fleet is scored every few seconds, and allocating a gigabyte again takes longer than scoring.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000")


def read_file(path: Path | None) -> dict[str, Any]:
    """Return the values of the settings file by name.

    Without `path`, `pumpwatch.toml` in the working directory is read if it exists. Raises `SettingsError` for a file that
    cannot be read, an unknown name, or a value of the wrong type or out of range.
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
    names = sorted(Settings.__struct_fields__)
    for name, value in values.items():
        if name not in names:
            raise SettingsError(
                f"{file}: unknown setting {name!r}; {nearest(name, names)}known settings: {', '.join(names)}"
            )
        try:
            msgspec.convert({name: value}, Settings)
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at ")[0]
            raise SettingsError(f"{file}: {name} is {value!r}: {reason[:1].lower()}{reason[1:]}") from error
    return values


def defaults_for(commands: Mapping[str, Iterable[str]], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, by command, the values of the settings that it has, as defaults."""
    return {command: {name: values[name] for name in names if name in values} for command, names in commands.items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X? ` for the known name most like `name`, or nothing."""
    close = get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}? " if close else ""
