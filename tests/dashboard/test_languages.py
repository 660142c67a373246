"""Languages: every text of staff is in the catalogues, what is not falls back to English, numbers are by locale."""

from __future__ import annotations

import gettext
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from babel import Locale
from dash.development.base_component import Component

from dashboard import formatting, theme
from dashboard.access.language_choice import ViewerLanguage, link
from dashboard.app import assemble
from dashboard.clocks import said_deadline, time_left
from dashboard.components import alarm_filters, attention_panel, evidence_panel, shell
from dashboard.data import pump_search
from dashboard.data.alarm_actions import suppressed
from dashboard.languages import LANGUAGE, NAMES, Language, decimal, language, preferred, script_words, tr, tr_n
from dashboard.pages import alarms, overview, pump, pumps
from dashboard.pages import help as help_page
from pumpwatch.documentation import catalogues
from pumpwatch.documentation.catalogues import Message

CODES = [code for code in NAMES if code != "en"]
MAX_MISSING = 25
"""Texts of one language that may lack a translation for a while: those of a page that is new."""
MS = 1_768_221_120_000
"""12 January 2026, 12:32 UTC."""


class Marked(gettext.NullTranslations):
    """A language in which every translated text stands in brackets."""

    def gettext(self, message: str) -> str:
        """Return the text in brackets."""
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the form for `n` in brackets."""
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"

    def pgettext(self, context: str, message: str) -> str:
        """Return the text in brackets, whatever its context."""
        return f"⟦{message}⟧"


@pytest.fixture
def speak() -> Iterator[object]:
    """Return a function that sets the viewer's language for a test."""
    token = LANGUAGE.set(LANGUAGE.get())
    yield lambda code: LANGUAGE.set(language(code))
    LANGUAGE.reset(token)


@pytest.fixture(scope="module")
def wanted():
    return catalogues.messages()


@pytest.mark.parametrize("code", CODES)
def test_every_text_for_staff_has_a_translation(code: str, wanted) -> None:
    found = catalogues.problems(code, catalogues.read(code), wanted)
    missing = [line for line in found if ": missing: " in line]
    assert found == missing, "\n".join(found)
    assert len(missing) <= MAX_MISSING, "\n".join(missing)


def test_missing_stale_and_wrong_translations_are_found(wanted) -> None:
    catalogue = catalogues.updated("de", catalogues.read("de"), wanted)
    gone = {key: message for key, message in wanted.items() if message.text != "Close"}
    more = {**wanted, ("", "A new text"): Message("A new text")}
    catalogue.get("{duration} ago").string = "vor {dauer}"
    catalogue.get("{count} alarm").string = ("ein Alarm",)
    assert catalogues.problems("de", catalogue, gone)[0] == "de: stale: Close"
    assert "de: missing: A new text" in catalogues.problems("de", catalogue, more)
    assert {"de: placeholders: {duration} ago", "de: plural forms: {count} alarm"} <= set(
        catalogues.problems("de", catalogue, wanted)
    )


def test_marked_texts_and_counted_nouns_are_collected() -> None:
    source = (
        "from dashboard.languages import tr\n"
        'tr("Close"); tr("By", context="date"); tr_n("{count} dose", "{count} doses", 3)\n'
        'tr_later("Open"); formatting.count(4, "entry", "entries"); shell.add_page(__name__, name="Pumps")'
    )
    assert list(catalogues.of_source(source)) == [
        Message("Close"),
        Message("By", "date"),
        Message("{count} dose", plural="{count} doses"),
        Message("Open"),
        Message("{count} entry", plural="{count} entries"),
        Message("Pumps"),
    ]


def test_a_text_without_a_translation_is_english(speak) -> None:
    speak("de")
    assert tr("A text that no catalogue has: {number}", number=7) == "A text that no catalogue has: 7"
    assert tr_n("{count} zebra", "{count} zebras", 2) == "2 zebras"


def test_an_unknown_language_is_english(speak) -> None:
    speak("xx")
    assert tr("Close") == "Close"


@pytest.mark.parametrize(
    ("code", "number", "date", "text"),
    [
        ("en", "1,234.5 mL", "12 Jan 2026", "5 h left (5 min here at ×60); 1,234 alarms"),
        ("de", "1\u202f234,5 mL", "12. Jan. 2026", "noch 5 h (5 min hier bei ×60); 1\u202f234 Alarme"),
        ("fr", "1\u202f234,5 mL", "12 janv. 2026", "encore 5 h (5 min ici à ×60); 1\u202f234 alarmes"),
        ("es", "1234,5 mL", "12 ene 2026", "quedan 5 h (5 min aquí a ×60); 1234 alarmas"),
    ],
)
def test_numbers_dates_and_counts_are_by_locale(speak, code, number, date, text) -> None:
    speak(code)
    assert formatting.number(1234.5, 1, "mL") == number
    assert formatting.day(MS) == date
    assert f"{time_left(5 * 3600, 60)}; {formatting.count(1234, 'alarm')}" == text


def test_no_thousand_can_be_read_as_a_one(speak) -> None:
    written = {}
    for code in NAMES:
        speak(code)
        written[code] = (decimal(1000), decimal(-12_000.5, 1), formatting.speed(3600))
        assert theme.template(theme.LIGHT)["layout"]["separators"][1] == ("," if code == "en" else "\u202f")
    assert written["de"] == written["fr"] == ("1\u202f000", "-12\u202f000,5", "×3\u202f600")
    assert written["es"] == ("1000", "-12\u202f000,5", "×3600")
    assert written["en"] == ("1,000", "-12,000.5", "×3,600")


