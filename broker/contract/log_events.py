"""Log events: a name and ids for programs, beside the sentence for people."""

from __future__ import annotations

from typing import Final

EVENT: Final = "event"
IDS: Final = "ids"


def event(name: str, **ids: str) -> dict[str, object]:
    """Return the `extra` of a log call: name of the event, such as `trouble_began`, and ids such as `gateway`.

    A log call without it is named by its module and function.
    """
    return {EVENT: name, IDS: ids}
