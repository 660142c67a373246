"""Pages of staff in a language that marks each translated text: what is left unmarked would stay English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import polars as pl
import pytest
from babel import Locale

from broker.store.journal import Journal
from dashboard.components import handover_view, refill_controls, refill_settings, refill_views
from dashboard.data import refill_days
from dashboard.data.clinic_days import ClinicDays
from dashboard.data.handover_files import HandoverFiles, Kept
from dashboard.data.handovers import Handovers
from dashboard.data.refill_days import Choice
from dashboard.data.refill_files import csv
from dashboard.data.services import DataService
from dashboard.languages import LANGUAGE, Language, in_english
from dashboard.pages import alarm_health, handover, handover_signed, history, refills
from tests.dashboard.conftest import FleetOf
from tests.dashboard.due import due_fleet
from tests.dashboard.pages.test_handover import busy
from tests.dashboard.pages.test_history import EMPTY, NIGHT
from tests.dashboard.test_languages import Marked, unmarked


@pytest.fixture(autouse=True)
def marked() -> Iterator[None]:
    """Make every test's viewer read the language that marks."""
    token = LANGUAGE.set(Language("de", Locale("de"), Marked()))
    yield
    LANGUAGE.reset(token)


def left(shown: object, *data: str) -> list[str]:
    """Return the texts with words outside of the marks, apart from names that are `data`."""
    names = re.compile("|".join(map(re.escape, sorted(data, key=len, reverse=True))))
    found = [names.sub("", text) if data else text for text in unmarked(shown)]
    return [text for text in found if unmarked([text]) and not text.endswith("⟧")]


def test_refills(data_of: Callable[..., DataService]) -> None:
    snapshot = due_fleet([0.0, 11.0, 20.0], flow_ul_h=[8.0, 8.0, 0.0], commanded_ul_h=[8.0] * 3)
    data = data_of(snapshot)
    clinic = ClinicDays(data.settings.data)
    every = refill_days.agenda(snapshot, Choice(span="365"), clinic)
    clinic.set("Zurich", ["Mon"])
    shown = [
        refills.layout(),
        refill_controls.tools(),
        refill_settings.listed(clinic),
        refill_views.sheets(snapshot, every.tasks),
        [
            refills.render(data, clinic, Choice(span=span), view, {})[:3]
            for view, span in (("list", "365"), ("list", "undated"), ("month", "30"), ("week", "30"))
        ],
    ]
    facts = snapshot.table.facts
    assert left(shown, *facts["pump"], *facts["site"], "Zurich", "CSV") == []
    with in_english():
        english = csv(snapshot, every.tasks)
    assert csv(snapshot, every.tasks) == english


def journaled(data: DataService) -> DataService:
    """Write a night's alarms into the journal."""
    journal = Journal(data.settings.data)
    journal.append(pl.DataFrame(sorted(NIGHT, key=lambda one: one["at"]), infer_schema_length=None))
    journal.close()
    return data


def test_handover(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    snapshot = busy(fleet(40))
    data = journaled(data_of(snapshot))
    sheet = Handovers(data, HandoverFiles(data.settings.data)).draft(8, "Call.", "maria")
    kept = Kept(sheet, "ab12", None)
    shown = [
        handover.layout(),
        handover_signed.layout("1"),
        handover.table([kept], 40),
        handover.waiting([kept]),
        handover_view.sheet(sheet),
        handover_view.sheet(sheet, kept),
    ]
    people = ("maria", "sam", "anna", "family informed", "clinic called", "MRI", "Call.", "jo", "ab12", "Pumpwatch")
    assert left(shown, *snapshot.table.facts["pump"], *people) == []


def test_history(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    data = journaled(data_of(fleet(10)))
    parts, _ = history.render(data, EMPTY)
    places = (*data.snapshot().table.facts["pump"], *data.snapshot().table.facts["site"])
    assert left([history.layout(), parts], *places, "maria", "jo", "YYYY-MM-DD", " min") == []


def test_alarm_health(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    data = journaled(data_of(fleet(10)))
    parts = alarm_health.render(data, 1, "light")
    empty = alarm_health.render(data_of(fleet(0)), 1, "light")
    serials = data.snapshot().table.facts["pump"]
    shown = [alarm_health.layout(), [part for part in (*parts, *empty) if not isinstance(part, dict)]]
    assert left(shown, *serials, "CSV", "JSON", " min", "UTC") == []
