"""Vitals of the simulator: metrics of its gateways together, and its readiness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broker.metrics.readings import Reading
from simulator.gateway.session import Session


def problems(sessions: Sequence[Session]) -> list[str]:
    """Return `broker_away` if no gateway is connected."""
    return [] if any(session.alive for session in sessions) else ["broker_away"]


def read(sessions: Sequence[Session], *, pumps: int, sent: int, behind_s: float) -> Iterator[Reading]:
    """Yield the readings of these gateways, which were given `sent` samples; the latest tick was `behind_s` late."""
    alive, boxes = sum(session.alive for session in sessions), [session.outbox for session in sessions]
    yield Reading("pumpwatch_simulator_samples_sent_total", sent)
    yield Reading("pumpwatch_simulator_samples_waiting", sum(box.samples for box in boxes))
    yield Reading("pumpwatch_simulator_outbox_size_bytes", sum(box.bytes for box in boxes))
    yield Reading("pumpwatch_simulator_samples_dropped_total", sum(box.dropped for box in boxes))
    yield Reading("pumpwatch_simulator_broker_losses_total", sum(box.broker_losses for box in boxes))
    yield Reading("pumpwatch_simulator_gateways", alive, ("connected",))
    yield Reading("pumpwatch_simulator_gateways", len(sessions) - alive, ("disconnected",))
    yield Reading("pumpwatch_simulator_pumps", pumps)
    yield Reading("pumpwatch_simulator_behind_seconds", behind_s)
