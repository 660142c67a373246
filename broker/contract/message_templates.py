"""Templates of messages for people: text with placeholders in braces, checked when the configuration is read."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Final

PLACEHOLDERS: Final[dict[str, str]] = {
    "headline": "one line, as without a template",
    "text": "the whole message, as without a template",
    "kind": "raised, escalated, returned or repeated",
    "count": "how many alarms the message is about",
    "priority": "of the worst alarm: high, medium or low",
    "alarm": "the worst alarm's title",
    "subject": "what it is about: a pump's serial, the name of a gateway",
    "site": "its site",
    "gateway": "its gateway",
    "state": "its state",
    "raised": "when it was raised, UTC",
    "meaning": "what it means",
    "action": "the recommended action",
    "time_to_respond": "how long there is to respond",
    "link": "its address on the dashboard",
    "route": "the route",
    "step": "the step of escalation, 0 for none",
}
"""What can stand in braces; one that is unknown for an alarm is empty."""
MAX_LENGTH: Final = 2_000


def problem(template: str) -> str | None:
    """Return what is wrong with a template, as the end of a sentence that begins with its field; None if nothing is."""
    if len(template) > MAX_LENGTH:
        return f"has {len(template):,} characters; allowed are up to {MAX_LENGTH:,}"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return f"is no template ({error}); write {{{{ and }}}} for braces that are no placeholder"
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in PLACEHOLDERS:
            return f"has the placeholder {{{name[:40]}}}, which is not known; allowed are {', '.join(PLACEHOLDERS)}"
        if form or conversion:
            given = f"!{conversion}" if conversion else f":{form}"
            return f"formats {{{name}}} by {given[:40]!r}; write {{{name}}} alone"
    return None


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template without problem with its placeholders replaced; a value is never read as a template."""
    parts = Formatter().parse(template)
    return "".join(text + ("" if name is None else values.get(name, "")) for text, name, _, _ in parts)
