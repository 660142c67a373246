"""What the merger of a cluster says about the silence of the fleet, read again whenever it is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from broker.store import fleet_silence
from broker.store.fleet_silence import FleetSilence
from broker.store.range_directories import DIRECTORY


@dataclass
class FleetReading:
    """Reads the file in the directory `shared` of a cluster. Without a merger, what it said last still holds."""

    shared: Path
    _stamp: tuple[int, int] | None = None
    _found: FleetSilence | None = None

    def __call__(self) -> FleetSilence | None:
        """Return what is known of the fleet; None if no merger has said anything yet."""
        try:
            found = (self.shared / DIRECTORY / fleet_silence.FILE).stat()
        except OSError:
            return self._found
        stamp = found.st_ino, found.st_mtime_ns
        if stamp != self._stamp:
            self._stamp, self._found = stamp, fleet_silence.read(self.shared) or self._found
        return self._found
