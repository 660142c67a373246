"""Settings: command-line flag, then PUMPWATCH_ environment variable, then pumpwatch.toml, then default."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict, get_args, get_origin, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta

from broker.contract.ranges import (
    GATEWAY_BIRTHS,
    GATEWAY_MESSAGES,
    MAX_DAYS,
    MAX_SEED,
    NEW_GATEWAYS,
    NEW_PUMPS,
)

PREFIX: Final = "PUMPWATCH_"
FILE: Final = "pumpwatch.toml"
PASSWORD_VARIABLE: Final = f"{PREFIX}BROKER_PASSWORD"
"""Environment variable with the password of the broker; no option and no setting has it."""
USER_PASSWORD_VARIABLE: Final = f"{PREFIX}USER_PASSWORD"
"""Environment variable with the password of the account that a command signs in with; no setting has it."""
SECRETS: Final = frozenset({"broker", "cluster", "key", "journal_anchor_url"})
"""Settings whose value no message quotes."""

_RETURNED: Final = {-3: 65_536, -1: 131_072}
"""Options of glibc's `mallopt` (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD) and their values in bytes; see `return_memory`."""
PUMPS: Final = Meta(ge=1, le=2_000_000)
GATEWAYS: Final = Meta(ge=1, le=100_000)
SPEED: Final = Meta(ge=0.1, le=100_000)
SEED: Final = Meta(ge=0, le=MAX_SEED)
DAYS: Final = Meta(ge=0.001, le=MAX_DAYS)
SPOOL_SAMPLES: Final = Meta(ge=1, le=1_000_000_000)
TICK_S: Final = Meta(ge=0.01, le=60)
HISTORY_GB: Final = Meta(ge=0.01, le=1_000_000)
HISTORY_DAYS: Final = Meta(ge=0, le=36_500)
SESSION_IDLE_H: Final = Meta(ge=0.1, le=720)
SESSION_DAYS: Final = Meta(ge=0.1, le=90)
MAX_PORT: Final = 65_535
PORT: Final = Meta(ge=1, le=MAX_PORT)
ANY_PORT: Final = Meta(ge=0, le=65_535)
RANGES: Final = Meta(ge=1, le=64)
LOG_GB: Final = Meta(ge=0, le=100_000)
LOG_HOURS: Final = Meta(ge=0, le=8_760)
MAX_PROXIES: Final = 100
MAX_HOSTS: Final = 100
MIN_COLUMNS: Final = 60
"""Columns that tables and messages need to be readable."""
MAX_SHOWN: Final = 200
"""Characters of a value that a message quotes."""
PayloadFormat = Literal["auto", "json", "arrow"]
LogKind = Literal["auto", "text", "json"]


