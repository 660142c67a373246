"""Rates of arrival: messages and births of each gateway, and how many gateways and pumps may appear in a minute."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

CATCH_UP_S: Final = 1_000
"""A gateway may deliver at once what it kept for this long at its limit: what waited for a processor is not refused."""
START_MINUTES: Final = 10
"""A processor that starts may meet at once as many gateways and pumps as in this many minutes later on."""
KNOWN_MS: Final = 60_000
"""A gateway that has been known for this long may name `KNOWN_SHARE` times as many new pumps in its births."""
KNOWN_SHARE: Final = 10
MAX_TOPICS: Final = 1_000_000
"""Topics whose gateway is remembered; beyond it all are looked up again."""
MINUTE_MS: Final = 60_000
MAX_REFUSED_BIRTHS: Final = 100_000
"""Births that are asked for again; as many as gateways may be known."""
MAX_ASKED: Final = 50
"""Births that are asked for at a time."""

Floats = npt.NDArray[np.float64]


class OverRateError(Exception):
    """Too many new pumps or gateways, or births of one gateway, within a minute; the text says which."""


@dataclass(frozen=True)
class RateLimits:
    """Messages a second and births a minute of each gateway; new gateways and new pumps a minute of all together."""

    gateway_messages: int = 5_000
    gateway_births: int = 240
    new_gateways: int = 1_000
    new_pumps: int = 100_000


@dataclass
class Budget:
    """What may still happen: `a_minute` is added evenly, up to that; at the start it is `start_minutes` as much.

    `exceeded` counts what found no budget.
    """

    a_minute: float
    start_minutes: float = 1.0
    exceeded: int = 0
    left: float = field(init=False)
    _began: int | None = None
    _at: int = 0

    def __post_init__(self) -> None:
        self.left = self.a_minute * self.start_minutes

    @property
    def used(self) -> float:
        """How much of a minute's worth is used up."""
        return max(0.0, self.a_minute - self.left)

    def refill(self, now: int) -> None:
        """Let time pass until `now` (wall ms); a clock that was set back adds nothing."""
        if self._began is None:
            self._began = self._at = now
        passed_ms, self._at = max(0, now - self._at), now
        if self.left < self.a_minute:
            self.left = min(self.a_minute, self.left + self.a_minute * passed_ms / MINUTE_MS)
        elif now - self._began >= self.start_minutes * MINUTE_MS:
            self.left = self.a_minute

    def take(self, count: float = 1.0) -> bool:
        """Use the budget for `count`, and return whether there was enough; if not, nothing is used."""
        if count > self.left:
            self.exceeded += 1
            return False
        self.left -= count
        return True


@dataclass
class RefusedBirths:
    """Topics of births that were refused for a rate: their gateways are asked for them again, as they are retained."""

    _since: dict[str, int] = field(default_factory=dict)

    def note(self, topic: str, error: Exception, now: int) -> None:
        """Remember a birth that was refused at `now` (wall ms), if a rate was the reason; of too many, the first."""
        if isinstance(error, OverRateError) and topic.endswith("/birth") and len(self._since) < MAX_REFUSED_BIRTHS:
            self._since.setdefault(topic, now)

    def due(self, now: int) -> list[str]:
        """Return the topics to ask for now, each once: a minute after its refusal, some at a time."""
        waited = (topic for topic, since in self._since.items() if abs(now - since) >= MINUTE_MS)
        topics = list(itertools.islice(waited, MAX_ASKED))
        for topic in topics:
            del self._since[topic]
        return topics


