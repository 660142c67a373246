"""Catalogues of translations: collects the English texts from the code, and keeps the .po files of every language.

`python -m pumpwatch.documentation.catalogues` adds new texts without a translation and drops those that are gone;
`--check` only says what is missing, stale or wrong.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from babel.messages import pofile
from babel.messages.catalog import Catalog

from broker.contract.signals import FLAGS, SIGNALS
from broker.display import names
from dashboard.access.accounts import ROLES
from dashboard.data.fault_catalogue import catalogue as faults
from dashboard.languages import DOMAIN, ENGLISH, NAMES, path_of_catalogue, script_texts
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import FLEET_SILENT, GATEWAY_RULES
from processor.rules.rule import Rule
from processor.rules.system import SYSTEM_RULES

ROOT: Final = Path(__file__).resolve().parents[2]
ALL_RULES: Final[tuple[Rule, ...]] = (*RULES, *GATEWAY_RULES, FLEET_SILENT, *COHORT_RULES, *SYSTEM_RULES)
MARKS: Final = ("tr", "tr_later")
HEADER: Final = "# Texts of Pumpwatch for the people who watch the pumps. Not reviewed by a native clinician.\n#"
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")
Key = tuple[str, str]
"""Context and English text of a message."""


@dataclass(frozen=True)
class Message:
    """An English text, its context, and its plural if it has one."""

    text: str
    context: str = ""
    plural: str = ""


def messages() -> dict[Key, Message]:
    """Return every text to translate: those marked in the dashboard, those of its scripts, and those of the tables."""
    every = [*_of_code(), *_of_scripts(), *_of_tables()]
    return {(message.context, message.text): message for message in sorted(every, key=lambda one: one.plural)}


def _of_code() -> Iterator[Message]:
    for path in sorted((ROOT / "dashboard").rglob("*.py")):
        source = path.read_text("utf-8")
        if "dashboard.languages import" in source or path.parent.name == "pages":
            yield from of_source(source)


def of_source(source: str) -> Iterator[Message]:
    """Yield the texts that a module marks, and the nouns that it counts by `formatting.count`."""
    translated = "dashboard.languages import" in source
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
        if name in MARKS and texts and isinstance(texts[0], str):
            context = texts[1] if len(texts) > 1 else _keyword(node, "context")
            yield Message(texts[0], str(context or ""))
        elif name == "add_page":
            yield Message(str(_keyword(node, "name")))
        elif name == "tr_n" and isinstance(texts[0], str) and isinstance(texts[1], str):
            yield Message(texts[0], plural=texts[1])
        elif name == "count" and translated and len(texts) > 1 and isinstance(texts[1], str):
            many = str(texts[2]) if len(texts) > 2 else f"{texts[1]}s"
            yield Message(f"{{count}} {texts[1]}", plural=f"{{count}} {many}")


def _keyword(node: ast.Call, name: str) -> object:
    return next(
        (one.value.value for one in node.keywords if one.arg == name and isinstance(one.value, ast.Constant)), ""
    )


def _of_scripts() -> Iterator[Message]:
    for texts in script_texts():
        yield Message(texts[0], plural=texts[1] if len(texts) > 1 else "")


def _of_tables() -> Iterator[Message]:
    tables = (names.PRIORITIES, names.ALARM_STATES, names.ENTRIES)
    yield from (Message(name) for table in tables for name in table.values())
    yield from (Message(names.words(name)) for name in names.ENTRIES.values())
    yield from (Message(name) for name in names.PUMP_STATES)
    yield from (Message(name.capitalize()) for name in names.PUMP_STATES)
    yield from (Message(one.title) for one in (*SIGNALS, *FLAGS))
    yield from (Message(role) for role in ROLES)
    yield from (Message(fault.title) for fault in faults().values())
    for rule in ALL_RULES:
        yield from map(Message, (rule.title, rule.meaning, rule.action, rule.time_to_respond))
        texts = [text for measure in rule.evidence for text in (measure.label, measure.unit)]
        texts += [text for other in rule.rules_out for text in (other.cause, other.because, other.unit)]
        yield from (Message(text) for text in texts if re.search(r"[A-Za-z]{3}", text))


def read(code: str) -> Catalog:
    """Return the catalogue of a language, empty if there is no file yet."""
    path = path_of_catalogue(code)
    if not path.exists():
        return Catalog(locale=code, domain=DOMAIN)
    with path.open("rb") as file:
        return pofile.read_po(file, locale=code, domain=DOMAIN)


def problems(code: str, catalogue: Catalog, wanted: dict[Key, Message]) -> list[str]:
    """Return what is wrong with a catalogue, a line each: missing and stale texts, placeholders, plural forms."""
    found = {(one.context or "", _first(one.id)): one for one in catalogue if one.id}
    lines = [f"{code}: stale: {text}" for context, text in found if (context, text) not in wanted]
    for key, message in wanted.items():
        entry = found.get(key)
        string = "" if entry is None else entry.string or ""
        strings = [string] if isinstance(string, str) else list(string)
        if not strings or not all(strings):
            lines.append(f"{code}: missing: {message.text}")
        elif len(strings) != (catalogue.num_plurals if message.plural else 1):
            lines.append(f"{code}: plural forms: {message.text}")
        elif any(set(_PLACEHOLDER.findall(one)) != set(_PLACEHOLDER.findall(message.text)) for one in strings):
            lines.append(f"{code}: placeholders: {message.text}")
    return lines


def updated(code: str, old: Catalog, wanted: dict[Key, Message]) -> Catalog:
    """Return a catalogue of the texts that are wanted, with the translations of an old one."""
    fresh = Catalog(
        locale=code, domain=DOMAIN, header_comment=HEADER, fuzzy=False, project="Pumpwatch", charset="utf-8"
    )
    known = {(one.context or "", _first(one.id)): one.string for one in old if one.id}
    for key in sorted(wanted):
        message = wanted[key]
        string = known.get(key)
        whole = isinstance(string, tuple | list) == bool(message.plural) and string
        blank: str | tuple[str, ...] = ("",) * fresh.num_plurals if message.plural else ""
        fresh.add(
            (message.text, message.plural) if message.plural else message.text,
            string if whole else blank,
            context=message.context or None,
        )
    return fresh


def write(code: str, catalogue: Catalog) -> None:
    """Write the file of a language, without lines that change with every edit of the code."""
    path = path_of_catalogue(code)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pofile.write_po(file, catalogue, width=120, omit_header=False, no_location=True)
    kept = [line for line in path.read_text("utf-8").splitlines() if not line.startswith(_DATED)]
    path.write_text("\n".join(kept).rstrip() + "\n", "utf-8")


_DATED: Final = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Last-Translator', '"Report-Msgid')


def _first(text: str | list[str] | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


def main(arguments: list[str]) -> int:
    """Update all catalogues, or check them; return the exit status."""
    wanted, status = messages(), 0
    for code in NAMES:
        if code == ENGLISH.code:
            continue
        catalogue = read(code)
        if "--check" not in arguments:
            catalogue = updated(code, catalogue, wanted)
            write(code, catalogue)
        for line in problems(code, catalogue, wanted):
            sys.stdout.write(f"{line}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
