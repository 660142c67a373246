"""A journal that was restored without its key: whole as of then, continued with a new key, and no change is unseen."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from broker.store import journal_seal, secret_files
from broker.store.journal import Journal, JournalError
from broker.store.journal_file import FILE
from broker.store.journal_restoring import continue_without_key
from broker.store.journal_verification import anchored, verify
from tests.broker.store.test_journal import book, event


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """A data directory with three restored entries and one that was written since."""
    journal = Journal(tmp_path / "before")
    journal.append(book(*(event("raised", pump) for pump in "ABC")))
    journal.close()
    data = tmp_path / "after"
    data.mkdir()
    shutil.copy(tmp_path / "before" / FILE, data / FILE)
    assert continue_without_key(data, created=1_000).entries == 3
    journal = Journal(data)
    journal.append(book(event("returned", "A")))
    journal.close()
    return data


def change(data: Path, statement: str) -> None:
    book = sqlite3.connect(data / FILE)
    book.executescript(f"DROP TRIGGER entry_stays; DROP TRIGGER entry_remains; {statement}")
    book.commit()
    book.close()


def test_restored_entries_are_whole_and_a_new_key_continues_them(restored: Path) -> None:
    assert verify(restored, anchored(restored)) == (4, None)
    assert journal_seal.entries(restored) == 3


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE entry SET who = 'ben' WHERE id = 1", "one of the first 3 entries is not what was restored"),
        ("UPDATE entry SET origin = 'x' WHERE id = 3", "one of the first 3 entries is not what was restored"),
        ("UPDATE entry SET text = 'x' WHERE id = 4", "entry 4 (returned) is not what was written"),
        ("DELETE FROM entry WHERE id = 2", "entry 2 is missing"),
        ("DELETE FROM entry WHERE id > 2", "its end was cut off"),
    ],
)
def test_a_later_change_of_a_restored_or_a_new_entry_is_found(statement: str, found: str, restored: Path) -> None:
    change(restored, statement)
    assert found in str(verify(restored, anchored(restored))[1])


def test_without_its_seal_or_its_new_key_a_restored_journal_is_not_continued(restored: Path) -> None:
    seal, key = journal_seal.path(restored), secret_files.path(restored) / "journal.key"
    kept = seal.read_bytes()
    seal.unlink()
    assert "entry 1 (raised) is not what was written" in str(verify(restored)[1])
    seal.write_bytes(b"{}")
    with pytest.raises(JournalError, match="is not what Pumpwatch writes"):
        Journal(restored)
    seal.write_bytes(kept)
    key.unlink()
    with pytest.raises(JournalError, match="the key of the journal, is missing"):
        Journal(restored)
