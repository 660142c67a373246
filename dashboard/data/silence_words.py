"""What a silence covers and when it is active, in the viewer's language; the journal has it in English."""

from __future__ import annotations

from datetime import date
from typing import Final

from broker.contract.alarm_matchers import AlarmMatcher
from broker.contract.silences import WEEKDAYS, Silence
from dashboard import formatting
from dashboard.languages import shown_date, tr, tr_later

LABELS: Final = {
    "priority": tr_later("Priority"),
    "rule": tr_later("Alarm"),
    "site": tr_later("Site"),
    "gateway": tr_later("Gateway"),
    "model": tr_later("Model"),
    "lot": tr_later("Lot"),
    "pump": tr_later("Pump"),
}
"""Fields of a matcher as the page Silences calls them."""
MONDAY: Final = date(2024, 1, 1)


def weekday(name: str) -> str:
    """Return a weekday of `WEEKDAYS` as the viewer's language shortens it."""
    return shown_date(MONDAY.replace(day=1 + WEEKDAYS.index(name)), "E")


def matched(matcher: AlarmMatcher) -> str:
    """Return which alarms match: "Site Bern, Thun*; Priority high"."""
    parts = [
        f"{tr(LABELS[name]) if name in LABELS else formatting.title(name)} {', '.join(map(tr, patterns))}"
        for name, patterns in matcher.named.items()
    ]
    if matcher.min_age_s > 0:
        parts.append(tr("open for at least {duration}", duration=formatting.span(matcher.min_age_s)))
    return "; ".join(parts) or tr("every alarm")


def when(silence: Silence) -> str:
    """Return when a silence is active: "Sat, Sun 22:00-06:00 (Europe/Zurich)", "for 1 h"."""
    if silence.kind == "windows":
        windows = [f"{', '.join(map(weekday, one.days))} {one.begin}-{one.end}" for one in silence.windows]
        return f"{'; '.join(windows)} ({silence.zone})"
    if silence.kind == "until_clear":
        return tr("until the alarms clear")
    length = formatting.span((silence.ends - silence.starts) / 1000)
    return tr("for {duration}", context="length", duration=length)
