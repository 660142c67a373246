"""Descriptions of pumps for births: neighbors are described together, since many cost little more than one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from broker.contract.gateway_messages import Pumps
from simulator.playback.simulation import Simulation

BLOCK: Final = 1024
"""Pumps that are described together."""


@dataclass
class Descriptions:
    """Keeps the descriptions of the latest tick, because gateways reconnect by the thousand."""

    simulation: Simulation
    _time_ms: int = -1
    _blocks: dict[int, Pumps] = field(default_factory=dict)

    def of(self, own: range) -> Pumps:
        """Return what the birth of a gateway says about its pumps."""
        block, first = own.start // BLOCK, own.start % BLOCK
        if first + len(own) > BLOCK:
            return self.simulation.describe(own)
        if self._time_ms != self.simulation.time_ms:
            self.forget()
            self._time_ms = self.simulation.time_ms
        if block not in self._blocks:
            end = min((block + 1) * BLOCK, self.simulation.scenario.pumps)
            self._blocks[block] = self.simulation.describe(range(block * BLOCK, end))
        columns, end = self._blocks[block], first + len(own)
        return Pumps(**{name: getattr(columns, name)[first:end] for name in Pumps.__struct_fields__})

    def forget(self) -> None:
        """Describe anew: a program or a refill has changed pumps since the tick."""
        self._blocks.clear()
