"""Expiry of silences: each that is over is announced once, by an entry of the journal, and then noted as ended."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from broker.contract.silences import Silence
from broker.store import audit
from broker.store.silences import SilenceStore

KIND = "silence_expired"


def settle(store: SilenceStore, now: int, open_alarms: Collection[str] | None) -> list[Silence]:
    """Announce and end what is over at `now` (wall ms), and return it as it was.

    `open_alarms` are the ids of all open alarms, None if they are not known: then nothing has cleared. Several
    processes may call this; the journal keeps one entry of each silence. Raises `SilenceFileError`, `JournalError`,
    `sqlite3.Error` or `OSError`; what was not announced is announced next time.
    """
    found = [(silence, why) for silence in store.silences() if (why := over(silence, now, open_alarms))]
    for silence, why in found:
        _announce(store.data, silence, why, now)
    if found:
        store.settle({silence.id for silence, _ in found}, now)
    return [silence for silence, _ in found]


def over(silence: Silence, now: int, open_alarms: Collection[str] | None) -> str:
    """Return why a silence that nobody ended is over, empty if it is not."""
    if silence.ended is not None:
        return ""
    if silence.status(now) == "expired":
        return "its time is over"
    return "its alarms have cleared" if open_alarms is not None and silence.cleared(open_alarms) else ""


def _announce(data: Path, silence: Silence, why: str, now: int) -> None:
    text = f"{silence.text()}, by {silence.who}: {why}; people are notified again"
    once = f"silence/{silence.id}/expired"
    audit.record(data, KIND, who=None, origin="silences", text=text, at=now, once=once)
