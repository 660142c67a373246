"""The address of a view: which controls of a page live in the URL's query, and how they are restored from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, set_props

from dashboard import formatting
from dashboard.access.proxies import path_of
from dashboard.components.elements import Component

MAX_QUERY: Final = 8_000
"""Characters of a query that are read."""
MAX_TEXT: Final = 100
MAX_VALUES: Final = 50
"""Values of one control, such as chosen rules."""
BOUND: Final = "address-bound"
MOVED: Final = "address-moved"
NOTE: Final = "address-note"


@dataclass(frozen=True)
class Control:
    """A property of a component that lives in the address.

    `read` makes the value of the property from the texts in the query, or raises `ValueError` with what is allowed.
    The `default` is the property's value in the page's layout; it is omitted from the address. Each change of a
    control that is a `step` is a place to which Back returns.
    """

    id: str
    read: Callable[[list[str]], Any]
    prop: str = "value"
    default: Any = ""
    step: bool = False


_PAGES: Final[dict[str, dict[str, Control]]] = {}
"""The bound controls of each page, by the page's path and their name in the query."""


def text(component: str, *, prop: str = "value", default: str = "", step: bool = False) -> Control:
    """Return a control that holds any text, as a search does."""

    def read(values: list[str]) -> str:
        if len(values[0]) > MAX_TEXT:
            raise ValueError(f"at most {MAX_TEXT} characters are allowed")
        return values[0]

    return Control(component, read, prop, default, step)


Allowed = Collection[str] | Callable[[], Collection[str]]
"""The values that a control may have, or what returns them if they change, such as the sites of a fleet."""


def choice(component: str, allowed: Allowed, *, prop: str = "value", default: str = "", step: bool = False) -> Control:
    """Return a control that holds one of the `allowed` values."""

    def read(values: list[str]) -> str:
        return _allowed(values[:1], allowed)[0]

    return Control(component, read, prop, default, step)


def choices(component: str, allowed: Allowed | None = None, *, step: bool = False) -> Control:
    """Return a control that holds a list of values, each one of the `allowed` (None: any); the default is none."""

    def read(values: list[str]) -> list[str]:
        chosen = [value for value in values if value]
        return chosen if allowed is None else _allowed(chosen, allowed)

    return Control(component, read, default=[], step=step)


def whole(component: str, low: int, high: int, *, prop: str = "value", default: int, step: bool = False) -> Control:
    """Return a control that holds a whole number from `low` to `high`."""

    def read(values: list[str]) -> int:
        if not re.fullmatch(r"-?\d{1,12}", values[0], re.ASCII) or not low <= int(values[0]) <= high:
            raise ValueError(f"allowed are whole numbers from {low:,} to {high:,}")
        return int(values[0])

    return Control(component, read, prop, default, step)


def flag(component: str, *, prop: str = "checked", default: bool = False, step: bool = False) -> Control:
    """Return a control that is on or off, "1" or "0" in the address."""

    def read(values: list[str]) -> bool:
        return _allowed(values[:1], ("0", "1"))[0] == "1"

    return Control(component, read, prop, default, step)


def sorting(grid: str, columns: Collection[str]) -> Control:
    """Return the sort order of a grid by some of its `columns`: "sort=battery_v.desc,pump" in the address."""

    def read(values: list[str]) -> list[dict[str, Any]]:
        keys = [key for key in values[0].split(",") if key]
        _allowed([key.removesuffix(".desc") for key in keys], columns)
        directions = {key.removesuffix(".desc"): "desc" if key.endswith(".desc") else "asc" for key in keys}
        places = {name: place for place, name in enumerate(directions)}
        return [
            {"colId": name, "sort": directions.get(name), "sortIndex": places.get(name)} for name in sorted(columns)
        ]

    return Control(grid, read, "columnState", read([""]))


def bind(app: Dash, path: str, controls: Mapping[str, Control | tuple[str, str]]) -> None:
    """Keep controls of a page in its address, by the names that they have in the query.

    `path` is the page's, as given to `shell.add_page`. A tuple is a text control: (id, property). Values are written
    as they change, and restored when the page opens and by Back and Forward; a value that is not allowed becomes the
    default, and a note says so.
    """
    bound = {
        name: text(control[0], prop=control[1]) if isinstance(control, tuple) else control
        for name, control in controls.items()
    }
    _PAGES[path] = _PAGES.get(path, {}) | bound
    for control in bound.values():
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("pumpwatch", "address"), Input(control.id, control.prop), State(BOUND, "data")
        )