class Settings(TypedDict, total=False):
    """Every setting with its type and range; the options of the command line take their ranges from here.

    Units: `interval` is a duration such as 60s, or a number of seconds; `history_size` is in GB, `history_days` in days
    of therapy time, `tick` in seconds, `speed` in therapy seconds per wall-clock second, `session_idle` in hours and
    `session_days` in days of wall-clock time.
    """

    broker: Annotated[str, Meta(min_length=1, examples=["mqtt://127.0.0.1:1883"])]
    data: Annotated[str, Meta(min_length=1, examples=["/var/lib/pumpwatch"])]
    pumps: Annotated[int, PUMPS]
    gateways: Annotated[int, GATEWAYS]
    speed: Annotated[float, SPEED]
    interval: Annotated[str | int | float, Meta(examples=["60s", "5m"])]
    seed: Annotated[int, SEED]
    scenario: Annotated[str, Meta(min_length=1, examples=["demo", "none", "mine.toml"])]
    payload: PayloadFormat
    spool: Annotated[str, Meta(min_length=1, examples=["/var/lib/pumpwatch/spool"])]
    spool_samples: Annotated[int, SPOOL_SAMPLES]
    tick: Annotated[float, TICK_S]
    history_size: Annotated[float, HISTORY_GB]
    history_days: Annotated[int, HISTORY_DAYS]
    host: Annotated[str, Meta(min_length=1, examples=["127.0.0.1"])]
    port: Annotated[int, PORT]
    gateway_broker: Annotated[str, Meta(min_length=1, examples=["mqtts://broker.example"])]
    gateway_secret: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/fleet.secret"])]
    gateway_host: Annotated[str, Meta(min_length=1, examples=["127.0.0.1"])]
    gateway_port: Annotated[int, ANY_PORT]
    gateway_tls: bool
    trace: bool
    metrics_port: Annotated[int, PORT]
    otlp_endpoint: Annotated[str, Meta(min_length=1, examples=["http://127.0.0.1:4318/v1/traces"])]
    log: LogKind
    key: str
    session_idle: Annotated[float, SESSION_IDLE_H]
    session_days: Annotated[float, SESSION_DAYS]
    oidc_issuer: Annotated[str, Meta(min_length=1, examples=["https://login.example/realms/ward"])]
    oidc_client_id: Annotated[str, Meta(min_length=1, examples=["pumpwatch"])]
    oidc_client_secret: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/oidc-client-secret"])]
    oidc_role_claim: Annotated[str, Meta(min_length=1, examples=["roles", "realm_access.roles"])]
    oidc_role: Annotated[list[str], Meta(max_length=MAX_PROXIES, examples=["ward-nurses=operator"])]
    public_url: Annotated[str, Meta(min_length=1, examples=["https://ward.example/pumps-ward/"])]
    root_path: Annotated[str, Meta(min_length=1, examples=["/pumps-ward"])]
    ca_file: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/ca.pem"])]
    client_cert: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/client.pem"])]
    client_key: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/client.key"])]
    password_file: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/broker-password"])]
    journal_anchor_url: Annotated[str, Meta(min_length=1, examples=["https://log.example/pumpwatch"])]
    secrets: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/secrets"])]
    user: Annotated[str, Meta(min_length=1, examples=["vera"])]
    user_password_file: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/user-password"])]
    action_key: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/action.pub"])]
    gateway_messages: Annotated[int, GATEWAY_MESSAGES]
    gateway_births: Annotated[int, GATEWAY_BIRTHS]
    new_gateways: Annotated[int, NEW_GATEWAYS]
    new_pumps: Annotated[int, NEW_PUMPS]
    trusted_proxy: Annotated[list[str], Meta(max_length=MAX_PROXIES, examples=["127.0.0.1", "10.0.0.0/8"])]
    tls_cert: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/dashboard.pem"])]
    tls_key: Annotated[str, Meta(min_length=1, examples=["/etc/pumpwatch/dashboard.key"])]
    cluster: Annotated[str, Meta(min_length=1, examples=["nats://127.0.0.1:4222"])]
    history_table: Annotated[str, Meta(min_length=1, examples=["/shared/samples", "s3://bucket/samples"])]
    cluster_monitor: Annotated[str | int, Meta(examples=["8222", "8222,8223,8224"])]
    ranges: Annotated[int, RANGES]
    cluster_log_size: Annotated[float, LOG_GB]
    cluster_log_hours: Annotated[float, LOG_HOURS]
    allowed_host: Annotated[list[str], Meta(max_length=MAX_HOSTS, examples=["ward.example"])]


TYPES: Final[dict[str, Any]] = get_type_hints(Settings, include_extras=True)
"""Type and range of each setting, by name."""


class SettingsError(ValueError):
    """The settings file cannot be used; the message names the file, the setting, its value and what is allowed."""


def user_data() -> Path:
    """Return the user's data directory for Pumpwatch."""
    path = platformdirs.user_data_path("pumpwatch")
    if not path.is_absolute():
        raise SettingsError(f"this user has no home directory ({path} is not absolute); give a directory with --data")
    return path


def expanded(path: Path | None) -> Path | None:
    """Return a path with `~` and `~user` replaced, as a shell does; variables stay.

    Raises `SettingsError` if there is no such home directory, or the system allows no such name.
    """
    if path is None:
        return None
    try:
        whole = path.expanduser()
        # Not exists(): since Python 3.14 that answers no where the system refuses the name.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
            whole.stat()
    except RuntimeError as error:
        raise SettingsError(f"{path}: there is no such home directory; write the whole path") from error
    except OSError as error:
        raise SettingsError(f"{str(path)[:80]!r} cannot be used: {error.strerror}; choose another path") from error
    if any(sign < " " or sign == "\x7f" for sign in str(whole)):
        raise SettingsError(f"{str(path)[:80]!a} contains control characters; choose another path")
    if not str(whole).isascii() and sys.getfilesystemencoding() != "utf-8":
        raise SettingsError(f"{str(path)[:80]!a} needs a locale with UTF-8; set PYTHONUTF8=1, or LC_ALL=C.UTF-8")
    if any("\ud800" <= sign <= "\udfff" for sign in str(whole)):
        raise SettingsError(f"{str(path)[:80]!a} is not valid UTF-8; choose another path")
    return whole


