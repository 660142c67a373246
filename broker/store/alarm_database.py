"""Master alarm database: what a site decided about each alarm rule, beside what the rule itself says, with history.

It is rationalization data after ISA-18.2: class, approver, consequence, time to respond and notes. Nothing in it
changes how alarms are raised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.ranges import TimeMs
from broker.store import file_lock, secret_files

FILE: Final = "alarm-database.json"
LOCK: Final = "alarm-database.lock"
FORMAT: Final = 1
MAX_RULES: Final = 2_000
MAX_CHANGES: Final = 10_000
"""Changes that are kept; the audit trail has them all."""
MAX_BYTES: Final = 32 * 1024 * 1024
EDITABLE: Final[dict[str, int]] = {
    "consequence": 2_000,
    "time_to_respond": 200,
    "class": 60,
    "approver": 80,
    "notes": 2_000,
}
"""What a site may decide, and how many characters it may have. Empty means: as the rule says, or nothing."""
FIXED: Final = ("rule", "title", "priority", "subject", "cause", "action")
"""What the rule itself says."""
COLUMNS: Final = (*FIXED, *EDITABLE)
_PRIORITY: Final = {1: "high", 2: "medium", 3: "low"}


class AlarmDatabaseError(Exception):
    """The file cannot be read or written; the text says why and what to do."""


class Change(msgspec.Struct, frozen=True):
    """One change of a field of a rule. `at` is wall ms; an empty text means as the rule says."""

    at: TimeMs
    who: str
    rule: str
    field: str
    old: str
    new: str


class AlarmDatabase(msgspec.Struct, frozen=True):
    """What was decided, by rule and field, and the newest changes, the oldest first."""

    format: int = FORMAT
    rules: dict[str, dict[str, str]] = {}
    changes: list[Change] = []

    def of(self, rule: str, field: str) -> str:
        """Return what was decided about a field of a rule, empty if nothing was."""
        return self.rules.get(rule, {}).get(field, "")

    def history(self, rule: str) -> list[Change]:
        """Return the changes of a rule, the newest first."""
        return [change for change in reversed(self.changes) if change.rule == rule]


def read(data: Path) -> AlarmDatabase:
    """Return the database of a data directory, empty if there is none. Raises `AlarmDatabaseError`."""
    path = data / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        return AlarmDatabase()
    except (OSError, ValueError) as error:
        raise AlarmDatabaseError(f"{path} cannot be read ({error}); restore it from a backup, or remove it") from error


def _read(path: Path) -> AlarmDatabase:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    found = msgspec.json.decode(path.read_bytes(), type=AlarmDatabase)
    if found.format > FORMAT:
        raise ValueError(f"it has format {found.format}, and this version reads up to {FORMAT}")
    return found


def rows(rules: pl.DataFrame, database: AlarmDatabase) -> list[dict[str, str]]:
    """Return a row of `COLUMNS` per rule (`RULES_SCHEMA`): what was decided or, if nothing was, what the rule says."""
    return [
        {
            "rule": row["rule"],
            "title": row["title"] or "",
            "priority": _PRIORITY.get(row["priority"], ""),
            "subject": row["subject_kind"] or "",
            "cause": row["meaning"] or "",
            "action": row["action"] or "",
            **{field: database.of(row["rule"], field) or text for field, text in said(row).items()},
        }
        for row in rules.iter_rows(named=True)
    ]


def said(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what a rule (`RULES_SCHEMA`) itself says of each editable field, empty if nothing."""
    known = {"consequence": row["rationale"], "time_to_respond": row["time_to_respond"]}
    return {field: known.get(field) or "" for field in EDITABLE}


def differences(
    rules: pl.DataFrame, database: AlarmDatabase, wanted: Iterable[Mapping[str, str]], *, who: str, at: int
) -> list[Change]:
    """Return the changes that rows with `rule` and some of the editable fields make; what a rule says is no change."""
    by_rule = {row["rule"]: said(row) for row in rules.iter_rows(named=True)}
    changes = []
    for row in wanted:
        name = row["rule"]
        for field in EDITABLE:
            if field in row:
                new = "" if row[field] == by_rule[name][field] else row[field]
                if new != (old := database.of(name, field)):
                    changes.append(Change(at, who, name, field, old, new))
    return changes


def apply(data: Path, changes: Sequence[Change], *, known: Collection[str]) -> None:
    """Make changes, all or none; `known` are the names of all rules.

    Raises `AlarmDatabaseError`, also if somebody else changed one of the fields since.
    """
    try:
        with file_lock.hold(data / LOCK):
            found = read(data)
            rules = {name: dict(fields) for name, fields in found.rules.items()}
            for change in changes:
                if found.of(change.rule, change.field) != change.old:
                    raise AlarmDatabaseError(
                        f"{change.field} of {change.rule} was changed meanwhile; look at the differences again"
                    )
                rules.setdefault(change.rule, {})[change.field] = change.new
            kept = {name: {field: text for field, text in fields.items() if text} for name, fields in rules.items()}
            kept = {name: fields for name, fields in kept.items() if fields}
            if len(kept) > MAX_RULES:
                stale = sorted(set(kept) - set(known))
                raise AlarmDatabaseError(
                    f"{len(kept):,} rules have entries, allowed are {MAX_RULES:,}; rules that are no more: {stale[:3]}"
                )
            fresh = AlarmDatabase(rules=kept, changes=[*found.changes, *changes][-MAX_CHANGES:])
            secret_files.write(data / FILE, msgspec.json.format(msgspec.json.encode(fresh), indent=1))
    except (OSError, file_lock.LockedError) as error:
        raise AlarmDatabaseError(f"{data / FILE} cannot be written: {error}") from error
