"""A journal that was restored without its key: its entries are sealed, and a new key continues the chain."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from broker.store import journal_anchor, journal_chain, journal_seal
from broker.store.journal_chain import Head
from broker.store.journal_query import reading, selected
from broker.store.journal_seal import COLUMNS, Seal


def continue_without_key(data: Path, created: int) -> Head:
    """Seal all entries as they are, make a new key and anchor the end; return that. `created` is that of the backup.

    From then on a change of any entry is found, as before; what was changed before the backup was made is not.
    Raises `OSError` or `sqlite3.Error`.
    """
    head, digest = Head(), sha256()
    with reading(data) as (connection, found):
        if connection is not None:
            rows = connection.execute(f"SELECT {selected(COLUMNS, found)} FROM entry ORDER BY id")  # noqa: S608
            for row in map(dict, rows):
                digest.update(journal_seal.content(row))
                head = Head(row["id"], bytes(row["hash"]))
    # The seal first: a key without it would make the entries look altered.
    journal_seal.write(data, Seal(head.entries, created, digest.hexdigest()))
    journal_anchor.write(data, head)
    journal_chain.make_key(data)
    return head
