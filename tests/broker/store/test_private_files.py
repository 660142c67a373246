"""Files of a data directory: other users of the machine read none of them, whatever the umask was."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from broker.store import private_files, secret_files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of an earlier version, as umask 022 left it."""
    data = tmp_path / "data"
    for name in ("journal.sqlite", "journal.sqlite-wal", "quarantine.jsonl", "history/date=2026-01-01/0.parquet"):
        (data / name).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        (data / name).touch(0o644)
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return data


def test_files_of_an_earlier_version_are_closed_to_others(data: Path) -> None:
    assert [path.name for path in private_files.exposed(data)][:1] == ["history"]
    assert private_files.tighten(data) == 7
    assert {mode(path) for path in (data, *data.rglob("*"))} == {0o700, 0o600}
    assert private_files.exposed(data) == []
    assert private_files.tighten(data) == 0


def test_what_is_not_ours_stays_as_it_is_and_so_does_the_directory_around_it(data: Path) -> None:
    (data / "thesis.txt").touch(0o644)
    (data / "thesis.txt").chmod(0o644)
    private_files.tighten(data)
    assert mode(data / "thesis.txt") == 0o644
    assert mode(data) == 0o755
    assert mode(data / "journal.sqlite") == 0o600


def test_secrets_are_for_their_owner_alone_even_if_they_were_not(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)
    secrets = secret_files.directory(tmp_path)
    secret_files.write(secrets / "key", b"1")
    assert (mode(secrets), mode(secrets / "key")) == (0o700, 0o600)


def test_secrets_that_cannot_be_closed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets").chmod(0o755)
    monkeypatch.setattr(Path, "chmod", lambda _path, _mode: None)  # as a file system without rights does
    with pytest.raises(secret_files.SecretsError, match=r"other users can read .*mode 0755.* --secrets"):
        secret_files.directory(tmp_path)


def test_secrets_may_be_kept_elsewhere_and_are_found_from_the_data_directory(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "etc"
    secret_files.place(data, elsewhere)
    secret_files.write(secret_files.directory(data) / "key", b"1")
    assert (elsewhere / "key").read_bytes() == b"1"
    assert mode(elsewhere) == 0o700
    secret_files.place(data, elsewhere)
    secret_files.place(data, tmp_path / "other")
    assert secret_files.directory(data).resolve() == tmp_path / "other"


def test_secrets_in_the_data_directory_are_not_hidden_by_others(tmp_path: Path) -> None:
    secret_files.write(secret_files.directory(tmp_path) / "key", b"1")
    with pytest.raises(secret_files.SecretsError, match="contains secrets already; move its files to"):
        secret_files.place(tmp_path, tmp_path / "etc")
    assert (tmp_path / "secrets" / "key").read_bytes() == b"1"
