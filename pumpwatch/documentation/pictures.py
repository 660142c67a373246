"""Pictures of faults, drawn from the simulator: `python -m pumpwatch.documentation.pictures`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import polars as pl

from simulator.faults import FAULTS, Fault
from simulator.fleet.therapy import Fill
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "faults"
START_MS: Final = 1_767_571_200_000
PUMP: Final = 3
WIDTH, LEFT, TOP, PANEL, GAP = 720, 64, 66, 58, 22

F64 = npt.NDArray[np.float64]


HOURS: Final = {"physics": (6.0, 12.0, 6.0), "sensors": (6.0, 12.0, 6.0), "link": (1.0, 3.0, 1.0)}
"""Hours before, with and after a fault, by its stage; a fault may have its own (`PICTURE_HOURS`)."""
REFILL_AFTER_H: Final = 3.0
"""If a fault waits for a refill, it comes this long after the injection."""

PANELS: Final = (
    ("flow_ul_h", "measured flow, µL/h"),
    ("motor_ul_h", "motor flow, µL/h"),
    ("reservoir_ml", "reservoir, mL"),
    ("pressure_mmhg", "pressure, mmHg"),
    ("pulse_mmhg", "pulsatility, mmHg"),
    ("motor_ma", "motor current, mA"),
    ("battery_v", "battery, V"),
    ("drug_ug", "on board (truth), µg"),
)
LINK_PANELS: Final = (
    ("age_min", "age on arrival, min"),
    ("came", "samples a step"),
    ("flow_ul_h", "measured flow, µL/h"),
    ("pressure_mmhg", "pressure, mmHg"),
)


def main(names: Sequence[str]) -> int:
    """Draw the named faults, or all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or FAULTS:
        (FOLDER / f"{name}.svg").write_text(picture(FAULTS[name]), encoding="utf-8")
        sys.stderr.write(f"drew {name}\n")
    return 0


def picture(fault: Fault) -> str:
    """Return an SVG of one pump before, with and after a fault, over the same pump without the fault."""
    linked = fault.stage == "link"
    before_h, with_h, after_h = hours_of(fault)
    step_s = 120.0 if linked else 600.0 if with_h < 48 else 3600.0
    faulty, healthy = play(fault, step_s, faulty=True), play(fault, step_s, faulty=False)
    panels = LINK_PANELS if linked else PANELS
    hours = before_h + with_h + after_h
    height = TOP + len(panels) * (PANEL + GAP) + 24
    begin, end = (_x(at, hours) for at in (before_h, before_h + with_h))
    title = f"{fault.title}, severity {fault.picture_severity:g}"
    note = "One simulated pump, no medical device. Shaded: the fault. Grey: the same pump without it."
    font = 'font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {font}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<rect x="{begin}" y="{TOP - 18}" width="{end - begin:.1f}" height="{height - TOP - 4}" fill="#f3e3dd"/>',
        f'<text x="{LEFT}" y="20" font-size="14" fill="#1a1a1a">{escape(title)}</text>',
        f'<text x="{LEFT}" y="38" fill="#555555">{note}</text>',
    ]
    for place, (column, label) in enumerate(panels):
        parts += _panel(
            TOP + place * (PANEL + GAP),
            label,
            (healthy[column], faulty[column]),
            (healthy["hour"], faulty["hour"]),
            hours,
        )
    for at in np.linspace(0, hours, 7 if hours % 6 == 0 else 6):
        parts.append(
            f'<text x="{_x(at, hours)}" y="{height - 8}" text-anchor="middle" fill="#555555">{at:.3g} h</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def hours_of(fault: Fault) -> tuple[float, float, float]:
    """Return the hours before, with and after the fault in its picture."""
    return fault.picture_hours or HOURS[fault.stage]


def play(fault: Fault, step_s: float, *, faulty: bool) -> dict[str, F64]:
    """Return the signals of the pump as they arrive, by hour, with the drug on board and the age of each sample."""
    before_h, with_h, after_h = hours_of(fault)
    simulation = Simulation(default(pumps=PUMP + 1, interval_s=step_s), start_ms=START_MS)
    pump, strength = np.array([PUMP]), float(simulation.fleet.concentration_ug_ml[PUMP])
    frames = []
    for tick in range(round((before_h + with_h + after_h) * 3600 / step_s)):
        hour = tick * step_s / 3600
        if faulty and hour == before_h:
            simulation.inject(fault.name, pump, severity=fault.picture_severity, hold_s=with_h * 3600)
        if fault.waits_for == "refill" and hour == before_h + REFILL_AFTER_H:
            simulation.refill([(pump, Fill(18.0, strength, 18.0, strength))])
        arrived = simulation.tick().filter(pl.col("index") == PUMP)
        frames.append(
            arrived.with_columns(
                pl.lit(hour + step_s / 3600).alias("hour"),
                pl.lit(float(simulation.fleet.drug_ug[PUMP])).alias("drug_ug"),
                pl.lit(arrived.height).alias("came"),
                ((simulation.time_ms - pl.col("time")) / 60_000).alias("age_min"),
            )
        )
    samples = pl.concat(frames)
    columns = {"hour", *(column for column, _ in (*PANELS, *LINK_PANELS))}
    return {name: samples[name].cast(pl.Float64).to_numpy() for name in columns}


def _panel(top: float, label: str, values: tuple[F64, F64], hour: tuple[F64, F64], hours: float) -> list[str]:
    both = np.concatenate(values)
    low, high = float(both.min()), float(both.max())
    room = max(high - low, 0.05 * abs(high), 0.1)
    low, high = low - 0.08 * room, low + 1.08 * room
    parts = [
        f'<line x1="{LEFT}" y1="{top + PANEL}" x2="{WIDTH - 12}" y2="{top + PANEL}" stroke="#bbbbbb"/>',
        f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end" fill="#555555">{high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{top + PANEL}" text-anchor="end" fill="#555555">{low:.3g}</text>',
        f'<text x="{LEFT + 4}" y="{top - 5}" fill="#1a1a1a">{escape(label)}</text>',
    ]
    for series, at, colour, width in zip(values, hour, ("#a8a8a8", "#b3411e"), (1, 1.4), strict=True):
        points = " ".join(
            f"{_x(x, hours)},{top + PANEL * (1 - (y - low) / (high - low)):.1f}"
            for x, y in zip(at, series, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
    return parts


def _x(hour: float, hours: float) -> float:
    return round(LEFT + (WIDTH - 12 - LEFT) * float(hour) / hours, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
