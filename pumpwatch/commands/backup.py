"""`pumpwatch backup`: one file with everything of a system, made while it runs; secrets only with a passphrase."""

from __future__ import annotations

import importlib.metadata
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from pumpwatch.commands import audit_entries, backup_secrets_io, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import read_file, user_data

if TYPE_CHECKING:
    from broker.store.backup_archive import Writer
    from broker.store.backup_staging import Staging

Passphrase = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        callback=options.path,
        help="File whose first line is the passphrase. Default: ask for it.",
        show_default=False,
    ),
]


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file of the backup.")],
    *,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Also keys, passwords and accounts, encrypted with a passphrase.")
    ] = False,
    passphrase_file: Passphrase = None,
    data: options.Data = None,
) -> None:
    """Back up a system, running or not: state, journal, history, settings; without secrets unless you ask for them."""
    from broker.store import backup_secrets, backup_staging, range_directories
    from broker.store.backup_archive import BackupError

    where = data or user_data()
    if not (where / "journal.sqlite").exists():
        raise CommandError(f"{where} contains no system; name its data directory with --data")
    if range_directories.is_cluster(where):
        raise CommandError(
            f"{where} belongs to a cluster, of which no backup can be made while it runs; stop all nodes and copy it"
        )
    if file.exists():
        raise CommandError(f"{file} exists already; choose another name: a backup replaces no file")
    if passphrase_file is not None and not with_secrets:
        raise CommandError("--passphrase-file is for --with-secrets; without secrets nothing is encrypted")
    settings, secret_settings = backup_secrets_io.without_secrets(_settings(ctx))
    try:
        passphrase = backup_secrets_io.passphrase_of(passphrase_file, confirm=True) if with_secrets else None
        if passphrase is not None:
            backup_secrets.check_passphrase(passphrase)
        # Before the journal is staged: the anchor must not be ahead of it.
        secrets = backup_secrets_io.collect(where) if with_secrets else {}
        words = "with secrets" if with_secrets else "without secrets"
        audit_entries.record(where, "exported", f"backup to {file.name}, {words}")
        with backup_staging.staging(where) as staged:
            header = _stage(staged, secrets=with_secrets, left_out=tuple(secret_settings))
            seal = None
            if passphrase is not None:
                sealed = backup_secrets_io.Sealed(secrets, secret_settings)
                seal = backup_secrets_io.sealing(sealed, passphrase)
            size = _write(file, staged, header, settings, seal)
    except (BackupError, backup_secrets.PassphraseError, backup_staging.StagingError) as error:
        raise CommandError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"cannot back up {where} to {file}: {error}") from error
    typer.echo(f"{file}: {size:,} bytes, {words}; the journal has {header.entries:,} entries", err=True)
    if header.problem is not None:
        typer.echo(f"warning: the journal is not as it was written: {header.problem}", err=True)
    if not with_secrets:
        typer.echo("not in it: keys, passwords and accounts; with --with-secrets they are, encrypted", err=True)


def _settings(ctx: typer.Context) -> dict[str, Any]:
    """Return the settings of the file that this command was run with."""
    named = ctx.parent.params.get("file") if ctx.parent is not None else None
    return dict(read_file(named))


def _stage(staged: Staging, *, secrets: bool, left_out: tuple[str, ...]) -> Any:
    """Stage everything of one moment, and return the header. First what is behind, then what is ahead of it.

    History and journal contain all samples and entries that the checkpoint contains; what they have beyond it is in
    the message log, or is sent again by the gateways, and is recognized.
    """
    from broker.access.credentials import credentials_of
    from broker.store import account_files, data_format
    from broker.store.backup_archive import Header
    from processor.service import backup_cut

    created = now_ms()
    backup_cut.stage(staged)
    staged.keep_journal()
    staged.keep_others()
    entries, head, problem = _journal_of(staged)
    return Header(
        created=created,
        version=importlib.metadata.version("pumpwatch"),
        entries=entries,
        hash=head,
        secrets=secrets,
        accounts=account_files.required(staged.data),
        gateways=len(credentials_of(staged.data).registry().gateways),
        problem=problem,
        left_out=left_out,
        data_format=data_format.of(staged.data),
    )


def _journal_of(staged: Staging) -> tuple[int, str, str | None]:
    """Return number and hash of the last entry of the staged journal, and what is wrong with the live one."""
    from broker.store.journal_query import end_of
    from pumpwatch.commands.doctor_journal import check

    head = end_of(staged.root)
    _, problem = check(staged.data)
    return head.entries, head.hash.hex(), problem


def _write(file: Path, staged: Staging, header: Any, settings: dict[str, Any], seal: Any) -> int:
    from broker.store import durable_write, secret_files
    from broker.store.backup_archive import HEADER, SETTINGS, Writer

    def fill(fresh: Path) -> None:
        import msgspec

        fresh.touch(mode=secret_files.FILE_MODE)
        with fresh.open("wb") as output, Writer(output) as writer:
            writer.add_bytes(HEADER, msgspec.json.encode(header))
            if settings:
                writer.add_bytes(SETTINGS, backup_secrets_io.toml(settings).encode())
            _write_files(writer, staged)
            writer.finish(seal)

    return durable_write.replace(file.absolute(), fill)


def _write_files(writer: Writer, staged: Staging) -> None:
    files = list(staged.files())
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("backing up", total=sum(size for _, _, size in files))
        for name, path, size in files:
            with path.open("rb") as source:
                writer.add(name, source, size)
            progress.advance(task, size)