def begin(app: Dash, place: Output, *filters: Input) -> None:
    """Let a list begin at its first page when its filters change, unless the address brought filters and page.

    `place` is the bound control of the page, and all `filters` are bound.
    """
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("pumpwatch", "begin"),
        place,
        *filters,
        State(BOUND, "data"),
        State(MOVED, "data"),
        prevent_initial_call=True,
    )


def frame() -> list[Component]:
    """Return what the frame around every page needs: the table of bound controls, and the place of the note."""
    return [
        dcc.Store(id=BOUND, data=_table()),
        dcc.Store(id=MOVED),
        html.Div(id=NOTE, className="address-note", role="status"),
    ]


def register(app: Dash) -> None:
    """Add the callback that restores the controls if the address changes while its page stays open."""

    @app.callback(Input(MOVED, "data"), prevent_initial_call=True)
    async def restore(moved: Any) -> None:
        if not isinstance(moved, dict):
            return
        path = str(moved.get("path") or "").removeprefix(path_of(""))
        values, note = asked(path, str(moved.get("search") or ""))
        for name, control in controls_of(path).items():
            set_props(control.id, {control.prop: values.get(name, control.default)})
        set_props(NOTE, {"children": note})


def opened(layout: Component, path: str, search: str | None) -> Component:
    """Return a page with its controls as its address asks, and a note on values that are not allowed.

    `path` is that of the page, below the root path of the site.
    """
    values, note = asked(path, search or "")
    controls = controls_of(path)
    for name, value in values.items():
        try:
            component = layout[controls[name].id]
        except KeyError:  # The page shows the control only to some people.
            continue
        setattr(component, controls[name].prop, value)
    set_props(NOTE, {"children": note})
    return layout


def controls_of(path: str) -> dict[str, Control]:
    """Return the bound controls of the page at a path, by their name in the query."""
    for template, controls in _PAGES.items():
        if re.fullmatch(_pattern(template), path):
            return controls
    return {}


def asked(path: str, search: str) -> tuple[dict[str, Any], str]:
    """Return the values of a page's controls that an address asks for, by name, and a note on those not allowed."""
    given = parse_qs(search[:MAX_QUERY].removeprefix("?"), keep_blank_values=True, max_num_fields=None)
    values: dict[str, Any] = {}
    problems = []
    for name, control in controls_of(path).items():
        if name not in given:
            continue
        try:
            values[name] = control.read(given[name][:MAX_VALUES])
        except ValueError as problem:
            shown = formatting.listed(f"“{value[:MAX_TEXT]}”" for value in given[name])
            problems.append(f"The address asks for {name} {shown}: {problem}. The default is shown.")
    return values, " ".join(problems)


def _allowed(values: list[str], allowed: Allowed) -> list[str]:
    allowed = allowed() if callable(allowed) else allowed
    if all(value in allowed for value in values):
        return values
    raise ValueError(f"allowed are {formatting.listed([value for value in allowed if value], most=12)}")


def _pattern(template: str) -> str:
    """Return a regular expression, of Python and of JavaScript, for the paths of a page."""
    parts = re.split(r"<\w+>", template)
    return "[^/]+".join(re.sub(r"[.+*?^$()\[\]{}|\\]", r"\\\g<0>", part) for part in parts)


def _table() -> dict[str, Any]:
    """Return the bound controls for the browser: name, path, default as in an address, and whether it is a step."""
    return {
        f"{control.id}.{control.prop}": {
            "name": name,
            "path": f"^{_pattern(path_of('') + template)}$",
            "default": written(control.default),
            "step": control.step,
        }
        for template, controls in _PAGES.items()
        for name, control in controls.items()
    }


def written(value: Any) -> list[str]:
    """Return a control's value as the texts that an address has, like `written` in address.js."""
    if isinstance(value, bool):
        return [str(int(value))]
    if isinstance(value, list) and all(isinstance(one, dict) for one in value) and value:
        keys = sorted((one for one in value if one.get("sort")), key=lambda one: one.get("sortIndex") or 0)
        return [",".join(one["colId"] + (".desc" if one["sort"] == "desc" else "") for one in keys)]
    if isinstance(value, list):
        return [str(one) for one in value] or [""]
    return ["" if value is None else str(value)]
