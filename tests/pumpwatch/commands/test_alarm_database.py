"""The master alarm database and the alarm figures from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from broker.store import alarm_database, journal_query
from broker.store.journal_query import Query
from pumpwatch.__main__ import app
from tests.pumpwatch.commands.test_alarms import run


def test_a_table_is_exported_edited_and_imported_with_its_differences(tmp_path: Path) -> None:
    exported = run("alarms", "export-database", data=tmp_path).stdout_bytes.decode("utf-8-sig")
    header, *rows = exported.splitlines()
    assert header.endswith("consequence,time_to_respond,class,approver,notes")
    stall = next(row for row in rows if row.startswith("motor_stall,"))
    file = tmp_path / "edited.csv"
    file.write_text(exported.replace(stall, f"{stall.removesuffix(',,,')},A,Dr. Keller,"), "utf-8")

    asked = run("alarms", "import-database", str(file), data=tmp_path)
    assert "there is no terminal to ask" in str(asked.exception)
    assert alarm_database.read(tmp_path).rules == {}
    done = run("alarms", "import-database", str(file), "--yes", "--json", data=tmp_path)
    assert [(one["field"], one["new"]) for one in json.loads(done.stdout)] == [
        ("class", "A"), ("approver", "Dr. Keller"),
    ]  # fmt: skip
    assert alarm_database.read(tmp_path).rules == {"motor_stall": {"class": "A", "approver": "Dr. Keller"}}
    [entry] = journal_query.entries(tmp_path, Query())["text"]
    assert entry == "2 changes from edited.csv: motor_stall class, motor_stall approver"
    assert "changes nothing" in run("alarms", "import-database", str(file), data=tmp_path).stdout


def test_a_file_with_a_bad_row_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("rule,class\nmotor_stall,A\nmotor_stal,B\n")
    result = run("alarms", "import-database", str(file), "--yes", data=tmp_path)
    assert "line 3, column rule: there is no rule 'motor_stal'" in result.stderr
    assert "nothing was changed" in str(result.exception)
    assert alarm_database.read(tmp_path).rules == {}
    missing = run("alarms", "import-database", str(tmp_path / "none.csv"), "--yes", data=tmp_path)
    assert "cannot be read: No such file" in str(missing.exception)


def test_figures_are_printed_as_a_table_as_csv_and_as_json(tmp_path: Path) -> None:
    assert "Chattering" in run("alarms", "kpi", data=tmp_path).stdout
    lines = run("alarms", "kpi", "--csv", data=tmp_path).stdout.splitlines()
    assert lines[0] == "name,value,unit,target,within_target,note"
    figures = json.loads(run("alarms", "kpi", "--operators", "2", "--json", data=tmp_path).stdout)
    assert figures["operators"] == 2
    assert len(figures["figures"]) == len(lines) - 1


def test_settings_hold_for_the_list_of_alarms_and_its_commands(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f'data = "{tmp_path}"\n')
    result = CliRunner().invoke(app, ["--settings", str(tmp_path / "settings.toml"), "alarms"])
    assert f"there is no snapshot in {tmp_path}" in str(result.exception)
