"""`pumpwatch restore`: a backup into an empty directory, checked before anything of it is used."""

from __future__ import annotations

import shutil
import sqlite3
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from broker.display.instants import timestamp
from broker.store import data_format, secret_files
from pumpwatch.commands import audit_entries, backup_secrets_io, options
from pumpwatch.commands.backup import Passphrase
from pumpwatch.commands.backup_secrets_io import Sealed
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    from broker.store.backup_archive import Header, Reader

DIRECTORY: Final = ".restoring"
FREE_BYTES: Final = 100_000_000
"""Bytes that stay free."""
SETTINGS: Final = "pumpwatch.toml"


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Backup made by `pumpwatch backup`.")],
    *,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Leave out the secrets that the backup contains.")
    ] = False,
    passphrase_file: Passphrase = None,
    data: options.Data = None,
) -> None:
    """Restore a backup into an empty data directory; then start the system on it."""
    from broker.store.action_key import ActionKeyError
    from broker.store.backup_archive import BackupError, Reader
    from broker.store.backup_secrets import PassphraseError

    where = data or user_data()
    _require_empty(where)
    try:
        reader = Reader(file)
        try:
            sealed = None
            if reader.header.secrets and not without_secrets:
                sealed = _opened(reader, backup_secrets_io.passphrase_of(passphrase_file, confirm=False))
            _extract(reader, where)
            lines = list(_complete(reader, where, sealed))
        finally:
            reader.close()
    except (BackupError, PassphraseError, ActionKeyError) as error:
        raise CommandError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"cannot restore {file} to {where}: {error}") from error
    words = "without secrets" if sealed is None else "with secrets"
    of = timestamp(reader.header.created)
    audit_entries.record_afterwards(where, "restored", f"{file.name}, made {of}, restored {words}")
    typer.echo(f"{where}: {reader.total:,} bytes of {of} restored {words}", err=True)
    for line in lines:
        typer.echo(line, err=True)


def _require_empty(data: Path) -> None:
    """Raise `CommandError` unless a directory is missing or empty; `--secrets` may have made its link."""
    if not data.exists():
        return
    if not data.is_dir():
        raise CommandError(f"{data} is no directory; name a new one with --data")
    secrets = secret_files.path(data)
    used = any(path.name != secret_files.DIRECTORY for path in data.iterdir())
    if used or (secrets.is_dir() and any(secrets.iterdir())):
        raise CommandError(
            f"{data} is not empty; a backup is restored into a new or empty directory: choose another --data"
        )


def _opened(reader: Reader, passphrase: str) -> Sealed:
    from broker.store import backup_secrets
    from broker.store.backup_archive import BackupError

    try:
        return msgspec.json.decode(backup_secrets.unseal(reader.sealed(), passphrase, reader.digest), type=Sealed)
    except msgspec.DecodeError as error:
        raise BackupError(f"the secrets in {reader.path} cannot be read: {error}") from error


def _extract(reader: Reader, data: Path) -> None:
    """Write every file aside; only when all are as they were written, they are put in place."""
    from broker.store.backup_archive import BackupError

    if reader.header.data_format > data_format.FORMAT:
        raise BackupError(
            f"{reader.path} contains a data directory of format {reader.header.data_format}, and this version of "
            f"Pumpwatch reads up to {data_format.FORMAT}; restore it with version {reader.header.version}"
        )
    data.mkdir(parents=True, exist_ok=True, mode=secret_files.DIRECTORY_MODE)
    free = shutil.disk_usage(data).free - FREE_BYTES
    if reader.total > free:
        raise BackupError(f"the backup needs {reader.total:,} bytes, and {data} has {max(free, 0):,} free; make room")
    aside = data / DIRECTORY
    aside.mkdir(mode=secret_files.DIRECTORY_MODE)
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("restoring", total=reader.total)
            for name in reader.names():
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as output:
                    for chunk in reader.content(name):
                        output.write(chunk)
                        progress.advance(task, len(chunk))
        for path in aside.iterdir():
            path.rename(data / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _complete(reader: Reader, data: Path, sealed: Sealed | None) -> Iterator[str]:
    """Add what is not in the files of a backup, and yield what people have to know."""
    from processor.service import installation

    installation.make_client_id(data)
    data_format.write(data, reader.header.data_format)
    data_format.bring_up_to_date(data)
    if sealed is None:
        yield from _begin_without_secrets(reader.header, data)
    else:
        backup_secrets_io.put_back(data, sealed.files)
        yield "accounts, keys and passwords are those of the backup; people sign in again"
    if reader.header.problem is not None:
        yield f"warning: when the backup was made, its journal was not as it was written: {reader.header.problem}"
    start = f"pumpwatch run --data {data}"
    settings = tomllib.loads(reader.settings().decode())
    settings |= {} if sealed is None else sealed.settings
    if settings:
        (data / SETTINGS).write_text(backup_secrets_io.toml(settings), "utf-8")
        start = f"pumpwatch --settings {data / SETTINGS} run --data {data}"
    if sealed is None and reader.header.left_out:
        yield f"settings that are not in the backup, because they are secret: {', '.join(reader.header.left_out)}"
    yield f"start it with: {start}"


def _begin_without_secrets(header: Header, data: Path) -> Iterator[str]:
    """Make new keys, and yield what has to be made anew by people."""
    from broker.contract.signed import MAX_AGE_S, MAX_AHEAD_S
    from broker.store import account_files, action_key
    from broker.store.journal_restoring import continue_without_key

    head = continue_without_key(data, header.created)
    yield (
        f"journal: {head.entries:,} entries restored without key and anchor; they are sealed as they are now, and a "
        "new key continues them"
    )
    action_key.succeed(data, header.created + 1000 * (MAX_AGE_S + MAX_AHEAD_S))
    yield f"commands are signed with a new key; copy {data / action_key.PUBLIC} to gateways on other machines"
    if header.accounts:
        secret_files.write(account_files.marker(data), b"")
        yield "nobody can sign in until you add an account: pumpwatch user add NAME --role admin"
    if header.gateways:
        yield (
            f"logins of {header.gateways:,} gateway{'s' * (header.gateways != 1)} are not in the backup: add each one "
            "anew with pumpwatch gateway add NAME"
        )
