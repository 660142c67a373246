"""`pumpwatch apikey`: keys are printed once, listed without their secret, and revoked."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from broker.store.journal_query import Query, entries
from dashboard.access.api_key_file import TOKEN
from pumpwatch.__main__ import app


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["apikey", *words, "--data", str(data)])


def test_a_key_is_created_listed_and_revoked(tmp_path: Path) -> None:
    made = run(tmp_path, "add", "nightly-export", "--role", "viewer", "--days", "30")
    token = made.stdout.strip()
    assert TOKEN.fullmatch(token)
    assert "created the API key nightly-export as viewer until" in made.stderr
    listed = run(tmp_path, "list", "--json")
    assert token not in listed.stdout
    assert [(one["name"], one["role"], one["used"]) for one in json.loads(listed.stdout)] == [
        ("nightly-export", "viewer", None)
    ]
    assert "nightly" in run(tmp_path, "list").stdout
    assert run(tmp_path, "revoke", "nightly-export").exit_code == 0
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []
    texts = entries(tmp_path, Query(kinds=("api_key_changed",)))["text"].to_list()
    assert [text.split(" as ")[0] for text in texts] == [
        "revoked the API key nightly-export",
        "created the API key nightly-export",
    ]


def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path) -> None:
    run(tmp_path, "add", "x", "--role", "viewer")
    for words, why in (
        (("add", "x", "--role", "viewer"), "there is an API key 'x' already"),
        (("add", "y", "--role", "king"), "unknown role 'king'"),
        (("add", "y", "--role", "viewer", "--days", "400"), "1 to 365"),
        (("add", "a b", "--role", "viewer"), "invalid name 'a b'"),
        (("revoke", "nobody"), "there is no API key 'nobody'"),
    ):
        done = run(tmp_path, *words)
        assert done.exit_code != 0
        assert why in done.output + str(done.exception)
