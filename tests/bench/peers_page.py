"""Page docs/benchmarks.md: peers on the same samples, with versions, how each was set up, and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

BAR, HEIGHT, LEFT, WIDTH = 18, 34, 190, 720
NOT_MEASURED: Final = "not measured"
PUBLISHING: Final = """## Not in the table

- **Telegraf** is in no package index that was at hand where this was measured, and is not compared.
- **Publishing**: `make bench ARGS="-k session_speed"` compares our session simulator with one aiomqtt client for each
  pump and with threads of paho-mqtt.
"""


@dataclass(frozen=True)
class Peer:
    """A peer: samples a second at the knee, and seconds of processor time for a million samples; None if unknown."""

    name: str
    versions: str
    setup: str
    rate: float | None
    cpu_s: float | None


def page(peers: Sequence[Peer], pumps: int, messages: int, runs: int, cores: int) -> str:
    """Return the page."""
    rows = "\n".join(
        f"| {peer.name} | {peer.versions} | {_number(peer.rate)} | {_number(peer.cpu_s)} |" for peer in peers
    )
    setups = "\n".join(f"- **{peer.name}**: {peer.setup}." for peer in peers)
    return f"""# Benchmarks

<!-- Written by `make bench ARGS="-k peers"`; do not edit. -->

The same {messages:,} JSON samples of {pumps:,} pumps, one in a message, wait in Mosquitto; each peer takes them in
alone, on {cores} shared cores. The rate at which a backlog is taken in is the rate at the knee: offered more, the peer
falls behind. Medians of {runs} runs.

| | version | samples/s at the knee | processor time per million samples, s |
| --- | --- | ---: | ---: |
{rows}

![Samples a second at the knee](images/benchmarks.svg)

{setups}

Pumpwatch runs all its rules, the peers six of them. Only Pumpwatch stores every sample, and acknowledges it after
that. With fewer than some hundred pumps in a batch plain Python is faster
([why](adr/0012-scoring-outside-the-query-plan.md)).

{PUBLISHING}"""


def _number(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def plot(peers: Sequence[Peer]) -> str:
    """Return bars of samples a second, as SVG."""
    most = max((peer.rate or 0.0 for peer in peers), default=0.0) or 1.0
    bars = []
    for place, peer in enumerate(peers):
        top, wide = 10 + place * HEIGHT, (WIDTH - LEFT - 120) * (peer.rate or 0.0) / most
        bars += [
            f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(peer.name)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{wide:.1f}" height="{BAR}" fill="#4c6a92"/>',
            f'<text x="{LEFT + wide + 8:.1f}" y="{top + 14}">{_number(peer.rate)}</text>',
        ]
    size = f'width="{WIDTH}" height="{20 + HEIGHT * len(peers)}"'
    style = 'font-family="sans-serif" font-size="14" fill="#777"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(bars)}</svg>\n'
