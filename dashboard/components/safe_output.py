"""Everything that callbacks send to a browser, with the control characters in it escaped."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, Final

from dash import Dash
from dash.development.base_component import Component

from broker.display.printable import printable
from dashboard.languages import LANGUAGE, script_words

IDENTITIES: Final = frozenset({"alarm"})
"""Keys of data whose values come back from the browser as they were sent, and are not shown."""
LINE_BREAKS: Final = "\n\t"
"""What a page may show as it is: HTML treats both as space."""


class SafeDash(Dash):
    """Dash whose callbacks cannot send control characters, whatever devices or people wrote."""

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]  # Dash names the same parts
        """Return the page around the application in the viewer's language, with the texts that scripts show in it."""
        # Inside a script element, "<" could end it.
        texts = json.dumps(script_words(), ensure_ascii=False).replace("<", "\\u003c")
        words = f"<script type='application/json' id='words'>{texts}</script>"
        page: str = super().interpolate_index(**parts)  # type: ignore[no-untyped-call]
        return page.replace("<html lang='en'>", f"<html lang='{LANGUAGE.get().code}'>", 1).replace(
            "<footer>", f"{words}<footer>", 1
        )

    def callback(self, *wires: Any, **options: Any) -> Callable[..., Any]:
        """Register a callback; what it returns is escaped."""
        register: Callable[..., Any] = super().callback(*wires, **options)
        return lambda function: register(_escaping(function))


def escaped(shown: Any) -> Any:
    """Return components and data with every control character in their texts escaped."""
    if isinstance(shown, str):
        return printable(shown, keep=LINE_BREAKS)
    if isinstance(shown, list | tuple):
        return type(shown)(map(escaped, shown))
    if isinstance(shown, dict):
        return {name: value if name in IDENTITIES else escaped(value) for name, value in shown.items()}
    if isinstance(shown, Component):
        properties: dict[str, Any] = shown.to_plotly_json()["props"]  # type: ignore[no-untyped-call]
        for name, value in properties.items():
            setattr(shown, name, escaped(value))
    return shown


def _escaping(function: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):
        return functools.wraps(function)(lambda *given: escaped(function(*given)))

    @functools.wraps(function)
    async def wrapped(*given: Any) -> Any:
        return escaped(await function(*given))

    return wrapped
