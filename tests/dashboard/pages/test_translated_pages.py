"""Pages of staff in a language that marks each translated text: what is left unmarked would stay English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from babel import Locale

from dashboard.components import refill_controls, refill_settings, refill_views
from dashboard.data import refill_days
from dashboard.data.clinic_days import ClinicDays
from dashboard.data.refill_days import Choice
from dashboard.data.refill_files import csv
from dashboard.data.services import DataService
from dashboard.languages import LANGUAGE, Language, in_english
from dashboard.pages import refills
from tests.dashboard.due import due_fleet
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
