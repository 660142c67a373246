"""Master alarm database as CSV for spreadsheets, and back: whatever separator, order and line ends they wrote."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from broker.store.alarm_database import COLUMNS, EDITABLE, MAX_RULES

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_CELL: Final = 100_000
MAX_PROBLEMS: Final = 20
BOM: Final = "\ufeff"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_QUOTED: Final = (*_FORMULA, "'")
_CONTROL: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that act instead of being seen."""
_SEPARATORS: Final = (",", ";", "\t")


class CsvError(ValueError):
    """A file is no such table; the text says what is wrong and what to do."""


@dataclass(frozen=True)
class Imported:
    """The rows of a file, with `rule` and the editable fields it has; why some are wrong; and what is ignored."""

    rows: tuple[dict[str, str], ...]
    problems: tuple[str, ...]
    ignored: tuple[str, ...]


def text_of(rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows of `COLUMNS` as CSV with a byte order mark, so that spreadsheets read it as UTF-8.

    A text that a spreadsheet would run as a formula gets a single quote in front, which `read` takes away again.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_safe(row[name]) for name in COLUMNS] for row in rows)
    return BOM + out.getvalue()


def decoded(content: bytes) -> str:
    """Return the text of a file that a spreadsheet saved. Raises `CsvError`."""
    if len(content) > MAX_BYTES:
        raise CsvError(f"the file has {len(content):,} bytes; allowed are {MAX_BYTES:,}")
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise CsvError(f"the file is not UTF-8 ({error.reason}); save it as “CSV UTF-8”") from error


def read(text: str, current: Sequence[Mapping[str, str]]) -> Imported:
    """Return what a CSV text wants; `current` are the rows that an export has now. Raises `CsvError`."""
    known = {row["rule"]: row for row in current}
    lines = text.removeprefix(BOM)
    first, _, rest = lines.partition("\n")
    skipped = 0
    if first.strip().lower().startswith("sep="):
        lines, skipped = rest, 1
    reader = csv.reader(io.StringIO(lines, newline=""), delimiter=_separator(lines), strict=True)
    csv.field_size_limit(MAX_CELL)
    try:
        header = [cell.strip().lower().replace(" ", "_") for cell in next(reader, [])]
        _check(header)
        found: dict[str, dict[str, str]] = {}
        problems: list[str] = []
        ignored: list[str] = []
        before = reader.line_num
        for cells in reader:
            line, before = before + 1 + skipped, reader.line_num
            if any(cell.strip() for cell in cells):
                row = dict(zip(header, map(_plain, cells), strict=False))
                problems += _problems(row, cells, header, line, known, found)
                ignored += _ignored(row, line, known)
                found.setdefault(row.get("rule", ""), {name: row[name] for name in ("rule", *EDITABLE) if name in row})
            if len(problems) >= MAX_PROBLEMS or len(found) > MAX_RULES:
                problems.append("and maybe more: reading stopped here")
                break
    except csv.Error as error:
        raise CsvError(f"line {reader.line_num + skipped} is no CSV: {error}; export the table again") from error
    return Imported(tuple(found.values()), tuple(problems), tuple(ignored[:MAX_PROBLEMS]))


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _check(header: Sequence[str]) -> None:
    if "rule" not in header:
        shown = ", ".join(header)[:80]
        raise CsvError(f"line 1 has the columns {shown!r}; needed is rule, with some of {', '.join(EDITABLE)}")
    for name in header:
        if name and name not in COLUMNS:
            raise CsvError(f"line 1 has the column {name[:40]!r}; allowed are {', '.join(COLUMNS)}")
        if name and header.count(name) > 1:
            raise CsvError(f"line 1 has the column {name} twice; leave one of them out")


def _problems(  # noqa: PLR0917 - what a row is compared with
    row: Mapping[str, str],
    cells: Sequence[str],
    header: Sequence[str],
    line: int,
    known: Collection[str],
    found: Collection[str],
) -> list[str]:
    name = row.get("rule", "")
    problems = []
    if len(cells) > len(header):
        problems.append(
            f"line {line} has {len(cells)} cells; the header has {len(header)}: quote texts with separators"
        )
    if name not in known:
        problems.append(f"line {line}, column rule: there is no rule {name[:40]!r}")
    elif name in found:
        problems.append(f"line {line}, column rule: {name} is in an earlier line too; leave one of them out")
    for field, most in EDITABLE.items():
        value = row.get(field, "")
        if len(value) > most:
            problems.append(f"line {line}, column {field}: {len(value):,} characters; allowed are {most:,}")
        if any(unicodedata.category(one) in _CONTROL for one in value.replace("\n", "")):
            problems.append(f"line {line}, column {field}: a control character; remove it")
    return problems


def _ignored(row: Mapping[str, str], line: int, known: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return which cells differ from what the rule itself says, which no file can change."""
    now = known.get(row.get("rule", ""))
    if now is None:
        return []
    return [
        f"line {line}, column {name}: it is part of the rule and stays as it is"
        for name in COLUMNS
        if name not in EDITABLE and name in row and row[name] != _newlines(now[name]).strip()
    ]


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_QUOTED) else text


def _plain(cell: str) -> str:
    text = _newlines(cell).strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_QUOTED) else text


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
