"""Audit log: entries of the journal as the page Audit filters, shows and exports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from broker.store import audit, journal, journal_query
from broker.store.export import no_formula
from broker.store.journal_query import Query

RIGHT: Final = "audit"
"""The right to see the audit log, which engineers and admins have."""
PAGE: Final = 100
"""Entries on a page."""
MAX_TEXT: Final = 400
"""Characters of a text that a page shows; the export and `pumpwatch journal` have all."""
MAX_FILTER: Final = 100
MAX_EXPORT: Final = 5_000
MAX_EXPORT_CHARACTERS: Final = 400_000
HOUR_MS: Final = 3_600_000
PERIODS: Final = {
    "1": "Last hour",
    "24": "Last 24 hours",
    "168": "Last 7 days",
    "720": "Last 30 days",
    "": "Any time",
}
"""Hours before now, and what they are called."""
REFUSED: Final = ("denied", "forged", "refused", "sign_in_failed", "locked_out")
GROUPS: Final = {
    "people": "By people",
    "access": "Sign-ins and access",
    "refusals": "Refused and failed",
    "all": "All entries",
}
KINDS: Final = tuple(sorted({*audit.KINDS, *journal.KINDS, "ordered", "done", "started", "stopped"}))
"""Kinds that can be chosen one by one."""
EXPORTED: Final = ("at", "kind", "who", "origin", "pump", "pumps", "subject", "title", "text", "id")


@dataclass(frozen=True)
class Filter:
    """What the page shows: one of `GROUPS` or `KINDS`, a person, a text, and how many hours back (0: any time)."""

    show: str = "people"
    who: str = ""
    text: str = ""
    hours: int = 0

    def query(self, now: int, *, limit: int, before: int | None = None) -> Query:
        """Return the query at `now` (wall ms)."""
        kinds: Mapping[str, tuple[str, ...]] = {"access": tuple(audit.KINDS), "refusals": REFUSED}
        return Query(
            who=self.who or None,
            text=self.text or None,
            since=now - self.hours * HOUR_MS if self.hours else None,
            kinds=kinds.get(self.show, () if self.show in GROUPS else (self.show,)),
            people_only=self.show == "people",
            limit=limit,
            before=before,
        )

    def words(self) -> str:
        """Return the filter in words, for the audit entry of an export."""
        parts = [GROUPS.get(self.show, f"kind {self.show}").lower()]
        parts += [f"person {self.who}"] if self.who else []
        parts += [f"text {self.text}"] if self.text else []
        return ", ".join([*parts, PERIODS.get(str(self.hours or ""), f"last {self.hours} hours").lower()])


def filter_of(show: Any, who: Any, text: Any, hours: Any) -> Filter:
    """Return the filter of the values that a browser sent, whatever they are."""
    known = show if isinstance(show, str) and (show in GROUPS or show in KINDS) else "people"
    period = int(hours) if isinstance(hours, str) and hours and hours in PERIODS else 0
    return Filter(known, _words(who), _words(text), period)


def page(data: Path, chosen: Filter, now: int, before: int | None = None) -> tuple[pl.DataFrame, bool]:
    """Return a page of entries with their numbers (`id`), newest first, and whether there are older ones."""
    found = journal_query.numbered(data, chosen.query(now, limit=PAGE + 1, before=before))
    return found.head(PAGE), found.height > PAGE


def csv(data: Path, chosen: Filter, now: int) -> tuple[str, int, bool]:
    """Return entries as CSV, how many, and whether there are more than fit; times are ISO 8601 in UTC.

    A text that a spreadsheet would run as a formula gets a single quote in front of it.
    """
    found = journal_query.numbered(data, chosen.query(now, limit=MAX_EXPORT + 1))
    at = pl.col("at").cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    table = found.with_columns(at, pl.col("pumps").list.join(" ")).select(EXPORTED)
    table = table.with_columns(no_formula(pl.col(pl.String)))
    fit = min(table.height, MAX_EXPORT)
    while len(text := table.head(fit).write_csv()) > MAX_EXPORT_CHARACTERS:
        fit = fit * 3 // 4
    return text, fit, fit < table.height


def about(row: dict[str, Any]) -> str:
    """Return what an entry is about: its first pump and how many more, or its subject."""
    pumps = [row["pump"]] if row["pump"] else row["pumps"] or []
    more = f" and {len(pumps) - 1:,} more" if len(pumps) > 1 else ""
    return f"{pumps[0]}{more}" if pumps else row["subject"] or ""


def details(row: dict[str, Any]) -> str:
    """Return title and text of an entry, at most `MAX_TEXT` characters."""
    text = ": ".join(filter(None, (row["title"], row["text"])))
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _words(value: Any) -> str:
    return " ".join(value.split())[:MAX_FILTER] if isinstance(value, str) else ""
