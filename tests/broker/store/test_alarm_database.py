"""The master alarm database, and its way through a spreadsheet and back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from broker.store import alarm_database, alarm_database_csv
from broker.store.alarm_database import AlarmDatabaseError, Change
from broker.store.alarm_database_csv import CsvError
from broker.store.rule_facts import RULES_SCHEMA

AT = 1_790_000_000_000
RULES = pl.DataFrame(
    [
        {**dict.fromkeys(RULES_SCHEMA), "rule": name, "title": title, "priority": 1, "subject_kind": "pump",
         "meaning": "The rotor stands.", "action": "Interrogate", "time_to_respond": "1 h", "rationale": "Withdrawal"}
        for name, title in (("stall", "Motor stall"), ("leak", "Leak"))
    ],
    RULES_SCHEMA,
)  # fmt: skip


def change(**fields: str) -> Change:
    return Change(**({"at": AT, "who": "ada", "rule": "stall", "field": "class", "old": "", "new": "A"} | fields))  # type: ignore[arg-type]


def exported(data: Path) -> str:
    return alarm_database_csv.text_of(alarm_database.rows(RULES, alarm_database.read(data)))


def imported(data: Path, text: str, who: str = "ada") -> list[Change]:
    found = alarm_database.read(data)
    result = alarm_database_csv.read(text, alarm_database.rows(RULES, found))
    assert result.problems == ()
    return alarm_database.differences(RULES, found, result.rows, who=who, at=AT)


def edited(text: str, rule: str, **fields: str) -> str:
    """Return a CSV as a spreadsheet would save it after cells of a rule were edited: semicolons, other order."""
    table = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    for row in table:
        row.update(fields if row["rule"] == rule else {})
    out = io.StringIO()
    writer = csv.DictWriter(out, list(reversed(table[0])), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(table)
    return "\ufeff" + out.getvalue()


def test_an_export_that_nobody_edited_changes_nothing(tmp_path: Path) -> None:
    alarm_database.apply(tmp_path, [change(), change(field="notes", new="=1+1\nand \"more\"; 'so'")], known=["stall"])
    assert imported(tmp_path, exported(tmp_path)) == []
    assert imported(tmp_path, edited(exported(tmp_path), "leak")) == []


def test_an_edited_table_names_each_difference_and_keeps_who_did_it(tmp_path: Path) -> None:
    fresh = edited(
        exported(tmp_path), "stall", **{"class": "A", "consequence": 'Death; at once,\r\n"soon"', "notes": ""}
    )
    changes = imported(tmp_path, fresh)
    assert [(one.field, one.old, one.new) for one in changes] == [
        ("consequence", "", 'Death; at once,\n"soon"'),
        ("class", "", "A"),
    ]
    alarm_database.apply(tmp_path, changes, known=["stall", "leak"])
    [row, other] = alarm_database.rows(RULES, alarm_database.read(tmp_path))
    assert (row["class"], row["time_to_respond"], other["consequence"]) == ("A", "1 h", "Withdrawal")
    assert [one.field for one in alarm_database.read(tmp_path).history("stall")] == ["class", "consequence"]
    assert (tmp_path / alarm_database.FILE).stat().st_mode & 0o077 == 0


def test_an_empty_cell_goes_back_to_what_the_rule_says(tmp_path: Path) -> None:
    alarm_database.apply(tmp_path, [change(field="consequence", new="Nothing")], known=["stall"])
    [back] = imported(tmp_path, edited(exported(tmp_path), "stall", consequence=""))
    assert (back.old, back.new) == ("Nothing", "")
    alarm_database.apply(tmp_path, [back], known=["stall"])
    assert alarm_database.rows(RULES, alarm_database.read(tmp_path))[0]["consequence"] == "Withdrawal"


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@x", "'=quoted", "''", "plain", "it's"])
def test_a_formula_is_a_text_in_the_spreadsheet_and_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    alarm_database.apply(tmp_path, [change(field="notes", new=text)], known=["stall"])
    cells = [cell for row in csv.reader(io.StringIO(exported(tmp_path).removeprefix("\ufeff"))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert imported(tmp_path, exported(tmp_path)) == []


def test_bad_cells_are_named_by_line_and_column_and_nothing_is_imported() -> None:
    rows = alarm_database.rows(RULES, alarm_database.AlarmDatabase())
    text = f'rule,class,title\r\nstall,"{"A" * 61}",Motor stall\r\nnone,A,x\r\nstall,A\x07,Other\r\nleak,A,b,c\r\n'
    found = alarm_database_csv.read(text, rows)
    assert found.problems == (
        "line 2, column class: 61 characters; allowed are 60",
        "line 3, column rule: there is no rule 'none'",
        "line 4, column rule: stall is in an earlier line too; leave one of them out",
        "line 4, column class: a control character; remove it",
        "line 5 has 4 cells; the header has 3: quote texts with separators",
    )
    assert "line 4, column title: it is part of the rule and stays as it is" in found.ignored


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "line 1 has the columns ''; needed is rule"),
        (b"rule,colour\nstall,red\n", "line 1 has the column 'colour'; allowed are rule, title"),
        (b"rule,class,class\n", "line 1 has the column class twice"),
        (b'rule,class\nstall,"A\n', "is no CSV"),
        (b"rule,class\nstall,\xe4\n", "save it as “CSV UTF-8”"),
    ],
)
def test_what_is_no_such_table_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(CsvError, match=sentence):
        alarm_database_csv.read(alarm_database_csv.decoded(content), [])


def test_tabs_in_utf_16_and_a_separator_line_are_read() -> None:
    rows = alarm_database.rows(RULES, alarm_database.AlarmDatabase())
    tabs = "Rule\tClass\nstall\tA\n".encode("utf-16")
    assert alarm_database_csv.read(alarm_database_csv.decoded(tabs), rows).rows == ({"rule": "stall", "class": "A"},)
    found = alarm_database_csv.read("sep=;\nrule;class\n\nnone;A\n", rows)
    assert found.problems == ("line 4, column rule: there is no rule 'none'",)


def test_a_change_that_somebody_else_made_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    alarm_database.apply(tmp_path, [change(new="B")], known=["stall"])
    with pytest.raises(AlarmDatabaseError, match="class of stall was changed meanwhile"):
        alarm_database.apply(tmp_path, [change(new="C")], known=["stall"])


def test_who_changed_what_before_stays_on_record(tmp_path: Path) -> None:
    alarm_database.apply(tmp_path, [change(new="B")], known=["stall"])
    alarm_database.apply(tmp_path, [change(old="B", new="C")], known=["stall"])
    assert [(each.old, each.new) for each in alarm_database.read(tmp_path).history("stall")] == [("B", "C"), ("", "B")]


def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / alarm_database.FILE).write_text("[]")
    with pytest.raises(AlarmDatabaseError, match="restore it from a backup, or remove it"):
        alarm_database.read(tmp_path)
