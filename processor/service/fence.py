"""Fence of one of several processors: it ends as soon as its part of the fleet may belong to another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from processor.service.settings import ProcessorError

LOOK_S: Final = 0.1
"""How often a processor asks whether its part of the fleet is still its own."""


class FencedError(ProcessorError):
    """The lease on this processor's part of the fleet is over: it ends at once, confirms and publishes nothing more."""


@dataclass
class Fence:
    """Takes the place of `presence.Guard` if leases decide which processor runs.

    `run` raises `FencedError` once `still_mine` says no. A process that was stopped and wakes up gets there before it
    is connected again: that takes a round trip at least.
    """

    name: str
    still_mine: Callable[[], bool]
    cleared: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.cleared.set()

    async def run(self) -> None:
        """Watch the lease until cancelled."""
        # A clock tells nobody that the time is over.
        while self.still_mine():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        raise FencedError(
            f"the lease on {self.name} is over: its processor ends and confirms nothing more; gateways send "
            "what is not confirmed to the next owner"
        )

    def is_steady(self) -> bool:
        """Say that another connection stands: a session that is cut off again and again was taken over."""
        return True
