"""Checks of `pumpwatch doctor` on the journal: its chain, how far it was before, and its times."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broker.display.instants import timestamp
from pumpwatch.commands.doctor_access import Finding

AHEAD_S: Final = 5.0
"""By how much an entry may be ahead of the clock; file times of some file systems are coarse."""
ADVICE: Final = (
    "keep a copy of the data directory and its secrets, compare with the log and with backups; to begin a new journal, "
    "stop the system and move journal.sqlite and secrets/journal.key away"
)


def journal(data: Path) -> Iterator[Finding]:
    """Check that the chain of the journal is whole and reaches as far as anchor and checkpoint say it was.

    In a cluster there is one more of each range.
    """
    from broker.store.range_directories import sources

    ranges = {f"journal of range {each.parent.name}": each for each in sources(data) if each != data}
    for name, directory in {"journal": data, **ranges}.items():
        try:
            count, problem = check(directory)
        except (OSError, sqlite3.Error) as error:
            count, problem = 0, f"cannot be verified: {error}"
        if problem is not None:
            yield Finding(name, "failed", f"{problem}; {ADVICE}")
        elif count:
            yield Finding(name, "ok", intact(directory, count))


def intact(data: Path, count: int) -> str:
    """Return the sentence about a journal of so many entries in which nothing is wrong. Raises `OSError`."""
    from broker.store import journal_seal

    seal, text = journal_seal.read(data), f"{count:,} entries, hash chain intact"
    if seal is None:
        return text
    return (
        f"{text}; the first {seal.entries:,} were restored without anchor from a backup of {timestamp(seal.created)}: "
        "unchanged since then"
    )


def check(data: Path) -> tuple[int, str | None]:
    """Return the number of entries and, if the journal is not what it was, a sentence that says where.

    Raises `OSError` or `sqlite3.Error`.
    """
    from broker.store.journal_verification import anchored, by_processor, verify
    from broker.store.range_directories import is_cluster
    from processor.service.checkpoint import journal_head

    checkpoint, anchor = journal_head(data), anchored(data)
    count, broken = verify(data, checkpoint, anchor)
    # That of a cluster is made of those of its ranges, by the merger, which writes no checkpoint.
    if broken is None and checkpoint is None and by_processor(data) and not is_cluster(data):
        return count, f"it has {count:,} entries but there is no checkpoint, which the processor writes when it starts"
    return count, broken


def clock(data: Path) -> Iterator[Finding]:
    """Check the clock of this machine against the last entry: signatures and certificates expire by it."""
    from broker.store.journal_query import Query, entries

    if not data.is_dir():
        return
    try:
        last = entries(data, Query(limit=1))["at"].to_list()
        # Compares with the time of a file, so this module needs no clock.
        probe = data / ".doctor"
        probe.touch()
        ahead_s = max(last, default=0) / 1000 - probe.stat().st_mtime
        probe.unlink()
    except (OSError, sqlite3.Error):
        return
    if ahead_s > AHEAD_S:
        text = f"the last journal entry is {ahead_s:,.0f} s ahead of it; check time synchronization (NTP)"
        yield Finding("clock", "failed", text)
    else:
        yield Finding("clock", "ok", "not behind the journal")
