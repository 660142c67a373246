"""Archive of a backup: what was written is read; what is damaged, newer or hostile is refused with what to do."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import pytest

from broker.store import backup_secrets
from broker.store.backup_archive import HEADER, BackupError, Header, Reader, Writer, is_safe
from broker.store.backup_secrets import PassphraseError

HISTORY = "history/date=2026-01-31/hour=07/0-1-1.parquet"
FILES = {HISTORY: b"PAR1" * 1000, "journal.sqlite": b"entries" * 1000, "truth.jsonl": b"{}\n"}
PASSPHRASE = "a long passphrase"


def write(path: Path, files: dict[str, bytes] | None = None, secret: bytes = b"", **header: object) -> Path:
    about = Header(created=1, version="1", entries=3, hash="ab", secrets=bool(secret))
    content = {**msgspec.to_builtins(about), **header}
    with path.open("wb") as output, Writer(output) as writer:
        writer.add_bytes(HEADER, msgspec.json.encode(content))
        for name, each in (FILES if files is None else files).items():
            writer.add(name, io.BytesIO(each), len(each))
        writer.finish((lambda bound: backup_secrets.seal(secret, PASSPHRASE, bound, cost=2**4)) if secret else None)
    return path


def read(path: Path) -> dict[str, bytes]:
    reader = Reader(path)
    try:
        return {name: b"".join(reader.content(name)) for name in reader.names()}
    finally:
        reader.close()


def refusal(path: Path) -> str:
    with pytest.raises(BackupError) as refused:
        read(path)
    return str(refused.value)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read(write(tmp_path / "b")) == FILES


def test_of_a_file_that_grows_only_its_size_of_then_is_taken(tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as output, Writer(output) as writer:
        writer.add("truth.jsonl", io.BytesIO(b"then, and later"), 4)
        with pytest.raises(BackupError, match="became shorter"):
            writer.add("short", io.BytesIO(b"abc"), 4)


@pytest.mark.parametrize("name", [HISTORY, "journal.sqlite"])
def test_one_changed_byte_is_found_in_any_member(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "b")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(name) + 25] ^= 1
    path.write_bytes(content)
    assert "is damaged" in refusal(path)


def test_a_member_that_was_replaced_with_its_checksum_is_found_by_its_digest(tmp_path: Path) -> None:
    path = write(tmp_path / "b")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        # As long as the real one: its size gives nothing away.
        for name, content in {**members, "journal.sqlite": b"ENTRIES" * 1000}.items():
            archive.writestr(name, content)
    assert "'journal.sqlite' is not what was written" in refusal(path)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(kept: float, tmp_path: Path) -> None:
    path = write(tmp_path / "b")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert "its end is missing" in refusal(path)


def test_other_files_and_newer_formats_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("letter.txt", "hello")
    assert f"it has no {HEADER}" in refusal(tmp_path / "zip")
    assert "has format 2" in refusal(write(tmp_path / "newer", format=2))
    assert "with the version that made it" in refusal(tmp_path / "newer")
    assert "is not what was written" in refusal(write(tmp_path / "wrong", entries="many"))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../out",
            "/etc/passwd",
            "history/../../out",
            "history//x",
            "./history/x",
            "history\\..\\x",
            "a/b",
            "hist\nory",
        ),
        *(
            "secrets/journal.key",
            "run.json",
            "client-id",
            "format.json",
            "broker/mosquitto.conf",
            ".backup/x",
            ".doctor",
        ),
        *("accounts.json", "dashboard.secret", "history/" + "x" * 600),
    ],
)
def test_names_that_lead_elsewhere_or_are_secret_are_refused(name: str, tmp_path: Path) -> None:
    assert not is_safe(name)
    assert "which no backup of Pumpwatch does" in refusal(write(tmp_path / "b", {name: b"x"}))


def test_members_that_are_not_listed_or_listed_and_missing_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(write(tmp_path / "more"), "a") as archive:
        archive.writestr("history/more.parquet", b"x")
    assert "does not contain what it lists" in refusal(tmp_path / "more")
    with zipfile.ZipFile(write(tmp_path / "b")) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != HISTORY}
    with zipfile.ZipFile(tmp_path / "less", "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    assert "does not contain what it lists" in refusal(tmp_path / "less")


def test_a_bomb_ends_at_the_size_that_is_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "b")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, "journal.sqlite": bytes(50_000_000)}.items():
            archive.writestr(name, content)
    reader = Reader(path)
    with pytest.raises(BackupError, match="damaged"):
        next(reader.content("journal.sqlite"))
    reader.close()
    assert path.stat().st_size < 100_000


def test_secrets_open_with_their_passphrase_and_their_backup_alone(tmp_path: Path) -> None:
    reader = Reader(write(tmp_path / "b", secret=b"the keys"))
    other = Reader(write(tmp_path / "other", {"truth.jsonl": b"changed\n"}, secret=b"the keys"))
    assert b"the keys" not in (tmp_path / "b").read_bytes()
    assert backup_secrets.unseal(reader.sealed(), PASSPHRASE, reader.digest) == b"the keys"
    for sealed, passphrase, digest in (
        (reader.sealed(), "another passphrase", reader.digest),
        (reader.sealed(), PASSPHRASE, other.digest),
        (reader.sealed()[:-1] + b"x", PASSPHRASE, reader.digest),
        (reader.sealed()[:30], PASSPHRASE, reader.digest),
        (backup_secrets.MAGIC + b"\xff" + bytes(60), PASSPHRASE, reader.digest),
        (b"", PASSPHRASE, reader.digest),
    ):
        with pytest.raises(PassphraseError, match=r"wrong|not what this version"):
            backup_secrets.unseal(sealed, passphrase, digest)
    reader.close()
    other.close()


def test_a_short_passphrase_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(PassphraseError, match="has 5 characters; use 12 to 1,000"):
        backup_secrets.seal(b"x", "short", b"")