def test_no_negative_zero_in_any_language(speak) -> None:
    for code in NAMES:
        speak(code)
        assert formatting.number(-0.001, 1) == decimal(0.0, 1)
        assert "-" not in formatting.significant(-0.0)


def test_what_the_processor_writes_is_translated_with_its_numbers(speak) -> None:
    speak("de")
    assert said_deadline("under-dosed in about 5 h (4 to 7 h)") == "Unterdosierung in etwa 5 h (4 bis 7 h)"
    assert said_deadline("about 5 h until under-dosed (therapy time)") == (
        "etwa 5 h bis zur Unterdosierung (Therapiezeit)"
    )
    assert suppressed("Motor stall, Under-delivery (3 pumps)") == "Motorstillstand, Unterförderung (3 Pumpen)"
    assert said_deadline("what no template says") == "what no template says"


def test_scripts_get_their_words_in_the_language_of_the_viewer(speak) -> None:
    assert script_words() == {}
    speak("de")
    words = script_words()
    assert words["Clear selection"] == ["Auswahl aufheben"]
    assert words["{count} alarm"] == ["{count} Alarm", "{count} Alarme"]
    assert words["high"] == ["hoch"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("it,fr;q=0.7,es;q=0.9", "es"),
        ("en-US,en;q=0.9,de;q=0.1", "en"),
        ("", "en"),
        ("zh", "en"),
        ("de;q=nonsense, fr", "fr"),
        ("de;q=0", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_browser_says_which_language_it_prefers(header: str, code: str) -> None:
    assert preferred(header) == code


async def _answer(path: str, **headers: str) -> httpx.Response:
    async def page(_scope, _receive, send) -> None:
        body = f"{tr('Close')} {LANGUAGE.get().code}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    transport = httpx.ASGITransport(app=ViewerLanguage(page))
    async with httpx.AsyncClient(transport=transport, base_url="http://ward") as client:
        return await client.get(path, headers=headers)


async def test_a_cookie_chooses_the_language_before_the_browser_does() -> None:
    assert (await _answer("/", cookie="other=1; language=es", **{"accept-language": "de"})).text == "Cerrar es"
    assert (await _answer("/", cookie="language=klingon", **{"accept-language": "de"})).text == "Schließen de"


async def test_a_link_chooses_a_language_and_goes_on_in_this_site_alone() -> None:
    chosen = await _answer(link("fr", "/alarms?filter=all"))
    assert chosen.status_code == 303
    assert chosen.headers["location"] == "/alarms?filter=all"
    assert chosen.headers["set-cookie"].startswith("language=fr;")
    away = await _answer("/language?to=klingon&next=//elsewhere.example")
    assert away.headers["location"] == "/"
    assert "set-cookie" not in away.headers


SHOWN = ("children", "title", "label", "placeholder", "aria-label")
GERMAN = Locale("de")
WRITTEN = re.compile(
    "|".join(
        rf"\b{re.escape(name)}"
        for names in (GERMAN.months, GERMAN.days)
        for width in ("wide", "abbreviated")
        for name in names["format"][width].values()
    )
)
"""Months and weekdays, which come from CLDR."""
UNTRANSLATED = re.compile(r"[A-Za-z]{3,}")


def texts(shown: object) -> Iterator[str]:
    """Yield every text that a component shows or reads out."""
    if isinstance(shown, str):
        yield shown
    elif isinstance(shown, list | tuple):
        for one in shown:
            yield from texts(one)
    elif isinstance(shown, dict):
        yield from texts(shown.get("label"))
    elif isinstance(shown, Component):
        properties = shown.to_plotly_json()["props"]
        for name in SHOWN:
            yield from texts(properties.get(name))
        yield from texts(properties["data"] if isinstance(properties.get("data"), list) else None)


def unmarked(shown: object) -> list[str]:
    """Return the texts in which something stands outside of the brackets."""
    found = []
    for text in texts(shown):
        rest = re.sub(r"\d\d:\d\d(:\d\d)? UTC", "", WRITTEN.sub("", text))
        while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", rest)) != rest:
            rest = shorter
        if UNTRANSLATED.search(rest):
            found.append(text)
    return found


def test_no_text_of_a_staff_page_is_left_in_english(fleet, data_of) -> None:
    token = LANGUAGE.set(Language("de", Locale("de"), Marked()))
    try:
        snapshot = fleet(50, alarms=9)
        row = snapshot.alarms.row(0, named=True)
        pages = [
            attention_panel.control(),
            alarm_filters.controls(),
            alarms.layout(data_of(snapshot)),
            help_page.layout(),
            alarms.evidence(row),
            evidence_panel.shown(row),
            overview.layout(),
            overview.render(snapshot),
            pump.render(snapshot, row["pump"]),
            pumps.note(snapshot, pump_search.page(snapshot.table, {"startRow": 0, "endRow": 10}, "", {})),
            [{"label": label} for name in pumps.ALL for label in pumps.options(snapshot, name).values()],
        ]
        data = {row["subject"], row["acknowledged_by"], row["shelved_by"], " mmHg"}
        named = re.compile(r"Site \d+|gateway-\d+")
        left = [text for text in unmarked(pages) if text not in data and not named.fullmatch(text)]
        assert left == []
    finally:
        LANGUAGE.reset(token)


def test_a_page_that_is_not_translated_says_so_and_no_other_does(fleet, data_of) -> None:
    assemble(data_of(fleet(1)))
    staff = {"pump"}
    for page in shell.registered():
        source = Path(importlib.import_module(page["module"]).__file__ or "").read_text("utf-8")
        translated = re.search(r"\btr\(", source) is not None or page["module"].rpartition(".")[2] in staff
        assert page["english"] != translated, f"{page['name']}: give english=True to add_page if it is not translated"