@dataclass
class Admission:
    """Budgets for gateways and pumps that were never heard of, of the whole system."""

    gateways: Budget
    pumps: Budget
    _known_since: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, limits: RateLimits) -> Admission:
        """Return the budgets at the start of a processor."""
        return cls(Budget(limits.new_gateways, START_MINUTES), Budget(limits.new_pumps, START_MINUTES))

    def admit_birth(self, name: str, number: int, new: int, now: int) -> None:
        """Raise `OverRateError` if a birth of the gateway `name` brings more `new` pumps than may appear now."""
        since = self._known_since.setdefault(number, now)
        if new and not self.pumps.take(new / (KNOWN_SHARE if now - since >= KNOWN_MS else 1)):
            raise OverRateError(
                f"the birth of {name} names {new:,} new pumps, more than may appear now "
                f"({self.pumps.a_minute:,.0f} a minute); if they are yours, raise --new-pumps"
            )

    def refill(self, now: int) -> None:
        """Let time pass until `now` (wall ms)."""
        self.gateways.refill(now)
        self.pumps.refill(now)


@dataclass
class GatewayRates:
    """Messages and births of each gateway, by its number; `messages_refused` and `births_refused` count."""

    limits: RateLimits
    messages_refused: int = 0
    births_refused: int = 0
    _slots: dict[str, int] = field(default_factory=dict)
    _left: Floats = field(default_factory=lambda: np.zeros(0))
    _births: dict[int, Budget] = field(default_factory=dict)
    _most_births: tuple[float, int] = (0.0, 0)
    _at: int | None = None

    @property
    def burst(self) -> float:
        """Messages that a gateway may deliver at once."""
        return float(self.limits.gateway_messages * CATCH_UP_S)

    @property
    def busiest(self) -> float:
        """How much of its burst the busiest gateway has used up."""
        return float(self.burst - self._left.min()) if len(self._left) else 0.0

    @property
    def most_births(self) -> float:
        """How much of its births of a minute the gateway with most of them has used up lately."""
        most, at = self._most_births
        return most if self._at is not None and self._at - at < MINUTE_MS else 0.0

    def excess(
        self, topics: Sequence[str], now: int, *, number_of: Callable[[str], int | None], gateways: int
    ) -> npt.NDArray[np.int64]:
        """Return the places of the messages beyond the limit of their gateway, in order; normally none.

        `number_of` returns the number of the known gateway that alone writes to a topic, None if there is none.
        """
        slots = np.fromiter(map(self._slots.get, topics, itertools.repeat(-1)), np.int64, len(topics))
        if (slots < 0).any():
            unknown = np.flatnonzero(slots < 0)
            names = [topics[place] for place in unknown.tolist()]
            slot_of = {name: self._slot(name, number_of) for name in dict.fromkeys(names)}
            slots[unknown] = [slot_of[name] for name in names]
        self._refill(now, gateways)
        counts = np.bincount(slots, minlength=gateways + 1)[1:]
        left = self._left[: len(counts)]
        over = np.flatnonzero(counts > left)
        # Most often none is over, and that is all.
        refused = [np.flatnonzero(slots == slot + 1)[int(left[slot]) :] for slot in over]
        np.maximum(left - counts, 0.0, out=left)
        if not refused:
            return np.zeros(0, np.int64)
        found = np.sort(np.concatenate(refused))
        self.messages_refused += len(found)
        return found

    def take_birth(self, gateway: int, now: int) -> bool:
        """Return whether a gateway may introduce itself once more at `now` (wall ms)."""
        budget = self._births.setdefault(gateway, Budget(self.limits.gateway_births))
        budget.refill(now)
        taken = budget.take()
        if budget.used >= self.most_births:
            self._most_births = budget.used, now
        self.births_refused += not taken
        return taken

    def _slot(self, topic: str, number_of: Callable[[str], int | None]) -> int:
        """Return the number of the gateway of a topic plus 1, 0 if there is none; only the former is remembered."""
        number = number_of(topic)
        if number is None:
            return 0
        if len(self._slots) >= MAX_TOPICS:
            self._slots.clear()
        self._slots[topic] = number + 1
        return number + 1

    def _refill(self, now: int, gateways: int) -> None:
        passed_ms = 0 if self._at is None else max(0, now - self._at)
        self._at = now
        np.minimum(self._left + self.limits.gateway_messages * passed_ms / 1000, self.burst, out=self._left)
        if gateways > len(self._left):
            self._left = np.append(self._left, np.full(gateways - len(self._left), self.burst))
