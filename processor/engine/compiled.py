"""Judges many windows of one pump, one after the other, by rules compiled to WebAssembly.

Each window depends on the memory that the last one left, so a pump's backlog cannot be judged as columns, and a plan
for each of its windows takes ten milliseconds. Here the same expressions are one function
(`processor.engine.translation`), which takes a thousandth of that and gives the same results to the last bit.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import wasmtime

from processor.engine import windows
from processor.engine.columns import Rules, in_state_name, score_name
from processor.engine.scoring import END_OF_WINDOW, MAX_SCORE, Plan, inputs_of, plan_of
from processor.engine.translated_values import FLOAT, INTEGER, UntranslatableError, Value
from processor.engine.translation import Translation

ROWS: Final = 1024
"""Windows of one call; its memory has room for so many."""
COMPILE_ERRORS: Final = (UntranslatableError, wasmtime.WasmtimeError, OSError)
"""What may be raised if rules cannot be compiled: by an unknown expression, or if no code may be made."""
_PAGE: Final = 65_536
_ALIGNMENT: Final = 16

Array = npt.NDArray[Any]


@dataclass
class _Layout:
    """Where the columns are in the function's memory, and the code that reads them."""

    end: int = 0
    places: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def place(self, name: str, dtype: Any, rows: int) -> int:
        """Make room for a column; return its address."""
        address = self.end
        self.places[name] = address, dtype
        self.end += -(-rows * np.dtype(dtype).itemsize // _ALIGNMENT) * _ALIGNMENT
        return address


def _schema(plan: Plan) -> pl.Schema:
    """Return the columns of `inputs_of`."""
    rows = {**dict.fromkeys(END_OF_WINDOW, pl.Int64()), **windows.SCHEMA, windows.CLOCK_FAULTS: pl.Float32()}
    return pl.DataFrame(inputs_of(pl.DataFrame(schema=rows), plan)).schema


def _known(name: str) -> str:
    return f"{name} is known"


def _loaded(translation: Translation, kind: str, address: int, known_address: int) -> Value:
    """Return the value of the present window in a column of the memory."""
    step = "$at8" if kind == INTEGER else "$at4"
    return Value(
        kind,
        translation.keep(kind, f"({kind}.load offset={address} (local.get {step}))"),
        translation.keep("i32", f"(i32.load8_u offset={known_address} (local.get $at))"),
    )


def _values(row: pl.DataFrame) -> tuple[list[float], list[bool]]:
    """Return the values of a row, 0 where unknown, and which are known."""
    values = row.row(0)
    return [0.0 if value is None else value for value in values], [value is not None for value in values]


class Judge:
    """The compiled rules. `judge` may be called by one thread at a time; others wait."""

    def __init__(self, rules: Rules) -> None:
        self._plan = plan_of(rules)
        self._layout = _Layout()
        self._lock = threading.Lock()
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self._store, wasmtime.Module(engine, self._text()), [])
        exports = instance.exports(self._store)
        self._run: Any = exports["judge"]
        memory: Any = exports["memory"]
        size = memory.data_len(self._store)
        self._bytes: npt.NDArray[np.uint8] = np.ctypeslib.as_array(
            (ctypes.c_ubyte * size).from_address(ctypes.addressof(memory.data_ptr(self._store).contents))
        )

        shape = len(self._carried), ROWS + 1
        self._values = self._array("carried", shape[0] * shape[1]).reshape(shape)
        self._known = self._array(_known("carried"), shape[0] * shape[1]).reshape(shape)

    def judge(self, row: pl.DataFrame, ended: pl.DataFrame) -> pl.DataFrame:
        """Return scores, their times and memories after each of the windows that `ended`, in order.

        `row` is the row of the pump in the state before them; `ended` has a row for each window as `scoring.judge`
        takes it, but needs no scores and memories.
        """
        ended = pl.DataFrame(inputs_of(ended, self._plan))
        with self._lock:
            self._values[:, 0], self._known[:, 0] = _values(row.select(self._carried))
            parts = []
            for first in range(0, ended.height, ROWS):
                part = ended[first : first + ROWS]
                for name in self._read:
                    self._write(name, part[name])
                self._run(self._store, part.height)
                parts.append(self._results(part.height))
            return pl.concat(parts, rechunk=True)

    def _results(self, rows: int) -> pl.DataFrame:
        """Return what a call computed, and make its last row the one before the next call."""
        columns = []
        for name, values, known in zip(self._carried, self._values, self._known, strict=True):
            column = pl.Series(name, values[1 : rows + 1].copy())
            columns.append(
                column if known[1 : rows + 1].all() else column.set(pl.Series(known[1 : rows + 1] == 0), None)
            )
        self._values[:, 0], self._known[:, 0] = self._values[:, rows], self._known[:, rows]
        return pl.DataFrame(columns)

    def _array(self, name: str, rows: int) -> Array:
        address, dtype = self._layout.places[name]
        array: Array = self._bytes[address : address + rows * np.dtype(dtype).itemsize].view(dtype)
        return array

    def _write(self, name: str, column: pl.Series) -> None:
        self._array(_known(name), column.len())[:] = column.is_not_null().to_numpy()
        self._array(name, column.len())[:] = column.fill_null(0).to_numpy()

    def _text(self) -> str:
        """Return the module: one function of the number of windows."""
        plan, translation = self._plan, Translation({})
        self._read: list[str] = []
        self._carried = [*plan.memories, *(name(rule) for rule in plan.judged for name in (score_name, in_state_name))]
        for name, dtype in _schema(plan).items():
            kind, stored = (INTEGER, np.int64) if dtype == pl.Int64 else (FLOAT, np.float32)
            translation.columns[name] = self._input(translation, name, kind, stored)
            self._read.append(name)
        size = len(self._carried) * (ROWS + 1)
        values, known = (
            self._layout.place("carried", np.float32, size),
            self._layout.place(_known("carried"), np.uint8, size),
        )
        self._addresses = {
            name: (values + at * (ROWS + 1) * 4, known + at * (ROWS + 1)) for at, name in enumerate(self._carried)
        }
        for name, (address, known_address) in self._addresses.items():
            translation.columns[name] = _loaded(translation, FLOAT, address, known_address)
        for stage in plan.stages[:-1]:
            translation.columns |= translation.stage({each.meta.output_name(): each for each in stage})
        results = translation.stage({each.meta.output_name(): each for each in plan.stages[-1]})
        dt = translation.columns["dt"]
        passed_s = translation.keep(FLOAT, f"(select {dt.code} (f32.const 0) {dt.known})")
        for name in plan.memories:
            self._store_kept(translation, name, results[name])
        for rule in plan.judged:
            self._store_score(translation, score_name(rule), in_state_name(rule), results[score_name(rule)], passed_s)
        pages = self._layout.end // _PAGE + 1
        return f"""(module (memory (export "memory") {pages} {pages}) (func (export "judge") (param $rows i32)
          (local $at i32) (local $at4 i32) (local $at8 i32) {" ".join(translation.locals)}
          (loop $windows
            (local.set $at4 (i32.shl (local.get $at) (i32.const 2)))
            (local.set $at8 (i32.shl (local.get $at) (i32.const 3)))
            {chr(10).join(translation.lines)}
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $windows (i32.lt_u (local.get $at) (local.get $rows))))))"""

    def _input(self, translation: Translation, name: str, kind: str, dtype: Any) -> Value:
        address, known_address = self._layout.place(name, dtype, ROWS), self._layout.place(_known(name), np.uint8, ROWS)
        return _loaded(translation, kind, address, known_address)

    def _store_kept(self, translation: Translation, name: str, new: Value) -> None:
        """Store a new value, or the old one if it is unknown."""
        old = translation.columns[name]
        known = translation.all_of(new.known, translation.keep("i32", f"(f32.eq {new.code} {new.code})"))
        kept = translation.keep(FLOAT, f"(select {new.code} {old.code} {known})")
        address, known_address = self._addresses[name]
        translation.lines += [
            f"(f32.store offset={address + 4} (local.get $at4) {kept})",
            f"(i32.store8 offset={known_address + 1} (local.get $at) (i32.or {known} {old.known}))",
        ]

    def _store_score(self, translation: Translation, name: str, in_state: str, new: Value, passed_s: str) -> None:
        old, since = translation.columns[name], translation.columns[in_state]
        known = translation.all_of(new.known, translation.keep("i32", f"(f32.eq {new.code} {new.code})"))
        kept = translation.keep(FLOAT, f"(select {new.code} {old.code} {known})")
        least = translation.keep(FLOAT, f"(select (f32.const 0) {kept} (f32.lt {kept} (f32.const 0)))")
        score = translation.keep(
            FLOAT, f"(select (f32.const {MAX_SCORE}) {least} (f32.gt {least} (f32.const {MAX_SCORE})))"
        )
        crossed = f"(i32.ne (f32.ge {score} (f32.const 1)) (f32.ge {old.code} (f32.const 1)))"
        passed = translation.keep(FLOAT, f"(select (f32.const 0) (f32.add {since.code} {passed_s}) {crossed})")
        for column, value in ((name, score), (in_state, passed)):
            address, known_address = self._addresses[column]
            translation.lines += [
                f"(f32.store offset={address + 4} (local.get $at4) {value})",
                f"(i32.store8 offset={known_address + 1} (local.get $at) (i32.const 1))",
            ]
