"""The HTTP API under thousands of requests, valid and invalid, that schemathesis makes of its document."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from limits import RateLimitItemPerMinute
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from broker.store.snapshot_files import write
from dashboard.access.api_key_file import add_key
from dashboard.access.middleware import Access
from dashboard.api import application as api
from dashboard.api.documents import document
from dashboard.api.table import ROUTES
from dashboard.data.live import Live
from dashboard.data.services import DataService
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS, Wire, make_fleet

EXAMPLES = 60
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
ENDLESS = "/alarms/events"


def served(folder: Path) -> tuple[Access, str]:
    """Return the API of a made-up fleet, and a key of an engineer."""
    settings, wire = Settings("mqtt://127.0.0.1:1", folder), Wire()
    write(settings.snapshots, make_fleet(250))
    data = DataService(settings, Live(settings.snapshots, lambda: WALL_MS), lambda: WALL_MS, wire.ask, wire.act)
    server = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    server.mount("/api", api.build(data))
    token = add_key(folder, "chaos", "engineer", 90, at=WALL_MS)[1]
    return Access(server, settings, "", lambda: WALL_MS, data.audit), token


def asked(url: str | None) -> set[str]:
    """Return the names of the parameters in an address."""
    return set(parse_qs(urlsplit(url or "").query, keep_blank_values=True))


def attack(application: Access, token: str) -> Counter[int]:
    """Send requests, good and bad; raise what breaks the document; return how many had which status."""
    found, seen = deepcopy(document(ROUTES)), Counter[int]()
    del found["paths"][ENDLESS]
    schema = schemathesis.openapi.from_dict(found)
    schema.app = application
    # FHIR lets servers ignore what they do not know, unless a client asks to handle it strictly.
    headers = {"Authorization": f"Bearer {token}", "Prefer": "handling=strict"}
    for operation in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            negative = mode is schemathesis.GenerationMode.NEGATIVE

            def answers(case: schemathesis.Case) -> None:
                answer = case.call(headers=headers, timeout=120)
                seen[answer.status_code] += 1
                # An empty list in a query is not sent, so what was wrong with it did not reach the server.
                sent = negative and set(case.query or ()) <= asked(answer.request.url)  # noqa: B023  # in this round
                case.validate_response(answer, checks=[*CHECKS, *([negative_data_rejection] if sent else [])])

            made = operation.ok().as_strategy(generation_mode=mode)
            with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing in this request can be wrong
                SETTINGS(hypothesis.given(case=made)(answers))()
    return seen


@pytest.mark.filterwarnings("ignore")
def test_no_request_breaks_the_document_or_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_LIMIT", RateLimitItemPerMinute(10**9))
    began = time.monotonic()
    seen = attack(*served(tmp_path))
    print(f"{seen.total():,} requests in {time.monotonic() - began:.0f} s, by status: {dict(sorted(seen.items()))}")
    assert max(seen) < 500
