"""Plot of the capacity curve for docs/load.md: `python -m tests.bench.capacity_plot RESULT.json`.

RESULT.json is what `pumpwatch load capacity --json` wrote. Prints the table of the page, and writes the picture.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trials.load.capacity import system_use
from trials.load.result import Result, StageResult

PICTURE: Final = Path("docs/images/capacity.svg")
WIDTH, HEIGHT, LEFT, TOP, GAP = 240, 200, 60, 40, 90
COLOUR: Final = "#4c6a92"

Figure = Callable[[StageResult], float | None]
FIGURES: Final[dict[str, Figure]] = {
    "cores": lambda stage: system_use(stage, "cores"),
    "memory, MB": lambda stage: system_use(stage, "memory_mb"),
    "p99 until shown, s": lambda stage: stage.value("latency.shown.p99") if carried(stage) else None,
}
FITTED: Final = {"cores": "cores", "memory, MB": "memory_mb"}


def carried(stage: StageResult) -> bool:
    """Whether the samples of a stage reached snapshots."""
    return not stage.failures and stage.shown > 0


def table(stages: Sequence[StageResult]) -> str:
    """Return the figures as rows of Markdown."""
    lines = [f"| pumps | {' | '.join(FIGURES)} |", f"| ---: |{' ---: |' * len(FIGURES)}"]
    for stage in stages:
        values = [figure(stage) for figure in FIGURES.values()]
        cells = ["not carried" if value is None else f"{value:,.{0 if value >= 100 else 2}f}" for value in values]
        lines.append(f"| {stage.pumps:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(stages: Sequence[StageResult], exponents: dict[str, float]) -> str:
    """Return one plot for each figure over the pumps, both axes logarithmic, as SVG."""
    plots = []
    for place, (name, figure) in enumerate(FIGURES.items()):
        points = [(float(stage.pumps), value) for stage in stages if (value := figure(stage))]
        fitted = exponents.get(FITTED.get(name, ""))
        title = name if fitted is None else f"{name}: pumps to the {fitted:.2f}"
        plots.append(_plot(title, points, LEFT + place * (WIDTH + GAP)))
    size = f'width="{LEFT + len(FIGURES) * (WIDTH + GAP)}" height="{TOP + HEIGHT + 50}"'
    style = 'font-family="sans-serif" font-size="12" fill="#777"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(plots)}</svg>\n'


def _plot(title: str, points: Sequence[tuple[float, float]], left: float) -> str:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    first, last = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high = max(high, low + 1)

    def at_x(x: float) -> float:
        return left + WIDTH * (math.log10(x) - first) / (last - first)

    def at_y(y: float) -> float:
        return TOP + HEIGHT * (1 - (math.log10(y) - low) / (high - low))

    parts = [f'<text x="{left}" y="{TOP - 16}" font-size="13">{title}</text>']
    for power in range(first, last + 1):
        x = at_x(10**power)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" stroke="#7773"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(low, high + 1):
        y = at_y(10.0**power)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDTH}" y2="{y:.1f}" stroke="#7773"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    way = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
    parts.append(f'<polyline points="{way}" fill="none" stroke="{COLOUR}" stroke-width="2"/>')
    parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.5" fill="{COLOUR}"/>' for x, y in points]
    return "".join(parts)


def main() -> None:
    """Read a result, print the table and write the picture."""
    result = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Result)
    print(table(result.stages))
    PICTURE.write_text(picture(result.stages, result.capacity))


if __name__ == "__main__":
    main()
