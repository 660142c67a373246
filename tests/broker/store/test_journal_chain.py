"""What somebody finds out about a journal that was recomputed, cut off or moved, and several writers at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import msgspec
import polars as pl
import pytest

from broker.store import audit, journal_anchor, journal_chain
from broker.store.journal import ENTRIES_SCHEMA, Journal, JournalError
from broker.store.journal_chain import CHAINED
from broker.store.journal_file import FILE
from broker.store.journal_query import Query, entries, numbered
from broker.store.journal_verification import Verification, anchored, verify
from tests.broker.store.test_journal import OLD_ALARMS, book, event, tamper, write_format_2

WRITERS, EACH = 4, 15


@pytest.fixture
def journal(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append(book(*(event("raised", pump) for pump in "ABC")))
    journal_anchor.write(tmp_path, journal.head)
    yield journal
    journal.close()


def rewrite(data: Path, change: str, format_: int) -> None:
    """Change entries and make every hash anew, as somebody can who has the file and these sources, but no key."""
    book, last = sqlite3.connect(data / FILE), bytes(32)
    book.row_factory = sqlite3.Row
    book.executescript(
        f"DROP TRIGGER entry_stays; DROP TRIGGER entry_remains; {change}; UPDATE entry SET format={format_};"
    )
    for row in map(dict, book.execute("SELECT * FROM entry ORDER BY id").fetchall()):
        last = sha256(last + msgspec.json.encode([row[name] for name in CHAINED[format_]])).digest()
        book.execute("UPDATE entry SET hash = ? WHERE id = ?", (last, row["id"]))
    book.commit()
    book.close()


@pytest.mark.parametrize(
    ("format_", "found"), [(4, "entry 1 (raised) is not what was written"), (3, "the chain was rewritten")]
)
def test_a_recomputed_journal_is_found_without_any_checkpoint(
    tmp_path: Path, journal: Journal, format_: int, found: str
) -> None:
    assert verify(tmp_path, anchored(tmp_path)) == (3, None)
    rewrite(tmp_path, "UPDATE entry SET who = 'ben' WHERE id = 2", format_)
    assert found in str(verify(tmp_path, anchored(tmp_path))[1])


def test_a_journal_whose_end_was_cut_off_is_found_without_any_checkpoint(tmp_path: Path, journal: Journal) -> None:
    rewrite(tmp_path, "DELETE FROM entry WHERE id = 3", 3)
    assert "it ends at entry 2, but there were 3" in str(verify(tmp_path, anchored(tmp_path))[1])


def test_a_journal_that_is_gone_is_found(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / FILE).unlink()
    assert "it ends at entry 0, but there were 3" in str(verify(tmp_path, anchored(tmp_path))[1])


def test_an_anchor_that_is_gone_is_found(tmp_path: Path, journal: Journal) -> None:
    journal_anchor.path(tmp_path).unlink()
    with pytest.raises(OSError, match=r"journal\.anchor is missing.* may have been cut off"):
        anchored(tmp_path)


def test_older_entries_are_bound_by_the_first_with_a_key(tmp_path: Path) -> None:
    write_format_2(tmp_path)
    assert anchored(tmp_path) is None
    journal = Journal(tmp_path)
    journal.append(book(event("raised", "B")))
    journal.close()
    count = len(OLD_ALARMS) + 1
    assert verify(tmp_path, anchored(tmp_path)) == (count, None)
    old, last = sqlite3.connect(tmp_path / FILE), bytes(32)
    old.executescript("DROP TRIGGER entry_stays; UPDATE entry SET who = 'ben' WHERE id = 2;")
    for row in old.execute(f"SELECT id, {', '.join(CHAINED[2])} FROM entry WHERE format = 2 ORDER BY id").fetchall():
        last = sha256(last + msgspec.json.encode(row[1:])).digest()
        old.execute("UPDATE entry SET hash = ? WHERE id = ?", (last, row[0]))
    old.commit()
    old.close()
    assert verify(tmp_path) == (count - 1, f"entry {count} (raised) is not what was written, or the one before is not")


@pytest.mark.parametrize(("key", "reason"), [(None, "journal.key, the key of the journal, is missing"),
                                             (b"x" * 32, "is another key, or the journal was rewritten")])  # fmt: skip
def test_a_journal_is_not_continued_with_another_key(tmp_path: Path, journal: Journal, key, reason) -> None:
    path = journal_chain.key_path(tmp_path)
    path.unlink() if key is None else path.write_bytes(key)
    with pytest.raises(JournalError, match=f"{reason}.*--secrets"):
        Journal(tmp_path)
    assert verify(tmp_path)[1] is not None


def test_one_entry_that_was_tampered_with_does_not_keep_the_processor_from_writing(tmp_path: Path, journal) -> None:
    tamper(tmp_path, "UPDATE entry SET who = 'ben' WHERE id = 3;")
    again = Journal(tmp_path)
    again.append(book(event("cleared", "A", 2)))
    again.close()
    assert verify(tmp_path)[1] == "entry 3 (raised) is not what was written, or the one before is not"


def test_verification_goes_on_where_it_ended_and_finds_what_was_changed_there(tmp_path: Path, journal: Journal) -> None:
    verification = Verification(tmp_path)
    verification.advance()
    journal.append(book(event("cleared", "A", 2)))
    verification.advance(journal.head)
    assert (verification.head.entries, verification.broken) == (4, None)
    rewrite(tmp_path, "UPDATE entry SET who = 'ben' WHERE id = 2", 4)
    verification.advance()
    assert verification.broken == "entry 4 was changed or removed after it had been verified"


def test_an_audit_entry_says_who_and_from_where(tmp_path: Path) -> None:
    audit.record(tmp_path, "sign_in_failed", who="eve", origin="10.0.0.9", text="wrong password", at=5)
    (row,) = entries(tmp_path, Query(origin="10.0.0.9")).iter_rows(named=True)
    assert (row["kind"], row["who"], row["origin"], row["text"]) == (
        "sign_in_failed",
        "eve",
        "10.0.0.9",
        "wrong password",
    )
    assert entries(tmp_path, Query(origin="10.0.0.8")).is_empty()
    assert verify(tmp_path, anchored(tmp_path)) == (1, None)


def test_entries_are_found_by_kind_by_text_and_page_by_page(tmp_path: Path, journal: Journal) -> None:
    said = [(10, "denied", "Eve", "inject"), (11, "exported", "anna", "100% of it"), (12, "denied", "ben", "stop")]
    rows = [{"at": at, "kind": kind, "who": who, "text": text, "once": str(at)} for at, kind, who, text in said]
    journal.append(pl.DataFrame([dict.fromkeys(ENTRIES_SCHEMA) | row for row in rows], ENTRIES_SCHEMA))
    assert entries(tmp_path, Query(kinds=("denied",)))["at"].to_list() == [12, 10]
    assert entries(tmp_path, Query(text="eVE"))["at"].to_list() == [10]
    assert entries(tmp_path, Query(text="%"))["at"].to_list() == [11]
    newest = numbered(tmp_path, Query(people_only=True, limit=1))
    assert newest.select("at", "id").rows() == [(12, 6)]
    assert entries(tmp_path, Query(people_only=True, limit=1, before=newest["id"].item()))["at"].to_list() == [11]


def test_four_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from broker.store import audit\n"
        f"for n in range({EACH}):\n"
        "    audit.record(Path(sys.argv[1]), 'signed_in', who=sys.argv[2], origin='x', text=str(n), at=n)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"writer-{n}"], stderr=subprocess.PIPE, text=True)
        for n in range(WRITERS)
    ]
    assert [writer.communicate(timeout=120)[1] for writer in writers] == [""] * WRITERS
    assert verify(tmp_path, anchored(tmp_path)) == (WRITERS * EACH, None)
    for n in range(WRITERS):
        texts = entries(tmp_path, Query(who=f"writer-{n}"))["text"].to_list()
        assert texts == [str(m) for m in reversed(range(EACH))]
