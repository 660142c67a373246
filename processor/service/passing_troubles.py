"""Passing troubles: what happened once, shown as a trouble for a while because nothing says when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from processor.service.metering import Meter

NOTICE_S: Final = 300.0
"""How long such a trouble is shown."""


@dataclass
class PassingTroubles:
    """Shows troubles of the meter for `NOTICE_S`; times are of a monotonic clock, in s."""

    meter: Meter
    _since: dict[str, float] = field(default_factory=dict)

    def show(self, part: str, text: str, clock: float) -> None:
        """Show a trouble from `clock` on."""
        self.meter.trouble(part, text)
        self._since[part] = clock

    def advance(self, clock: float) -> None:
        """End those that were shown for long enough at `clock`."""
        for part in [part for part, since in self._since.items() if clock - since >= NOTICE_S]:
            del self._since[part]
            self.meter.recovered(part)
