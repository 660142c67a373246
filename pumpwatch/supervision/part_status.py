"""Writes which parts are in trouble to the data directory, so that the dashboard can say it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.store import part_troubles
from broker.store.part_troubles import PartTrouble
from pumpwatch.supervision.supervisor import Trouble

LOG: Final = logging.getLogger("pumpwatch")


@dataclass
class PartStatus:
    """The file of troubles in the directory `data`."""

    data: Path

    def write(self, troubles: Mapping[str, Trouble]) -> None:
        """Replace the file; a disk that refuses it is a line in the log, for the parts matter more."""
        now = time.time_ns() // 1_000_000
        rows = [
            PartTrouble(part, trouble.text, 0 if trouble.wait_s is None else now + round(1000 * trouble.wait_s))
            for part, trouble in troubles.items()
        ]
        try:
            part_troubles.write(self.data, rows)
        except OSError as error:
            LOG.warning("cannot write %s to %s: %s", part_troubles.FILE, self.data, error.strerror or error)
