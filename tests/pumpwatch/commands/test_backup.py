"""`pumpwatch backup` and `pumpwatch restore`: what they take over, what they refuse, and what they say."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.store import action_key, audit, backup_secrets, secret_files
from broker.store.journal_query import Query, entries
from pumpwatch.__main__ import app
from pumpwatch.commands.doctor_journal import check, intact
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import read_file

PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backup_secrets.seal, "__defaults__", (2**4,))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A system with two journal entries, a sample of history, accounts and a key that signs."""
    data = tmp_path / "data"
    audit.record(data, "exported", who="vera", origin="1.2.3.4", text="week.csv", at=1)
    segment = data / "history/date=2026-01-31/hour=07/0-1-1.parquet"
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"PAR1 samples PAR1")
    action_key.ensure(data)
    secret_files.write(secret_files.directory(data) / "accounts.json", b'{"accounts": [{"hash": "hidden-hash"}]}')
    return data


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\nsecond line\n")
    return path


def pumpwatch(*words: str | Path) -> str:
    """Run a command and return what it says."""
    result = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "300"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*words: str | Path) -> str:
    with pytest.raises(CommandError) as error:
        CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    return str(error.value)


def test_a_cluster_is_not_backed_up_by_halves(data: Path, tmp_path: Path) -> None:
    (data / "ranges").mkdir()
    assert "stop all nodes and copy it" in refused("backup", tmp_path / "b.zip", "--data", data)


def history(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in data.glob("history/**/*.parquet")}


def test_a_backup_has_no_secrets_unless_they_are_asked_for(data: Path, tmp_path: Path) -> None:
    said = pumpwatch("backup", "b", "--data", data)
    assert "without secrets; the journal has 2 entries" in said
    assert "not in it: keys, passwords and accounts" in said
    with zipfile.ZipFile(tmp_path / "b") as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    for path in secret_files.path(data).rglob("*"):
        assert path.is_dir() or not path.stat().st_size or path.read_bytes() not in content, path
    assert entries(data, Query(kinds=("exported",)))["text"][0] == "backup to b, without secrets"
    assert (tmp_path / "b").stat().st_mode & 0o077 == 0


def test_without_secrets_history_and_journal_are_the_same_and_it_says_what_is_new(data: Path) -> None:
    pumpwatch("backup", "b", "--data", data)
    before, former = entries(data, Query()), action_key.read(data / action_key.PUBLIC).keys
    said = pumpwatch("restore", "b", "--data", "new")
    new = Path("new")
    assert history(new) == history(data)
    assert entries(new, Query())[1:].equals(before)
    assert entries(new, Query())["kind"][0] == "restored"
    count, problem = check(new)
    assert (count, problem) == (3, None)
    assert "the first 2 were restored without anchor from a backup of" in intact(new, count)
    assert "2 entries restored without key and anchor" in said
    assert "nobody can sign in until you add an account: pumpwatch user add NAME --role admin" in said
    assert "start it with: pumpwatch run --data new" in said
    # What the former key signed and the message log contains is still valid.
    keys = action_key.read(new / action_key.PUBLIC).keys
    assert [key.id for key in keys][1:] == [key.id for key in former]
    assert keys[1].until is not None
    assert (new / "client-id").read_text() != "pumpwatch-processor\n"


def test_with_secrets_everything_is_as_before(data: Path, passphrase: Path) -> None:
    pumpwatch("backup", "b", "--data", data, "--with-secrets", "--passphrase-file", passphrase)
    said = pumpwatch("restore", "b", "--data", "new", "--passphrase-file", passphrase)
    assert "people sign in again" in said
    for name in ("accounts.json", "action.key", "journal.key"):
        assert (Path("new/secrets") / name).read_bytes() == (data / "secrets" / name).read_bytes()
    count, problem = check(Path("new"))
    assert problem is None
    assert intact(Path("new"), count) == "3 entries, hash chain intact"


