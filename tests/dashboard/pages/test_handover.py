"""Handover: what a sheet says, who signs it, and that it stays what was signed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest

from broker.store.journal import Journal
from broker.store.journal_query import Query, entries
from broker.store.snapshot import ORDERS_SCHEMA, Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.sessions import SHARED_KEY
from dashboard.components import handover_view
from dashboard.data import handover_files
from dashboard.data.handover_files import HandoverFiles
from dashboard.data.handovers import Handovers
from dashboard.data.services import DataService
from dashboard.pages import handover, handover_signed
from tests.dashboard.conftest import THERAPY_MS, WALL_MS

MARIA, JO, VERA = Visitor("maria", "operator"), Visitor("jo", "operator"), Visitor("vera", "viewer")
HOUR_MS = 3_600_000
EVIL = "<img src=x onerror=alert(1)>"


@contextlib.contextmanager
def signed_in(visitor: Visitor) -> Iterator[None]:
    token = VISITOR.set(visitor)
    yield
    VISITOR.reset(token)


def busy(fleet: Snapshot) -> Snapshot:
    """Return a fleet with a shelved alarm, a note, a pump out of service, and forecasts that come due."""
    one = pl.col("pump") == "ITB-000004"
    shelved = {"state": "shelved", "shelved_by": "jo", "shelved_why": "clinic called", "shelved_left_s": 7200.0}
    noted = {"note": "family informed", "note_by": "sam", "note_wall": WALL_MS - HOUR_MS}
    alarms = fleet.alarms.with_columns(
        *(pl.when(one).then(pl.lit(value)).otherwise(name).alias(name) for name, value in shelved.items()),
        *(pl.when(pl.col("pump") == "ITB-000001").then(pl.lit(v)).otherwise(n).alias(n) for n, v in noted.items()),
        speed=pl.lit(60.0, pl.Float32),
    ).select(pl.col(name).cast(dtype) for name, dtype in fleet.alarms.schema.items())
    at = pl.col("pump").is_in(["ITB-000007"])
    pumps = fleet.pumps.with_columns(
        pl.when(at).then(3.0).otherwise("under_dosed_h_mid").cast(pl.Float32).alias("under_dosed_h_mid"),
        pl.when(at).then(THERAPY_MS - 24 * HOUR_MS).otherwise("refill_due").cast(pl.Int64).alias("refill_due"),
        pl.when(pl.col("pump") == "ITB-000008").then(400.0).otherwise("low_d_mid").cast(pl.Float32).alias("low_d_mid"),
    )
    order = {"subject": "ITB-000009", "subject_kind": "pump", "pump": "ITB-000009", "out_by": "anna", "out_why": "MRI"}
    orders = pl.DataFrame([dict.fromkeys(ORDERS_SCHEMA) | order | {"out_wall": WALL_MS}], ORDERS_SCHEMA)
    whole = Snapshot.of(pumps, alarms, fleet.gateways, fleet.health)
    return dataclasses.replace(whole, orders=orders)


@pytest.fixture
def handovers(fleet: Any, data_of: Callable[..., DataService]) -> Handovers:
    data = data_of(busy(fleet(40)))
    about = {"pump": "ITB-000020", "subject": "ITB-000020", "rule": "no_flow", "title": "No flow", "priority": 1}
    about |= {"alarm": "a/1"}
    course = [("raised", 300, None), ("acknowledged", 290, "maria"), ("returned", 100, None), ("note", 95, "sam")]
    rows = [
        {**about, "kind": kind, "at": WALL_MS - before * 60_000, "time": THERAPY_MS, "who": who, "text": EVIL}
        for kind, before, who in course
    ]
    journal = Journal(data.settings.data)
    journal.append(pl.DataFrame(rows, infer_schema_length=None))
    journal.close()
    return Handovers(data, HandoverFiles(data.settings.data))


def words(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


async def signed_by_maria(handovers: Handovers, text: str = "Call the clinic about ITB-000007.") -> int:
    with signed_in(MARIA):
        answer, number = await handovers.hand_over(8, text)
    assert answer.good
    assert number is not None
    return number


def test_a_sheet_says_what_stands_what_happened_what_is_shelved_and_what_to_watch(handovers: Handovers) -> None:
    sheet = handovers.draft(8, "Call the clinic.", "maria")
    assert sheet.standing[0].subject == "ITB-000001"
    assert [(one.subject, one.shelved_by) for one in sheet.aside] == [("ITB-000004", "jo")]
    assert [(one.subject, one.acknowledged_by, one.response_ms) for one in sheet.happened] == [
        ("ITB-000020", "maria", 600_000)
    ]
    assert [(one.kind, one.who) for one in sheet.actions] == [("note", "sam")]
    assert [(one.pump, one.what) for one in sheet.due] == [("ITB-000007", "Refill due"), ("ITB-000007", "Under-dosed")]
    assert [one.note for one in sheet.notes] == ["family informed"]
    page = words(handover_view.sheet(sheet))
    for text in (
        "Simulated fleet",
        "Call the clinic.",
        "for 12 min (12 s here at ×60)",
        "Under-dosed in 3 h (3 min here at ×60)",
        "jo: clinic called",
        "21 Sep 2026, 14:15 UTC",
        "anna since",
        "family informed",
        "by maria after 10 min",
        "1 alarm raised, 1 acknowledged. Median time to acknowledge: 10 min.",
        "not signed",
    ):
        assert text in page
    assert EVIL in page, "as text"


def test_what_happened_before_the_shift_is_not_on_the_sheet(handovers: Handovers) -> None:
    sheet = handovers.draft(1, "", "maria")
    assert (sheet.happened, sheet.actions, sheet.raised) == ([], [], 0)
    assert [one.what for one in sheet.due] == ["Refill due", "Under-dosed"]


def test_a_long_sheet_says_how_much_more_there_is(handovers: Handovers, fleet: Any, data_of: Any) -> None:
    many = Handovers(data_of(fleet(900, alarms=400, version=2)), handovers.files)
    sheet = many.draft(8, "", "maria")
    assert len(sheet.standing) == 150
    assert sheet.more["standing"] == 250
    assert "and 250 more lines; see the pages" in words(handover_view.sheet(sheet))


async def test_two_people_sign_and_the_journal_has_both_with_the_digest(handovers: Handovers) -> None:
    number = await signed_by_maria(handovers)
    with signed_in(JO):
        assert handover_signed.shown(handovers, str(number))[2] is False, "the button is there"
        answer = await handovers.take_over(number)
    assert answer.text == "You have taken over from maria with sheet 1."
    checked = handovers.open(number)
    assert checked.problem == ""
    assert checked.kept.taken_over is not None
    assert checked.kept.taken_over.who == "jo"
    kinds = ("handed_over", "taken_over")
    found = entries(handovers.data.settings.data, Query(kinds=kinds))
    assert found["who"].to_list() == ["jo", "maria"]
    assert set(found["text"]) == {f"handover sheet 1, SHA-256 {checked.kept.digest}"}
    listed = words(handover.table(*handovers.newest(30)))
    assert "maria" in listed
    assert "jo" in listed


async def test_nobody_takes_over_from_themselves(handovers: Handovers) -> None:
    number = await signed_by_maria(handovers)
    with signed_in(MARIA):
        answer = await handovers.take_over(number)
        assert handover_signed.shown(handovers, str(number))[2] is True, "no button"
    assert answer.text == "Not signed: maria has handed over this sheet; somebody else must take it over."
    assert handovers.open(number).kept.taken_over is None


async def test_the_shared_key_is_one_person(handovers: Handovers) -> None:
    with signed_in(SHARED_KEY):
        _, number = await handovers.hand_over(8, "")
        assert number is not None
        answer = await handovers.take_over(number)
    assert "make accounts with pumpwatch user add" in answer.text


async def test_a_sheet_is_taken_over_once(handovers: Handovers) -> None:
    number = await signed_by_maria(handovers)
    with signed_in(JO):
        await handovers.take_over(number)
    with signed_in(Visitor("sam", "engineer")):
        answer = await handovers.take_over(number)
    assert answer.text == "Not signed: jo has taken this sheet over already."


async def test_a_signed_sheet_cannot_be_changed_unnoticed(handovers: Handovers) -> None:
    number = await signed_by_maria(handovers)
    path = handovers.data.settings.data / handover_files.DIRECTORY / f"{number:06d}.json"
    assert path.stat().st_mode & 0o777 == 0o400
    path.chmod(0o600)
    path.write_text(path.read_text("utf-8").replace("Call the clinic", "All is well"), "utf-8")
    _, problem, _ = handover_signed.shown(handovers, str(number))
    assert problem.startswith("Do not rely on this sheet: this is not the sheet that maria has handed over")
    with signed_in(JO):
        answer = await handovers.take_over(number)
    assert not answer.good
    assert await signed_by_maria(handovers) == number + 1, "the next one does not replace it"


async def test_viewers_look_and_do_not_sign_and_the_attempt_is_recorded(handovers: Handovers) -> None:
    number = await signed_by_maria(handovers)
    with signed_in(VERA):
        answer, none = await handovers.hand_over(8, "")
        second = await handovers.take_over(number)
        sheet, problem, hidden = handover_signed.shown(handovers, str(number))
    assert answer.text == "Not signed: only operators, engineers and admins may sign handovers."
    assert none is None
    assert not second.good
    assert "Handover sheet 1" in words(sheet)
    assert (problem, hidden) == ("", True)
    denied = entries(handovers.data.settings.data, Query(who="vera"))
    assert denied["text"].to_list() == ["sign handovers: not allowed for the role viewer"]


async def test_what_cannot_be_recorded_is_not_signed(handovers: Handovers) -> None:
    (handovers.data.settings.data / "secrets" / "journal.key").unlink()
    with signed_in(MARIA):
        answer, number = await handovers.hand_over(8, "")
    assert answer.text == "Not signed: the signature cannot be recorded in the journal; see the dashboard's log."
    assert number is None
    assert handovers.files.numbers() == []


async def test_the_oldest_of_too_many_sheets_goes_and_the_journal_says_so(handovers: Handovers) -> None:
    few = Handovers(handovers.data, HandoverFiles(handovers.data.settings.data, limit=2))
    for _ in range(3):
        await signed_by_maria(few)
    assert few.files.numbers() == [2, 3]
    removed = entries(handovers.data.settings.data, Query(kinds=("handover_removed",)))
    assert removed["text"].to_list() == ["sheet 1: only so many are kept"]


async def test_who_comes_to_take_over_sees_which_sheet_waits(handovers: Handovers) -> None:
    await signed_by_maria(handovers)
    found, _ = handovers.newest(30)
    with signed_in(JO):
        assert "by maria of 21 Sep 2026, 14:13 UTC waits for whoever takes over." in words(handover.waiting(found))
    with signed_in(MARIA):
        assert handover.waiting(found) is None


@pytest.mark.parametrize("number", ["ITB-000001", "0", "7", "-1", "9" * 30, "²", None])
def test_a_sheet_that_does_not_exist_is_said_so(handovers: Handovers, number: Any) -> None:
    shown, problem, hidden = handover_signed.shown(handovers, number)
    assert "Not shown: there is no sheet" in words(shown)
    assert (problem, hidden) == ("", True)
