"""Node-RED as a peer: MQTT in, JSON, and a function node with six rules for each pump."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from broker.mqtt.endpoint import free_port

INSTALL_TIMEOUT_S: Final = 300.0
_PLACE: Final = {"z": "tab", "x": 100, "y": 100}
"""Place of a node; one without is taken for settings."""

SIX_RULES: Final = """
const row = msg.payload, pumps = context.pumps || (context.pumps = new Map());
let pump = pumps.get(row.pump);
if (!pump) {
    pump = {time: null, flow: NaN, expected: null, difference: 0, shifted: 0, fast: null, slow: null, seen: 0,
            last: null, fall: 0, repeats: 0, scores: null};
    pumps.set(row.pump, pump);
}
const dt = pump.time === null ? 0 : (row.time - pump.time) / 1000, hour = 3600;
const flow = row.flow_ul_h, commanded = row.commanded_ul_h, volts = row.battery_v + 0.03 * row.motor_ma;
pump.scores = [
    pump.expected === null ? 0 : Math.max(0, -pump.difference) / Math.max(0.5, 0.25 * pump.expected),
    pump.shifted / (0.08 * 5),
    pump.fast !== null && pump.seen >= 120 ? Math.max(0, pump.slow - pump.fast) / 0.06 : 0,
    Math.max(0, pump.fall) / 0.0075,
    Math.max(0, 1 + (2 - row.reservoir_ml) / 0.6),
    pump.repeats / 0.15,
];
const weight = 1 - Math.exp(-dt / 1200);
if (!(row.flags & 128)) {
    pump.difference += weight * (flow - commanded - pump.difference);
    const short = (commanded - flow) / Math.max(commanded, 1);
    pump.shifted = Math.min(Math.max(pump.shifted + (short - 0.08) * Math.min(dt, hour) / hour, 0), 1.05 * 0.08 * 5);
}
pump.expected = pump.expected === null ? commanded : pump.expected + weight * (commanded - pump.expected);
pump.fast = pump.fast === null ? volts : pump.fast + (1 - Math.exp(-dt / 600)) * (volts - pump.fast);
pump.slow = pump.slow === null ? volts : pump.slow + (1 - Math.exp(-dt / 86400)) * (volts - pump.slow);
pump.seen += dt;
const fell = pump.last === null ? 0
    : Math.min(Math.max(pump.last - volts, -0.012), 0.012) / Math.max(dt / hour, 1 / hour);
pump.fall += (1 - Math.exp(-dt / 7200)) * (fell - pump.fall);
pump.last = volts;
pump.repeats += (1 - Math.exp(-dt / 5400)) * (Number(flow === pump.flow) - pump.repeats);
pump.flow = flow;
pump.time = row.time;
const count = (context.count || 0) + 1;
context.count = count;
if (count === 1) node.warn("FIRST");
if (count === MESSAGES) node.warn("LAST " + pumps.size);
return pump.scores.some(score => score >= 1) ? msg : null;
"""
"""The rules of `test_engine_compared.judge`."""


def installed(directory: Path) -> str:
    """Install Node-RED from npm into a directory; return its version, or why it is not measured in parentheses."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "(not measured: npm is not installed)"
    (directory / "package.json").write_text("{}")
    command = [npm, "install", "--no-audit", "--no-fund", "--silent", "node-red"]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    found = directory / "node_modules" / "node-red" / "package.json"
    if done.returncode or not found.exists():
        return f"(not measured: npm could not install it: {done.stderr.strip()[:200]})"
    return str(json.loads(found.read_text())["version"])


@contextmanager
def running(directory: Path, broker_port: int, messages: int) -> Iterator[subprocess.Popen[str]]:
    """Run Node-RED with a session that the broker keeps; its output says FIRST and LAST at those messages."""
    broker = {
        "id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(broker_port), "clientid": "node-red",
        "autoConnect": True, "protocolVersion": "5", "keepalive": "60", "cleansession": False, "sessionExpiry": "3600",
    }  # fmt: skip
    flow = [
        {"id": "tab", "type": "tab", "label": "rules"},
        broker,
        {"id": "in", **_PLACE, "type": "mqtt in", "topic": "itb/#", "qos": "1", "datatype": "buffer",
         "broker": "broker", "wires": [["json"]]},
        {"id": "json", **_PLACE, "type": "json", "property": "payload", "action": "obj", "wires": [["rules"]]},
        {"id": "rules", **_PLACE, "type": "function", "func": SIX_RULES.replace("MESSAGES", str(messages)),
         "outputs": 1, "wires": [[]]},
    ]  # fmt: skip
    home = directory / "home"
    home.mkdir(exist_ok=True)
    (home / "flows.json").write_text(json.dumps(flow))
    (home / "settings.js").write_text(
        f"module.exports = {{uiHost: '127.0.0.1', uiPort: {free_port()}, httpAdminRoot: false, httpNodeRoot: false, "
        "flowFile: 'flows.json', telemetry: {enabled: false}, logging: {console: {level: 'info'}}}"
    )
    script = directory / "node_modules" / "node-red" / "red.js"
    process = subprocess.Popen(
        ["node", str(script), "--userDir", str(home)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)
        if process.stdout is not None:
            process.stdout.close()


def read_until(process: subprocess.Popen[str], word: str) -> None:
    """Read the output up to the line with a word."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"Node-RED ended without {word!r}")
