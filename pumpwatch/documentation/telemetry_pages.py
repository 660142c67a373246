"""Reference of what comes in over MQTT: signals, flags, frame and topics."""

from __future__ import annotations

from broker.contract import signals, topics
from broker.contract.dose_limits import SESSION_S
from broker.store import snapshot
from pumpwatch.commands.tables import signal_rows
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
    leaves = (
        (
            code(f"itb/{{shard}}/{{gateway}}/{leaf.name}"),
            leaf.direction,
            "yes" if leaf.retained else "no",
            leaf.meaning,
        )
        for leaf in topics.LEAVES
    )
    system = (
        *(
            (code(topics.alarm_topic(priority)), f"each change of an alarm of {priority} priority")
            for priority in snapshot.PRIORITIES
        ),
        (
            code(topics.TRUTH),
            "ground truth: the faults injected into each simulated pump; the processor never reads it",
        ),
        (code(topics.COMMAND), "operator actions on alarms and pumps, signed, for the processor"),
        (code(topics.KEYS), "public keys that commands and actions are signed with (retained)"),
        (code(topics.PART), "starts and ends of parts of the system, for the journal"),
        (code(topics.load_topic("WORKER", "state")), "state of a worker of load tests (retained), MessagePack"),
        (code(topics.load_topic("WORKER", "orders")), "orders of `pumpwatch load` to a worker, MessagePack"),
        (code(topics.load_topic("WORKER", "answers")), "what a worker sent, and pings of its clock, MessagePack"),
        (code(topics.TRACE), "when the processor handled each message; only with `pumpwatch process --trace`"),
        (
            code(topics.confirmed_topic("GATEWAY")),
            "the `sent` up to which the samples of a gateway are durable (retained)",
        ),
        (code(topics.RESEND), "request to all gateways to resend unconfirmed samples, after the broker has lost them"),
        (code(topics.OUTCOME), "outcomes of operator actions"),
        (code(topics.health_topic("PART")), "health of a part of the system (retained)"),
        (code(topics.processor_topic("ID")), "which processor uses the broker (retained); a second one refuses to run"),
    )
    return page(
        "Topics",
        f"`shard` is 00 to {topics.SHARDS - 1}. The simulated gateways use the CRC-32 of their name modulo "
        f"{topics.SHARDS}; any other gateway may choose its shard, but must keep it. Names of gateways and pumps are "
        f"{topics.name_rule()}. All messages have QoS 1.",
        table(("topic", "direction", "retained", "meaning"), leaves),
        table(("topic", "meaning"), system),
        "## Any MQTT client",
        "A gateway logs in with its name; `pumpwatch gateway add my-gateway` prints its password and this line. "
        "[Broker access](broker-access.md) says who may publish and read what.",
        "```sh\nmosquitto_pub -p PORT -u my-gateway -P PASSWORD -q 1 -t itb/00/my-gateway/telemetry \\\n"
        '  -m \'{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}\'\n```',
    )