def test_a_wrong_passphrase_restores_nothing(data: Path, passphrase: Path) -> None:
    pumpwatch("backup", "b", "--data", data, "--with-secrets", "--passphrase-file", passphrase)
    Path("wrong").write_text("another passphrase\n")
    assert "the passphrase is wrong" in refused("restore", "b", "--data", "new", "--passphrase-file", "wrong")
    assert "give it with --passphrase-file FILE" in refused("restore", "b", "--data", "new")
    assert not Path("new").exists()
    assert "without secrets" in pumpwatch("restore", "b", "--data", "new", "--without-secrets")


def test_settings_come_along_without_those_that_are_secret(data: Path, passphrase: Path) -> None:
    Path("pumpwatch.toml").write_text(
        f'data = "{data}"\npumps = 30\ninterval = "5m"\nallowed-host = ["ward.example"]\nkey = "the-hidden-key"\n'
    )
    pumpwatch("backup", "b")
    pumpwatch("backup", "s", "--with-secrets", "--passphrase-file", passphrase)
    Path("pumpwatch.toml").unlink()
    said = pumpwatch("restore", "b", "--data", "new")
    assert "settings that are not in the backup, because they are secret: key" in said
    assert "pumpwatch --settings new/pumpwatch.toml run --data new" in said
    kept = {"pumps": 30, "interval": "5m", "allowed_host": ["ward.example"]}
    assert read_file(Path("new/pumpwatch.toml")) == kept
    pumpwatch("restore", "s", "--data", "all", "--passphrase-file", passphrase)
    assert read_file(Path("all/pumpwatch.toml")) == {**kept, "key": "the-hidden-key"}


def test_a_backup_replaces_nothing_and_needs_a_system(data: Path, passphrase: Path) -> None:
    Path("b").write_text("letter")
    assert "b exists already" in refused("backup", "b", "--data", data)
    assert "contains no system" in refused("backup", "c", "--data", "absent")
    assert "--passphrase-file is for --with-secrets" in refused(
        "backup", "c", "--data", data, "--passphrase-file", passphrase
    )
    Path("short").write_text("short\n")
    assert "use 12 to 1,000" in refused("backup", "c", "--data", data, "--with-secrets", "--passphrase-file", "short")
    assert not Path("c").exists()


def test_it_is_restored_into_an_empty_directory_only(data: Path) -> None:
    pumpwatch("backup", "b", "--data", data)
    assert "is not empty" in refused("restore", "b", "--data", data)
    assert "is no directory" in refused("restore", "b", "--data", "b")
    assert "cannot restore absent" in refused("restore", "absent", "--data", "new")
    Path("empty").mkdir()
    pumpwatch("restore", "b", "--data", "empty", "--secrets", "elsewhere")
    assert (Path("elsewhere") / "journal.key").exists()
    assert "is not empty" in refused("restore", "b", "--data", "empty")


def test_of_a_damaged_backup_nothing_is_left(data: Path) -> None:
    pumpwatch("backup", "b", "--data", data)
    content = bytearray(Path("b").read_bytes())
    content[content.index(b"PAR1 samples") + 6] ^= 1
    Path("damaged").write_bytes(content)
    assert "use another copy of it" in refused("restore", "damaged", "--data", "new")
    assert list(Path("new").iterdir()) == []
    pumpwatch("restore", "b", "--data", "new")


def test_a_backup_of_an_altered_journal_says_so_when_it_is_made_and_restored(data: Path) -> None:
    (data / "secrets/journal.anchor").write_text('{"entries": 9, "hash": "' + "ab" * 32 + '"}')
    assert "warning: the journal is not as it was written: it ends at entry 2" in pumpwatch(
        "backup", "b", "--data", data
    )
    assert "its journal was not as it was written" in pumpwatch("restore", "b", "--data", "new")


def test_a_directory_of_a_newer_version_is_refused_by_every_command(data: Path) -> None:
    (data / "format.json").write_text('{"format": 7}')
    for words in (("backup", "b"), ("alarms",), ("run",)):
        assert "has format 7, and this version of Pumpwatch reads up to 1" in refused(*words, "--data", data)
