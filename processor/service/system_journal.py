"""Journal entries about the processor itself: start and stop, connections, moved files, rejected messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from processor.intake.journal_recorder import JournalRecorder
from processor.intake.quarantine import Quarantine
from processor.service.store import Store


@dataclass
class SystemJournal:
    """Records what happens to parts of the processor; `wall_ms` is the wall clock."""

    store: Store
    wall_ms: Callable[[], int]
    _recorder: JournalRecorder = field(default_factory=JournalRecorder)
    _rejections: int = 0

    def record(self, kind: str, part: str, text: str) -> None:
        """Record what happened to a part: started, stopped, connected, disconnected, set, refused."""
        self._recorder.part(kind, part, text, self.wall_ms())
        self.store.add_entries(self._recorder.take())

    def record_start(self) -> None:
        """Record the start, and the stored files that could not be read."""
        self.record("started", "processor", f"on {self.store.data}")
        unreadable = len(self.store.history.unreadable)
        if unreadable:
            aside = self.store.data / "history.unreadable-1"
            self.record("started", "history", f"{unreadable} truncated files of the history were moved to {aside}")
        moved = self.store.journal_moved
        if moved is not None:
            text = f"the journal could not be read; it was moved to {moved}, and a new one was started"
            self.record("started", "journal", text)

    def record_rejections(self, quarantine: Quarantine) -> None:
        """Record how many payloads were rejected since the last call, and why the last one was."""
        if quarantine.count > self._rejections:
            last = quarantine.latest[-1]
            text = f"{quarantine.count - self._rejections:,} messages; the last on {last.topic}: {last.reason}"
            self.record("refused", "messages", text)
            self._rejections = quarantine.count
