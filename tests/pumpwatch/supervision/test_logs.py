"""The log: one event, one line, whatever a device or a person wrote into it."""

from __future__ import annotations

import io
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from broker.display.printable import CONTROL
from pumpwatch.supervision.logs import Lines
from pumpwatch.supervision.part_process import Part, Running


def logged(text: str, *, bare: bool, error: BaseException | None = None) -> str:
    output = io.StringIO()
    trouble = error and (type(error), error, error.__traceback__)
    record = logging.LogRecord("processor", logging.INFO, __file__, 1, "%s", (text,), trouble)
    Lines(Console(file=output, width=40), "processor", bare=bare).emit(record)
    return output.getvalue()


@given(st.one_of(st.text(), st.text(alphabet="[]/\\\x1b\n\r\x85\u2028ab")), st.booleans())
def test_a_record_is_one_line_without_control_characters(text: str, bare: bool) -> None:
    line = logged(text, bare=bare)
    assert re.findall(f"[{CONTROL}]", line) == ["\n"]
    assert line.endswith("\n")


@pytest.mark.parametrize("bare", [True, False])
def test_a_line_break_in_a_note_does_not_forge_a_second_event(bare: bool) -> None:
    assert (
        logged("note: x\n12:00:00 processor  all is well", bare=bare)
        .rstrip()
        .endswith("note: x\\n12:00:00 processor  all is well")
    )


def test_the_lines_of_a_traceback_are_indented_below_their_event() -> None:
    lines = logged("cannot write", bare=True, error=ValueError("a\n12:00:00 processor  all is well\x1b[2J")).split("\n")
    assert lines[0] == "cannot write"
    assert all(line.startswith("    ") for line in lines[1:] if line)
    assert lines[-2].endswith("all is well\\x1b[2J")


def test_output_of_a_part_is_quoted_without_its_control_characters() -> None:
    said: list[str] = []
    running = Running(Part("broker", ("mosquitto",)), None, lambda _part, line: said.append(line), 0.0, ready=None)  # type: ignore[arg-type]
    running.receive("client \x1b[31mred\x9b connected")
    assert said == ["client \\x1b[31mred\\x9b connected"]
    assert running.last_lines() == "\n    client \\x1b[31mred\\x9b connected"
