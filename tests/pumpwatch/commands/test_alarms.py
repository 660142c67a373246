"""Alarms from the command line: the same words, rights and refusals as on the screens."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from broker.contract.actions import Outcome, Shelve
from broker.store.snapshot import ALARMS_SCHEMA, Health, Snapshot, empty
from broker.store.snapshot_files import write
from pumpwatch.__main__ import app
from pumpwatch.commands import alarm_table, alarms
from pumpwatch.commands.caller import system_user
from pumpwatch.commands.errors import CommandError

IDS = ["A/low/1", "B/low/2", "gateway-01/gateway_silent/3"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {**dict.fromkeys(ALARMS_SCHEMA), "alarm": one, "subject": one.split("/")[0], "rule": one.split("/")[1],
         "priority": 2, "state": "unacknowledged", "title": "Low", "onset": place, "age_s": 60.0}
        for place, one in enumerate(IDS)
    ]  # fmt: skip
    nothing = empty()
    open_ones = pl.DataFrame(rows, ALARMS_SCHEMA)
    write(tmp_path / "snapshot", Snapshot.of(nothing.pumps, open_ones, nothing.gateways, Health(version=1)))
    return tmp_path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was sent to the processor, which does it all."""
    actions: list[Any] = []

    def act(_url: str, action: Any, _sign: Any) -> Outcome:
        actions.append(action)
        return Outcome(id=action.id, done=len(action.alarms), refused=0, text="Done.")

    monkeypatch.setattr(alarms, "act_on", act)
    return actions


def run(*words: str, data: Path) -> Any:
    return CliRunner().invoke(app, [*words, "--data", str(data)])


def test_open_alarms_are_listed_as_a_table_or_as_json(data: Path) -> None:
    assert "gateway-01" in run("alarms", data=data).stdout
    listed = json.loads(run("alarms", "--rule", "low", "--json", data=data).stdout)
    assert [row["alarm"] for row in listed] == IDS[:2]


def test_a_terminal_of_80_columns_breaks_no_word(data: Path) -> None:
    title, state = "Battery reading implausible for its model", "returned"
    long = alarms.open_alarms(data).with_columns(
        pl.lit(title).alias("title"),
        pl.lit(state).alias("state"),
        pl.lit("ITB-000001").alias("subject"),
        pl.lit("ITB-000001/battery_implausible/1767225600000").alias("alarm"),
    )
    output = io.StringIO()
    alarm_table.show(long, Console(file=output, width=80, force_terminal=True, color_system=None))
    shown = output.getvalue()
    assert all(
        word in shown
        for word in (*title.split(), "returned, unacknowledged", "ITB-000001", "medium", "1 min", "--json")
    )
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) == 80


def test_a_pipe_gets_every_alarm_id_whole(data: Path) -> None:
    long = alarms.open_alarms(data).with_columns(pl.concat_str("alarm", pl.lit("x" * 100)).alias("alarm"))
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        alarm_table.show(long, Console(width=80, force_terminal=False))
    assert all(f"{one}{'x' * 100}" in output.getvalue() for one in IDS)


def test_alarms_are_selected_by_id_subject_or_rule(data: Path, sent: list[Any]) -> None:
    for words in (
        ("--alarms", f"{IDS[0]}, {IDS[2]}"),
        ("--about", "A,gateway-01"),
        ("--rule", "low"),
        ("--alarms", "all"),
    ):
        assert run("alarm", "acknowledge", *words, data=data).exit_code == 0
    assert [action.alarms for action in sent] == [[IDS[0], IDS[2]], [IDS[0], IDS[2]], IDS[:2], IDS]
    assert len({action.id for action in sent}) == len(sent)


def test_shelving_sends_the_duration_and_the_reason(data: Path, sent: list[Any]) -> None:
    words = ("alarm", "shelve", "--about", "A", "--for", "2h", "--why", "known", "--json")
    answer = json.loads(run(*words, data=data).stdout)
    assert (answer["done"], answer["text"]) == (1, "Done.")
    assert isinstance(sent[0], Shelve)
    assert (sent[0].for_s, sent[0].why, sent[0].who) == (7200.0, "known", f"local:{system_user()}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("acknowledge",), "select alarms with"),
        (("shelve", "--about", "A"), "required to shelve"),
        (("reset", "--about", "A", "--for", "2h"), "required to shelve"),
        (("acknowledge", "--alarms", "C/low/9"), "no alarm 'C/low/9' is open"),
        (("delete", "--about", "A"), "Invalid value"),
    ],
)
def test_invalid_usage_is_explained_and_nothing_is_sent(
    words: tuple[str, ...], sentence: str, data: Path, sent: list[Any]
) -> None:
    answer = run("alarm", *words, data=data)
    assert answer.exit_code == 2
    assert sentence in " ".join(answer.stderr.replace("│", " ").split())
    assert sent == []


def test_a_refused_action_ends_with_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Outcome(id="1", done=0, refused=1, text="Acknowledged no alarm. 1 refused: already acknowledged by anna.")
    monkeypatch.setattr(alarms, "act_on", lambda *_: refused)
    answer = run("alarm", "acknowledge", "--about", "A", data=data)
    assert "already acknowledged by anna" in answer.stdout
    assert isinstance(answer.exception, CommandError)


def test_a_missing_alarm_or_snapshot_is_an_error(data: Path, tmp_path: Path, sent: list[Any]) -> None:
    assert "no open alarm matches" in str(run("alarm", "reset", "--about", "Z", data=data).exception)
    assert "is a system running there?" in str(run("alarms", data=tmp_path / "empty").exception)
    assert sent == []
