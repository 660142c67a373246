"""Options of `run` and `dashboard` about people: how long sessions last."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from pumpwatch import settings
from pumpwatch.settings import PREFIX

IDLE_H: Final = 12.0
DAYS: Final = 7.0

SessionIdle = Annotated[
    float,
    typer.Option(
        "--session-idle",
        envvar=f"{PREFIX}SESSION_IDLE",
        min=settings.SESSION_IDLE_H.ge,
        max=settings.SESSION_IDLE_H.le,
        metavar="HOURS",
        help="Hours after which a session ends if no page of it is open.",
    ),
]
SessionDays = Annotated[
    float,
    typer.Option(
        "--session-days",
        envvar=f"{PREFIX}SESSION_DAYS",
        min=settings.SESSION_DAYS.ge,
        max=settings.SESSION_DAYS.le,
        metavar="DAYS",
        help="Days after which every session ends, in use or not.",
    ),
]


def session_flags(idle_h: float, days: float) -> tuple[str, ...]:
    """Return the flags that hand the options to the dashboard that `run` starts."""
    return ("--session-idle", f"{idle_h:g}", "--session-days", f"{days:g}")
