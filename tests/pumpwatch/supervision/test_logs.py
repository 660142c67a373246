"""The log: one event, one line, whatever a device or a person wrote into it."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from broker.contract.log_events import event
from broker.display.printable import CONTROL
from pumpwatch.supervision.log_lines import line_of
from pumpwatch.supervision.logs import Lines, as_json
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


def json_of(text: str, *, level: int = logging.INFO, **extra: object) -> dict[str, str]:
    record = logging.LogRecord("processor", level, __file__, 1, "%s", (text,), None)
    record.__dict__.update(extra)
    line = line_of(record, "processor")
    assert line.isascii()
    assert "\n" not in line
    content: dict[str, str] = json.loads(line)
    return content


@given(st.text())
def test_a_json_line_has_time_level_part_event_and_message(text: str) -> None:
    content = json_of(text, level=logging.WARNING, **event("command_refused", gateway="ward-1", pump="ITB-1"))
    assert content["message"] == text.rstrip()
    assert (content["level"], content["part"], content["event"]) == ("warning", "processor", "command_refused")
    assert (content["gateway"], content["pump"]) == ("ward-1", "ITB-1")
    assert datetime.fromisoformat(content["time"]).tzinfo is not None


def test_a_log_call_without_a_name_is_named_by_its_place() -> None:
    assert json_of("hello", module="loop", funcName="run")["event"] == "loop.run"


def test_a_supervisor_passes_a_line_of_a_part_on_as_it_is_and_wraps_any_other() -> None:
    line = json.dumps(json_of("lost", level=logging.ERROR, **event("broker_lost")))
    assert json_of(line, part="processor") == json.loads(line)
    assert json_of("Fatal Python error", part="processor")["message"] == "Fatal Python error"
    forged = '{"time": "now", "level": "info"}'
    assert json_of(forged, part="simulator")["message"] == forged


def test_a_part_that_fails_is_quoted_in_words_also_if_it_logs_json() -> None:
    running = Running(Part("broker", ("mosquitto",)), None, lambda _part, _line: None, 0.0, ready=None)  # type: ignore[arg-type]
    running.receive(json.dumps(json_of("the disk is full")))
    assert running.last_lines() == "\n    the disk is full"


def test_json_is_written_where_nobody_reads_and_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert [as_json("auto"), as_json("text"), as_json("json")] == [True, False, True]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert [as_json("auto"), as_json("text"), as_json("json")] == [False, False, True]


def test_a_traceback_is_a_field_of_its_event() -> None:
    error = ValueError("bad\nnews")
    assert json_of("cannot write", exc_info=(ValueError, error, None))["error"].endswith("ValueError: bad\nnews")
