"""What becomes of each command that README and docs show: one table, in which nothing may be missing."""

from __future__ import annotations

from typing import Final

LIVE, ACCOUNTS, KEYS, FILES = "live", "accounts", "keys", "files"
"""Run on: a small running system; made-up accounts; made-up keys of a broker; a made-up data directory."""
PARSED, MAKE, MQTT, SCRIPT = "parsed", "make", "mqtt", "script"
"""Understood by our command line without running; a target of the Makefile; sent to a real broker; see the table."""

TREATMENTS: Final = {
    **dict.fromkeys(
        (
            *("pumpwatch inject", "pumpwatch clear", "pumpwatch program", "pumpwatch bolus", "pumpwatch stop"),
            *("pumpwatch refill", "pumpwatch replace", "pumpwatch interrogate", "pumpwatch alarms", "pumpwatch alarm"),
            *("pumpwatch service", "pumpwatch pump", "pumpwatch export", "pumpwatch journal", "pumpwatch doctor"),
            *("pumpwatch gateway add", "pumpwatch gateway list", "pumpwatch gateway remove"),
        ),
        LIVE,
    ),
    **dict.fromkeys(
        (
            *("pumpwatch user list", "pumpwatch user role", "pumpwatch user disable", "pumpwatch user enable"),
            *("pumpwatch user sessions", "pumpwatch user reset-second-factor", "pumpwatch user remove"),
        ),
        ACCOUNTS,
    ),
    **dict.fromkeys(
        ("pumpwatch keys init", "pumpwatch keys list", "pumpwatch keys renew", "pumpwatch keys revoke"), KEYS
    ),
    **dict.fromkeys(
        (
            *("pumpwatch faults", "pumpwatch rules", "pumpwatch signals", "pumpwatch version", "pumpwatch backup"),
            *("pumpwatch restore", "pumpwatch silence add", "pumpwatch silence list"),
            *("pumpwatch alarms export-database", "pumpwatch alarms kpi"),
        ),
        FILES,
    ),
    # These run until they are stopped, take minutes, or ask at a terminal.
    **dict.fromkeys(
        (
            *("pumpwatch run", "pumpwatch simulate", "pumpwatch process", "pumpwatch dashboard", "pumpwatch broker"),
            *("pumpwatch load", "pumpwatch score", "pumpwatch user add", "pumpwatch user password"),
            "pumpwatch apikey",  # run by tests/pumpwatch/commands/test_api_keys.py
        ),
        PARSED,
    ),
    "make": MAKE,
    "mosquitto_pub": MQTT,
    "mosquitto_sub": MQTT,
    # These change the machine, need root, other machines or a container engine; `make containers` and the tests of
    # reverse proxies do what they are for. Here the shell must understand them, and modules and files must exist.
    **dict.fromkeys(
        (
            *("apt", "systemctl", "useradd", "install", "python3", "/opt/pumpwatch/bin/pip", "cd", "alias", "chown"),
            *("chmod", "journalctl", "nft", "curl", "docker", "promtool", "openssl", "python -m trials.forecast_score"),
        ),
        SCRIPT,
    ),
}
"""By the name of a command: how the tests treat it. Any other one of ours is `PARSED`."""
TOML_OF_OTHERS: Final = {"docs/load.md", "docs/notifications.md", "docs/how-to/operators.md"}
"""Pages whose TOML is no settings file; tests of load profiles and routes read it."""

REFUSALS: Final = {
    ("pumpwatch pump", "retire"): r"sent|nothing was done",
    ("pumpwatch pump", "transfer"): r"gateway|nothing was done",
    ("pumpwatch alarm", "shelve"): r"no open alarm matches",
    ("pumpwatch gateway remove", "ward-3"): r"there is no gateway 'ward-3'",
    ("pumpwatch export", "3,7-9"): r"no matching samples",
    ("pumpwatch keys revoke", "ward-3"): r"ward-3",
    ("pumpwatch keys renew", "_action"): r"_action",
}
"""Examples about what this small system does not have, by a word in them: what is answered."""
EXAMPLE_FILES: Final = (
    *("ca.pem", "client.pem", "client.key", "broker-password", "processor.password", "dashboard.password"),
    *("simulator.password", "fleet.secret", "earlier.json", "before.json", "week.csv"),
)
"""Files of a reader that examples name."""
PLAIN: Final = {"", "text", "ini", "nginx", "caddy"}
"""Languages of blocks that are drawings, or that other tests read: those of reverse proxies and of the unit file."""


def treatment_of(name: str) -> str | None:
    """Return how a command is treated; None if nobody has said so."""
    return TREATMENTS.get(name) or (PARSED if name.startswith("pumpwatch ") else None)
