"""Strangers' text on its way out: nothing in it steers a terminal, a log, a spreadsheet or a JSON reader."""

from __future__ import annotations

import csv
import io
import json
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from broker.contract.signals import SAMPLE_SCHEMA
from broker.display import terminal
from broker.display.instants import instant, timestamp
from broker.display.printable import CONTROL, printable, printable_json
from broker.store.export import write_csv
from broker.store.segments import Block

HOSTILE = ("C:\\[/temp]", "[bold red]x[/]", "\x1b[2J\x1b]0;owned\x07", "a\nb\rc\td", "\x9b31m", "\u202egnp.exe", "=1+1")
ANY_TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(), st.text(alphabet="[]/\\\x1b\x9b\n\r=+-@ab"))


def raw_controls(text: str, *, but: str = "") -> list[str]:
    return [character for character in re.findall(f"[{CONTROL}]", text) if character not in but]


def seen(text: str) -> str:
    """Return the letters and digits of a text, which every output shows in order."""
    return "".join(character for character in printable(text) if character.isascii() and character.isalnum())


@given(ANY_TEXT)
def test_printable_text_has_no_control_character_and_says_which_there_were(text: str) -> None:
    shown = printable(text)
    assert raw_controls(shown) == []
    assert printable(shown) == shown
    if not raw_controls(text):
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[2J", "\\x1b[2J"), ("a\nb", "a\\nb"), ("\u202eb", "\\u202eb"), ("Zoë 日本 µ", "Zoë 日本 µ")],
)
def test_a_control_character_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_fits_a_terminal_table_and_stays_recognizable(cell: str, title: str) -> None:
    output = io.StringIO()
    table = terminal.table(title, {"what": terminal.KEPT}, [[cell]])
    Console(file=output, width=5000, force_terminal=False).print(table)
    assert raw_controls(output.getvalue(), but="\n") == []
    assert seen(cell.replace("\n", "")) in "".join(re.findall("[A-Za-z0-9]", output.getvalue()))


@given(ANY_TEXT.filter(lambda text: text.isprintable() or text in HOSTILE))
def test_json_on_a_terminal_has_no_control_character_and_reads_as_the_same_text(text: str) -> None:
    document = printable_json(json.dumps({"why": text}, ensure_ascii=False))
    assert raw_controls(document) == []
    assert json.loads(document)["why"] == text


@settings(deadline=None)  # the first export loads libraries
@given(ANY_TEXT.filter(lambda text: "\0" not in text).map(lambda text: text.encode(errors="replace").decode()))
def test_a_serial_in_a_csv_export_is_never_a_formula(serial: str) -> None:
    samples = pl.DataFrame([dict.fromkeys(SAMPLE_SCHEMA) | {"pump": serial, "time": -5}], schema=SAMPLE_SCHEMA)
    file = io.BytesIO()
    write_csv([Block(samples, 1.0)], file, iso=False)
    row = next(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))
    assert not row["pump"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["pump"] in (serial, f"'{serial}")
    assert row["time"] == "-5", "numbers stay numbers"


@given(st.one_of(st.integers(), st.floats()))
def test_a_time_never_raises(ms: float) -> None:
    found = instant(ms)
    assert timestamp(ms) == (f"{found:%Y-%m-%d %H:%M:%S}" if found else timestamp(ms))


def test_a_time_beyond_the_calendar_is_named_as_such() -> None:
    assert timestamp(253_402_300_800_000) == timestamp(2**63) == "beyond year 9999"
    assert timestamp(-(2**63)) == "before year 1"
    assert timestamp(1_767_268_800_000) == "2026-01-01 12:00:00"
