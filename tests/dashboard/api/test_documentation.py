"""The examples of the page about the API run: its Python client and its curl commands, against a real dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.contract.actions import Action, Outcome
from broker.store.snapshot_files import write
from dashboard.access.api_key_file import add_key
from dashboard.data.signing import SignedRequests
from dashboard.settings import Settings
from tests.conftest import ROOT
from tests.dashboard.conftest import FleetOf
from tests.dashboard.ward import KEY, NO_BROKER, serving

TEXT = (ROOT / "docs" / "api.md").read_text("utf-8")
NEVER_MS = 2_000_000_000_000


def block(heading: str, language: str) -> str:
    found = re.search(rf"## {heading}\n.*?```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def address(tmp_path: Path, fleet: FleetOf, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> Iterator[str]:
    async def act(_self: SignedRequests, _url: str, action: Action) -> Outcome:
        return Outcome(id=action.id, done=1, refused=0, text="Acknowledged 1 alarm.")

    monkeypatch.setattr(SignedRequests, "act", act)
    settings = Settings(NO_BROKER, tmp_path, port=unused_tcp_port, key=KEY)
    write(settings.snapshots, fleet(250))
    with serving(settings) as opened:
        yield opened.partition("?")[0].rstrip("/")


def test_the_examples_of_the_documentation_run(address: str, tmp_path: Path) -> None:
    token = add_key(tmp_path, "docs", "operator", 365, at=NEVER_MS)[1]
    space: dict[str, Any] = {}
    code = block("With Python", "python")
    assert len(code.splitlines()) <= 50
    exec(compile(code, "docs/api.md", "exec"), space)
    client = space["Pumpwatch"](address, token)
    until = time.monotonic() + 10
    while not client.get("/health")["version"] and time.monotonic() < until:
        time.sleep(0.05)
    assert len({pump["pump"] for pump in client.all("/pumps", limit=100)}) == 250
    assert client.signals("ITB-000001") == []
    assert client.post("/alarms/acknowledge", {"alarms": ["ITB-000001/rule"]})["text"] == "Acknowledged 1 alarm."
    with pytest.raises(RuntimeError, match="There is no pump"):
        client.signals("nobody")
    if shutil.which("curl") is None:
        return
    script = block("With curl", "sh")
    done = subprocess.run(
        ["sh", "-e"], input=script, capture_output=True, text=True, check=True, env={"KEY": token, "DASHBOARD": address}
    )
    pumps, ended = json.JSONDecoder().raw_decode(done.stdout)
    assert pumps["items"][0]["priority"] == 1
    assert "time,samples," in done.stdout[ended:]
    assert done.stdout.endswith('"text":"Acknowledged 1 alarm."}')
