"""Language of the viewer: texts by gettext catalogue, numbers and dates by locale; what has no translation is English.

A message's id is its English text. `tr` marks and translates a text; `tr_n` one with a count; `tr_later` only marks a
text that is made once for all viewers, and `tr` translates it where it is shown.
"""

from __future__ import annotations

import gettext
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel import Locale, dates, numbers
from babel.messages import mofile, pofile

from broker.display import names

DOMAIN: Final = "pumpwatch"
FOLDER: Final = Path(__file__).parent / "locale"
SCRIPTS: Final = Path(__file__).parent / "assets"
NAMES: Final[dict[str, str]] = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
"""Languages by their code, each named in itself."""
MAX_HEADER: Final = 200
"""Characters of an Accept-Language header that are read."""


@dataclass(frozen=True)
class Language:
    """A language: its code, the locale of its numbers and dates, and its catalogue."""

    code: str
    locale: Locale
    texts: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)


ENGLISH: Final = Language("en", Locale("en"))
LANGUAGE: Final[ContextVar[Language]] = ContextVar("language", default=ENGLISH)
"""Set for each request; English outside of one."""


@contextmanager
def in_english() -> Iterator[None]:
    """Write in English whatever the viewer's language is: what is kept, or read by programs; also a decorator."""
    token = LANGUAGE.set(ENGLISH)
    try:
        yield
    finally:
        LANGUAGE.reset(token)


@lru_cache(maxsize=len(NAMES))
def language(code: str) -> Language:
    """Return a language by its code, its catalogue read once; English if there is none of that code."""
    if code not in NAMES or code == ENGLISH.code:
        return ENGLISH
    return Language(code, Locale(code), gettext.GNUTranslations(_compiled(code)))


def path_of_catalogue(code: str) -> Path:
    """Return the file of a language's catalogue."""
    return FOLDER / code / "LC_MESSAGES" / f"{DOMAIN}.po"


def _compiled(code: str) -> io.BytesIO:
    with path_of_catalogue(code).open("rb") as file:
        catalogue = pofile.read_po(file, locale=code, domain=DOMAIN)
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue)
    compiled.seek(0)
    return compiled


def preferred(header: str) -> str:
    """Return the code of the language that an Accept-Language header asks for; English if it asks for none of ours."""
    found = []
    for place, part in enumerate(header[:MAX_HEADER].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wanted = float(weight or 1)
        except ValueError:
            continue
        code = tag.strip().partition("-")[0].lower()
        if code in NAMES and wanted > 0:
            found.append((-wanted, place, code))
    return min(found)[2] if found else ENGLISH.code


def tr(text: str, /, context: str = "", **values: object) -> str:
    """Return a text in the viewer's language with `values` in its placeholders.

    `context` tells apart English words that other languages do not say alike.
    """
    texts = LANGUAGE.get().texts
    if not text:
        return text
    return _filled(texts.pgettext(context, text) if context else texts.gettext(text), text, values)


def tr_n(one: str, many: str, count: int, /, **values: object) -> str:
    """Return the form of a text that a count needs in the viewer's language; `{count}` is the count."""
    found = LANGUAGE.get().texts.ngettext(one, many, count)
    return _filled(found, one if count == 1 else many, {"count": decimal(count), **values})


def tr_later(text: str, context: str = "") -> str:
    """Return a text as it is; it is in the catalogues, and `tr` translates it where it is shown."""
    del context  # for the extractor
    return text


def _filled(found: str, text: str, values: dict[str, object]) -> str:
    if not values:
        return found
    try:
        return found.format(**values)
    except (KeyError, IndexError, ValueError):  # a wrong translation costs no page
        return text.format(**values)


def tr_sentence(text: str, templates: tuple[str, ...]) -> str:
    """Return a sentence that another part wrote by one of the `templates`; as it is if it is none of them."""
    for template in templates:
        found = _pattern(template).fullmatch(text)
        if found:
            return tr(template, **{name: tr(value) for name, value in found.groupdict().items()})
    return tr(text)


@lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template)))


@lru_cache(maxsize=1)
def _script_texts() -> tuple[tuple[str, ...], ...]:
    """Return the texts that our scripts show, each with its plural if it has one."""
    quoted = r'"((?:[^"\\\\]|\\\\.)*)"'
    found = set()
    for path in sorted(SCRIPTS.glob("*.js")):
        for texts in re.findall(rf"\btr(?:_n)?\(\s*{quoted}(?:,\s*{quoted})?", path.read_text("utf-8")):
            found.add(tuple(json.loads(f'"{text}"') for text in texts if text))
    return tuple(sorted(found))


def script_texts() -> tuple[tuple[str, ...], ...]:
    """Return the texts that scripts show: those in the scripts, and names that the server sends them."""
    tables = (names.PRIORITIES, names.ALARM_STATES)
    return (*_script_texts(), *((name,) for table in tables for name in table.values()))


def script_words() -> dict[str, list[str]]:
    """Return the scripts' texts in the viewer's language: a text, or its forms for one and for many, by the English."""
    if LANGUAGE.get() is ENGLISH:
        return {}
    texts = LANGUAGE.get().texts
    return {
        found[0]: [texts.gettext(found[0])]
        if len(found) == 1
        else [texts.ngettext(found[0], found[1], count) for count in (1, 2)]
        for found in script_texts()
    }


def decimal(value: float, decimals: int = 0) -> str:
    """Return a number with the separators of the viewer's language: "1,234.5", in German "1\u202f234,5"."""
    return separated(f"{value:,.{decimals}f}")


def separated(english: str) -> str:
    """Return a number that is written as in English with the separators of the viewer's language.

    Digits are grouped by a narrow space: a "1.000 µg/mL" can be read as one microgram.
    """
    code = LANGUAGE.get().code
    if code == ENGLISH.code:
        return english
    group = "" if code in _UNGROUPED and _FOUR_DIGITS.fullmatch(english) else NARROW_SPACE
    return english.translate({ord(","): group, ord("."): numbers.get_decimal_symbol(LANGUAGE.get().locale)})


NARROW_SPACE: Final = "\u202f"
_UNGROUPED: Final = ("es",)
"""Languages that group digits from five on."""
_FOUR_DIGITS: Final = re.compile(r"\D*\d,\d{3}(\.\d*)?")


def chart_separators() -> str:
    """Return the signs that a chart writes between whole and fraction and between groups of digits."""
    return ".," if LANGUAGE.get() is ENGLISH else numbers.get_decimal_symbol(LANGUAGE.get().locale) + NARROW_SPACE


def shown_date(at: date, skeleton: str = "yMMMd") -> str:
    """Return a date as the viewer's language writes the fields of a CLDR skeleton: "12 Jan 2026", "12. Jan. 2026"."""
    chosen = LANGUAGE.get()
    if chosen.code == ENGLISH.code:
        return _ENGLISH[skeleton](at)
    return dates.format_skeleton(skeleton, at, locale=chosen.locale)


_ENGLISH: Final = {
    "yMMMd": lambda at: f"{at.day} {at:%b %Y}",
    "yMMMM": lambda at: f"{at:%B %Y}",
    "yMMM": lambda at: f"{at:%b %Y}",
    "MMMd": lambda at: f"{at.day} {at:%b}",
    "MMMEd": lambda at: f"{at:%a} {at.day} {at:%b}",
    "yMMMEd": lambda at: f"{at:%a} {at.day} {at:%b %Y}",
    "E": lambda at: f"{at:%a}",
    "EEEE": lambda at: f"{at:%A}",
}
"""Days before months and weeks from Monday, as this product writes English."""
