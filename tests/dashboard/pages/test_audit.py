"""Page Audit: who did what, from where; for engineers and admins, page by page, and escaped."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from typing import Any

import dash
import polars as pl
import pytest

from broker.store import journal_anchor
from broker.store.journal import ENTRIES_SCHEMA, Journal
from broker.store.journal_file import FILE
from broker.store.journal_query import Query, entries
from dashboard.access.accounts import NOBODY, VISITOR, Visitor
from dashboard.access.origin import ORIGIN
from dashboard.app import assemble
from dashboard.components import frame
from dashboard.data import audit_chain, audit_log
from dashboard.data.audit_log import Filter, filter_of
from dashboard.data.services import DataService
from dashboard.languages import LANGUAGE, language
from dashboard.pages import audit
from dashboard.zones import ZONE
from tests.dashboard.conftest import WALL_MS

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def data(fleet: Any, data_of: Callable[..., DataService]) -> DataService:
    """A data service with 230 entries by people and one by nobody, one a minute until now."""
    data = data_of(fleet(3))
    rows: list[dict[str, Any]] = [
        {
            "kind": ("signed_in", "denied")[n % 2],
            "who": "vera" if n % 2 else EVIL,
            "origin": "10.0.0.9",
            "text": f"text {n}",
        }
        for n in range(230)
    ]
    rows.append({"kind": "raised", "title": "Motor stalled", "pump": "ITB-000001"})
    for n, row in enumerate(rows):
        row |= {"at": WALL_MS - (230 - n) * 60_000, "once": str(n)}
    journal = Journal(data.settings.data)
    journal.append(pl.DataFrame([dict.fromkeys(ENTRIES_SCHEMA) | row for row in rows], ENTRIES_SCHEMA))
    journal_anchor.write(data.settings.data, journal.head)
    journal.close()
    return data


@pytest.fixture
def engineer() -> Iterator[None]:
    name, address = VISITOR.set(Visitor("anna", "engineer")), ORIGIN.set("10.0.0.7")
    yield
    VISITOR.reset(name)
    ORIGIN.reset(address)


def text_of(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def test_entries_are_shown_page_by_page_newest_first(data: DataService) -> None:
    found, older = audit_log.page(data.settings.data, Filter(), WALL_MS)
    assert (found.height, older, found["text"][0]) == (100, True, "text 229")
    found, older = audit_log.page(data.settings.data, Filter(), WALL_MS, before=found["id"][-1])
    assert (found.height, older, found["text"][0]) == (100, True, "text 129")
    found, older = audit_log.page(data.settings.data, Filter(), WALL_MS, before=found["id"][-1])
    assert (found.height, older, found["text"][-1]) == (30, False, "text 0")


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (("all", "", "", ""), 231),
        (("people", "", "", ""), 230),
        (("people", "vera", "", ""), 115),
        (("refusals", "", "", ""), 115),
        (("raised", "", "", ""), 1),
        (("access", "", "TEXT 22", ""), 11),
        (("people", "", "", "1"), 60),
        (("nonsense", 7, ["x"], "17"), 230),
    ],
)
def test_entries_are_filtered_by_kind_person_text_and_time(data: DataService, given: Any, count: int) -> None:
    found = entries(data.settings.data, filter_of(*given).query(WALL_MS, limit=1000))
    assert found.height == count


def test_names_and_texts_are_shown_as_they_are_and_never_as_markup(data: DataService) -> None:
    found, _ = audit_log.page(data.settings.data, Filter(), WALL_MS)
    cells = text_of(audit.table(found))
    assert (
        EVIL
        in json.loads(cells)["props"]["children"]["props"]["children"][1]["props"]["children"][1]["props"]["children"][
            2
        ]["props"]["children"]
    )
    assert not {"dangerously_allow_html", "DangerouslySetInnerHTML", "Markdown"} & set(cells.split('"'))
    assert len(cells) < 200_000


def test_times_are_in_the_zone_of_the_viewer(data: DataService) -> None:
    found, _ = audit_log.page(data.settings.data, Filter(), WALL_MS)
    token = ZONE.set(timezone(timedelta(hours=2)))
    shown = text_of(audit.table(found))
    ZONE.reset(token)
    assert "21 Sep 2026, 16:12:20 UTC+2" in shown


def test_an_empty_journal_says_what_will_appear(fleet: Any, data_of: Any) -> None:
    found, older = audit_log.page(data_of(fleet(1)).settings.data, Filter(), WALL_MS)
    assert "No entries. Sign-ins, actions, commands and refusals appear here." in text_of(audit.table(found))
    assert audit.note(found, older=older) == ""


async def test_the_chain_is_verified_a_part_at_a_time_and_again_when_it_was_altered(
    data: DataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_chain, "STEP", 200)
    shown = []
    for _ in range(3):
        shown.append(text_of(audit.chain(data.chain.look())))
        await data.chain.finished()
    assert "Verifying the chain" in shown[0]
    assert "verified up to entry 200 at 14:13:20 UTC; verifying the rest" in shown[1]
    assert 'verified up to entry 231 at 14:13:20 UTC"' in shown[2]
    book = sqlite3.connect(data.settings.data / FILE)
    book.executescript("DROP TRIGGER entry_remains; DELETE FROM entry WHERE id = 231;")
    book.close()
    chain = audit_chain.AuditChain(data.settings.data, lambda: WALL_MS)
    for _ in range(2):
        chain.look()
        await chain.finished()
    assert "it ends at entry 230, but there were 231: its end was cut off. Run pumpwatch doctor." in text_of(
        audit.chain(chain.state)
    )


@pytest.mark.usefixtures("engineer")
async def test_an_export_is_itself_in_the_audit_log_and_runs_no_formula(data: DataService) -> None:
    await data.audit.record("signed_in", Visitor("=cmd|' /C calc'!A0", "engineer"), 'a "quoted", text')
    file, (notice,) = await audit.exported(data, filter_of("people", "", "", "1"))
    assert notice["message"] == "Exported 61 entries."
    rows = list(csv.DictReader(io.StringIO(file["content"])))
    assert rows[0]["who"] == "'=cmd|' /C calc'!A0"
    assert rows[1] | {"at": "", "id": ""} == {
        **dict.fromkeys(audit_log.EXPORTED, ""),
        "kind": "denied",
        "who": "vera",
        "origin": "10.0.0.9",
        "text": "text 229",
    }
    (made,) = entries(data.settings.data, Query(kinds=("exported",))).iter_rows(named=True)
    assert (made["who"], made["origin"]) == ("anna", "10.0.0.7")
    assert made["text"] == "audit log, 61 entries: by people, last hour"


@pytest.mark.usefixtures("engineer")
async def test_the_audit_log_is_written_in_english_whatever_the_viewer_reads(data: DataService) -> None:
    token = LANGUAGE.set(language("fr"))
    await audit.exported(data, Filter())
    LANGUAGE.reset(token)
    assert "entries: " in entries(data.settings.data, Query(kinds=("exported",)))["text"][0]


@pytest.mark.usefixtures("engineer")
async def test_an_export_that_cannot_be_recorded_is_not_made(data: DataService, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit_log.audit, "record", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    file, (notice,) = await audit.exported(data, Filter())
    assert file is dash.no_update
    assert notice["message"].startswith("Not exported")


def test_a_large_export_is_cut_between_two_entries_and_says_so(data: DataService, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit_log, "MAX_EXPORT_CHARACTERS", 5_000)
    text, count, more = audit_log.csv(data.settings.data, Filter(), WALL_MS)
    assert len(text) <= 5_000
    assert len(list(csv.DictReader(io.StringIO(text)))) == count
    assert more


async def test_viewers_are_refused_and_that_is_recorded(data: DataService) -> None:
    token = VISITOR.set(Visitor("vic", "viewer"))
    with pytest.raises(dash.exceptions.PreventUpdate):
        await audit._allow(data)
    shown, pages = (
        text_of(audit.layout(data)),
        ({"name": "Audit", "path": "/audit", "order": 9, "right": audit_log.RIGHT},),
    )
    VISITOR.reset(token)
    assert audit.REFUSAL in shown
    assert "audit-entries" not in shown
    assert entries(data.settings.data, Query(who="vic"))["text"].to_list() == [
        "see the audit log: not allowed for the role viewer"
    ]
    assert "/audit" not in text_of(frame._navigation(pages, Visitor("vic", "viewer")))
    assert "/audit" in text_of(frame._navigation(pages, Visitor("anna", "engineer")))


async def test_callbacks_that_are_called_directly_answer_nothing_to_nobody(data: DataService, browser_of: Any) -> None:
    VISITOR.set(NOBODY)
    async with browser_of(assemble(data).server) as client:
        callbacks = [one for one in (await client.get("/_dash-dependencies")).json() if "audit-" in one["output"]]
        assert len(callbacks) == 3
        for callback in callbacks:
            wires = {name: [{**wire, "value": 1} for wire in callback[name]] for name in ("inputs", "state")}
            names = callback["output"].strip(".").split("...")
            outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
            changed = [f"{wire['id']}.{wire['property']}" for wire in callback["inputs"][:1]]
            sent = {"output": callback["output"], "outputs": outputs, "changedPropIds": changed, **wires}
            response = await client.post("/_dash-update-component", json=sent)
            assert (response.status_code, response.content) == (204, b"")
    assert entries(data.settings.data, Query(kinds=("denied",), who="nobody")).height == 1
