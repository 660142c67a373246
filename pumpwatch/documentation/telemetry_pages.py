"""Reference of what comes in over MQTT: signals, flags, frame and topics."""

from __future__ import annotations

from broker.contract import signals, topics
from broker.contract.dose_limits import SESSION_S
from pumpwatch.commands.tables import signal_rows
from pumpwatch.documentation.channels import CHANNELS, Channel
from pumpwatch.documentation.markdown import code, duration, page, table


def signals_page() -> str:
    """Return the reference of signals, flags and the columns of a sample."""
    rows = ((code(r["name"]), r["unit"], r["title"], f"{r['low']:g}", f"{r['high']:g}") for r in signal_rows())
    flags = ((code(flag.name), str(flag.bit), flag.title) for flag in signals.FLAGS)
    types = ((code(name), str(dtype)) for name, dtype in signals.SAMPLE_SCHEMA.items())
    return page(
        "Signals",
        "The signals that a simulated pump reports. A sample holds all signals of one pump at one time; a signal that "
        "is missing from it is unknown, not zero. A value outside its range is rejected as malformed.",
        table(("signal", "unit", "title", "minimum", "maximum"), rows),
        "## Flags\n\nStatus of the pump, as the sum of bits in `flags`. A pump that numbers its programs (`program`) "
        f"sets `programmed` for {duration(SESSION_S)} after a programmer wrote a new one; a new number without this "
        "flag raises an alarm. `refill` is set in a single sample.",
        table(("flag", "bit", "title"), flags),
        "## Columns\n\n`pump` and `time` (therapy time, UTC) are required. Times are milliseconds since 1970; in JSON "
        "they may also be ISO 8601. `sent` is wall-clock time. `seq` numbers the samples of a pump within one `boot`, "
        "so that lost samples show as a gap.",
        table(("column", "type"), types),
    )


def topics_page() -> str:
    """Return the reference of the topic tree."""
    leaves = [
        (code(channel.address), _leaf(channel).direction, "yes" if channel.retained else "no", channel.meaning)
        for channel in CHANNELS
        if channel.name in topics.LEAF_NAMES
    ]
    system = [
        (code(channel.address), channel.meaning + (" (retained)" if channel.retained else ""))
        for channel in CHANNELS
        if channel.name not in topics.LEAF_NAMES
    ]
    return page(
        "Topics",
        f"`shard` is 00 to {topics.SHARDS - 1}. The simulated gateways use the CRC-32 of their name modulo "
        f"{topics.SHARDS}; any other gateway may choose its shard, but must keep it. Names of gateways and pumps are "
        f"{topics.name_rule()}. All messages have QoS 1.",
        table(("topic", "direction", "retained", "meaning"), leaves),
        table(("topic", "meaning"), system),
        "## Payloads",
        "[asyncapi.json](asyncapi.json) describes every topic in AsyncAPI 3.1: the JSON Schema of each payload, "
        "examples, and which user of the broker sends and receives it. [Connect a client](../connect-a-client.md) has "
        "examples in the shell, Python and Node-RED.",
        "## Any MQTT client",
        "A gateway logs in with its name; `pumpwatch gateway add my-gateway` prints its password and this line. "
        "[Broker access](broker-access.md) says who may publish and read what.",
        "```sh\nmosquitto_pub -p PORT -u my-gateway -P PASSWORD -q 1 -t itb/00/my-gateway/telemetry \\\n"
        '  -m \'{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}\'\n```',
    )


def _leaf(channel: Channel) -> topics.Leaf:
    return next(leaf for leaf in topics.LEAVES if leaf.name == channel.name)