def environment() -> dict[str, str]:
    """Return the environment of this process."""
    return dict(os.environ)


def keep_memory() -> None:
    """Let Polars keep freed memory for 10 s instead of 0.5 s; has no effect once Polars is loaded.

    A large fleet is evaluated every few seconds, and requesting a gigabyte from the system takes longer than the
    evaluation. A value that the user has set stays.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000")


def return_memory() -> bool:
    """Let glibc give large freed blocks back to the system at once; return whether it does.

    The births of a large fleet are a hundred megabytes of texts that are needed once. By itself glibc keeps such blocks
    from the second time on. Other C libraries return them anyway, and a value that the user has set stays.
    """
    chosen = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"} & os.environ.keys()
    if chosen or sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(option, size) == 1 for option, size in _RETURNED.items())


def share_cores() -> None:
    """Let Polars use half of the cores in each part, at least one; has no effect once Polars is loaded.

    The parts run beside each other, and history is written beside judging: with a thread for every core in each, a
    batch takes longer, not less. A value that the user has set stays.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))


def widen_narrow_terminal() -> None:
    """Format for `MIN_COLUMNS` if the terminal has fewer, or `COLUMNS` is no width: a column of letters is unreadable.

    The terminal breaks the lines.
    """
    columns = shutil.get_terminal_size().columns
    if columns < MIN_COLUMNS or os.environ.get("COLUMNS", str(columns)) != str(columns):
        os.environ["COLUMNS"] = str(max(columns, MIN_COLUMNS))


def read_file(path: Path | None) -> Settings:
    """Read the settings file; `history-size` and `history_size` are the same name.

    Without `path`, `pumpwatch.toml` in the working directory is read if it exists. Raises `SettingsError` if the file
    cannot be read, a name is unknown, or a value has the wrong type or is out of range.
    """
    file = path or Path(FILE)
    if path is None and not file.is_file():
        return {}
    settings: dict[str, Any] = {}
    for key, value in _toml(file).items():
        name = key.replace("-", "_")
        if name not in TYPES:
            raise SettingsError(f"{file}: unknown setting {key!r}; {nearest(name, TYPES)}Settings: {', '.join(TYPES)}")
        if name in settings:
            raise SettingsError(f"{file}: {key} is set twice, with - and with _; remove one of the two")
        try:
            settings[name] = msgspec.convert(value, TYPES[name])
        except msgspec.ValidationError as error:
            shown = " (not shown: it may be secret)" if name in SECRETS else f" = {repr(value)[:MAX_SHOWN]}"
            raise SettingsError(f"{file}: {key}{shown} is not allowed; use {allowed(name)}") from error
    return msgspec.convert(settings, Settings)


def allowed(name: str) -> str:
    """Return what a setting may be, such as `an integer from 1 to 65,535`."""
    kind = TYPES[name]
    if get_origin(kind) is Literal:
        return _any_of(get_args(kind))
    if kind is bool:
        return "true or false"
    if get_origin(kind) is not Annotated:
        return "text in quotes"
    base, limits = get_args(kind)
    if get_origin(base) is list:
        return f"a list of at most {limits.max_length} texts, such as {list(limits.examples)}"
    if limits.examples:
        return f"text in quotes, such as {_any_of(limits.examples)}"
    number = "an integer" if base is int else "a number"
    return f"{number} from {limits.ge:,}" + ("" if limits.le is None else f" to {limits.le:,}")


def defaults_for(commands: Mapping[str, Iterable[str]], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, by command, the values of the settings that it has."""
    return {command: {name: values[name] for name in names if name in values} for command, names in commands.items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X? ` for the known name most like `name`, or an empty string."""
    close = get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}? " if close else ""


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error


def _any_of(values: Iterable[str]) -> str:
    *first, last = (f'"{value}"' for value in values)
    return f"{', '.join(first)} or {last}" if first else last
