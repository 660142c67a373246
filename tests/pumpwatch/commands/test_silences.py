"""Silences from the command line: what is covered now, what is refused, and what the audit trail keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from broker.store import journal_query
from broker.store.journal_query import Query
from pumpwatch.commands.caller import now_ms
from tests.pumpwatch.commands.test_alarms import IDS, data, run

__all__ = ["data"]


def test_a_silence_is_previewed_added_listed_and_ended(data: Path) -> None:
    words = ("silence", "add", "--rule", "lo*", "--for", "4h", "--why", "pump clinic")
    preview = run(*words, "--dry-run", data=data)
    assert "It would silence 2 open alarms, 0 of them high." in preview.stdout
    assert json.loads(run("silence", "list", "--json", data=data).stdout) == []
    added = json.loads(run(*words, "--json", data=data).stdout)
    assert (added["matches_now"], added["state"]) == (IDS[:2], "active")
    assert "pump clinic" in run("silence", "list", data=data).stdout
    ended = run("silence", "end", added["id"], "--json", data=data)
    assert json.loads(ended.stdout)[0]["state"] == "expired"
    kinds = journal_query.entries(data, Query(people_only=True))["kind"].to_list()
    assert kinds == ["silence_ended", "silenced"]


def test_a_silence_until_alarms_clear_names_them(data: Path) -> None:
    added = json.loads(
        run("silence", "add", "--rule", "low", "--until-clear", "--why", "x", "--json", data=data).stdout
    )
    assert added["alarms"] == IDS[:2]


def test_a_silence_may_begin_later(data: Path) -> None:
    words = ("--for", "4h", "--rule", "low", "--why", "x", "--json")
    result = run("silence", "add", *words, "--from", "2999-01-01", data=data)
    assert "allowed are 366 d" in str(result.exception)
    assert "goes with --for alone" in run(
        "silence", "add", "--until-clear", *words[2:], "--from", "2999-01-01", data=data
    ).stderr.replace("│", " ")
    ahead = datetime.fromtimestamp(now_ms() / 1000 + 3600, UTC).isoformat()
    assert json.loads(run("silence", "add", *words, "--from", ahead, data=data).stdout)["state"] == "coming"


def test_what_would_hide_too_much_is_refused_in_one_sentence(data: Path) -> None:
    for words, sentence in (
        (("--for", "1h"), "the silence names no alarms"),
        (("--for", "2d", "--site", "Bern"), "could cover alarms of high priority may last 1 min to 24 h"),
        (("--for", "1h", "--until-clear", "--site", "Bern"), "say how long with one of"),
        (("--window", "Sat 25:00-06:00", "--site", "Bern"), "'25:00' is no time of day"),
        (("--for", "1h", "--priority", "urgent"), "which matches none of high, medium, low"),
    ):
        result = run("silence", "add", "--why", "x", *words, data=data)
        assert result.exit_code != 0
        assert sentence in " ".join(f"{result.stderr} {result.exception}".replace("│", " ").split())
    assert journal_query.entries(data, Query()).is_empty(), "what was refused is not in the audit trail"
