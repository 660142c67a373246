"""What a former session left unacknowledged: the broker delivers it late, or has lost it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger("processor")


@dataclass
class Redelivery:
    """For how long messages may come after newer ones, and when gateways are asked for those that do not come.

    `began` returns when the session began (monotonic, s). Within `wait_s` of it the broker delivers what it still has.
    What is missing then it has lost: gateways still hold it, and `ask` tells them to send it again, for which there is
    the same time once more. Judged before, it would be in the history, but in no window.
    """

    began: Callable[[], float]
    wait_s: float
    ask: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    _asked: float = field(default=-math.inf, init=False)

    def unordered(self) -> bool:
        """Return whether messages may still come after newer ones."""
        return self.clock() - self.began() < 2 * self.wait_s

    def missed(self) -> None:
        """Take note that messages wait for earlier ones of their gateway; once a session, ask for these."""
        began = self.began()
        if self._asked == began or self.clock() - began < self.wait_s:
            return
        self._asked = began
        log.warning("the broker has not delivered all earlier messages; gateways are asked to send again")
        self.ask()
