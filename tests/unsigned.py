"""Commands and actions in tests that are about something else than who sent them: taken as they are, without signature.

Nothing of this is in the product, where what no verifier opens is refused.
"""

from __future__ import annotations

from broker.contract.signed import Opened


class Unsigned:
    """Opens every message as its own payload."""

    def open(self, topic: str, message: bytes, now: int) -> Opened:
        return Opened(message)
