"""Peer in Pathway: its MQTT connector and a reducer that keeps the six rules' state of each pump.

Run with a Python that has pathway: `python -m tests.bench.peer_pathway PORT MESSAGES`. It says FIRST when the first
sample is judged, and LAST. Samples that arrive together have no order there: each group is sorted by time.
"""

from __future__ import annotations

import sys
from typing import Any

import pathway as pw  # type: ignore[import-not-found]

from tests.bench import six_rules

BEGUN: list[bool] = []


class Sample(pw.Schema):  # type: ignore[misc]
    """What the rules need of a sample."""

    pump: str
    time: int
    flags: int
    commanded_ul_h: float
    flow_ul_h: float
    reservoir_ml: float
    battery_v: float
    motor_ma: float


@pw.reducers.stateful_many  # type: ignore[untyped-decorator]
def judged(state: Any, rows: list[tuple[list[Any], int]]) -> Any:
    """Judge a pump's samples; the state is the pump and how many it had."""
    if not BEGUN:
        BEGUN.append(True)
        print("FIRST", flush=True)
    pump, count = (six_rules.Pump(), 0) if state is None else state.value
    for values, _ in sorted(rows):
        time, flags, commanded, flow, reservoir, volts, motor = values
        row = {
            "time": time, "flags": flags, "commanded_ul_h": commanded, "flow_ul_h": flow, "reservoir_ml": reservoir,
            "battery_v": volts, "motor_ma": motor,
        }  # fmt: skip
        six_rules.judge(pump, row)
    return pw.wrap_py_object((pump, count + len(rows)))


def run(port: int, messages: int) -> None:
    """Take in so many messages."""
    uri = f"mqtt://127.0.0.1:{port}/?client_id=peer-pathway&clean_session=false"
    samples = pw.io.mqtt.read(uri, "itb/+/+/telemetry", qos=1, schema=Sample, format="json", autocommit_duration_ms=100)
    this = pw.this
    of_pumps = samples.groupby(this.pump).reduce(
        this.pump,
        state=judged(
            this.time, this.flags, this.commanded_ul_h, this.flow_ul_h, this.reservoir_ml, this.battery_v, this.motor_ma
        ),
    )
    counts: dict[str, int] = {}

    def changed(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if not is_addition:
            return
        counts[row["pump"]] = row["state"].value[1]
        if sum(counts.values()) >= messages:
            print("LAST", flush=True)

    pw.io.subscribe(of_pumps, on_change=changed)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
