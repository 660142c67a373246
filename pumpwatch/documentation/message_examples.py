"""Examples of all messages, one of each kind at least; tests give them to the schemas and to the real decoders."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from broker.contract import topics
from broker.contract.actions import Acknowledge, Outcome, Retire, Shelve, TakeOut
from broker.contract.alarm_events import AlarmEvent
from broker.contract.commands import Bolus, Inject, Program, Reply
from broker.contract.evidence import Evidence, Fact, RuledOut
from broker.contract.gateway_messages import Birth, Confirmation, Pumps, Status
from broker.contract.part_notices import Notice
from broker.contract.presence import Presence
from broker.contract.signed import Keys, Signer
from broker.contract.trace import Durable, Shown, Taken
from broker.store.snapshot import Health
from broker.truth.ground_truth import FaultChange, GroundTruth

AT: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z in ms."""
GATEWAY: Final = "mine"
COMMAND_TOPIC: Final = topics.topic_of(GATEWAY, "command")
SIGNER: Final = Signer(bytes(32))
"""Signs the examples; its private key is 32 zero bytes, so everybody can verify them, and nobody may use it."""

_SAMPLES: Final = (
    {"pump": "MY-1", "time": "2026-01-01T00:00:00Z", "seq": 1, "flow_ul_h": 8.1, "reservoir_ml": 17.9},
    {"pump": "MY-2", "time": AT, "sent": AT + 250, "seq": 7, "boot": 1, "flags": 8, "flow_ul_h": 0.0, "battery_v": 2.8},
)
_COMMANDS: Final = (
    Inject(id="c-1", fault="motor_stall", pumps=["MY-1"], severity=0.8, hold_s=21_600.0, who="anna", at=AT),
    Bolus(id="c-2", pumps=["MY-1"], dose_ug=25.0, who="anna", at=AT),
    Program(id="c-3", pumps=["MY-1"], dose_ug_day=250.0, who="anna", at=AT),
)
_ALARM: Final = f"MY-1/motor_stall/{AT}"
_ACTIONS: Final = (
    Acknowledge(id="a-1", alarms=[_ALARM], who="anna", at=AT),
    Shelve(id="a-2", alarms=[_ALARM], who="anna", at=AT, why="pump is being replaced", for_s=3_600.0),
    TakeOut(id="a-3", subjects=["MY-1"], who="anna", at=AT, why="bench test"),
    Retire(id="a-4", pumps=["MY-1"], who="anna", at=AT, why="explanted"),
)
_EVENT: Final = AlarmEvent(
    kind="raised",
    alarm=_ALARM,
    subject="MY-1",
    subject_kind="pump",
    pump="MY-1",
    gateway=GATEWAY,
    site="Ward 3",
    rule="motor_stall",
    title="Motor stall",
    priority="high",
    state="unacknowledged",
    at=AT + 90_000,
    time=AT + 60_000,
    onset=AT,
    raised=AT + 60_000,
    who=None,
    text=None,
    meaning="The rotor does not turn; no drug is delivered.",
    action="Check the pump, and plan to replace it.",
    evidence=Evidence(
        summary="Rotor turns 0 % of what was commanded",
        time=AT + 60_000,
        window_s=300.0,
        score=4.0,
        above_s=60.0,
        confidence="high",
        facts=[Fact(label="Motor flow", value=0.0, unit="µL/h", expected=8.1, limit=4.0)],
        ruled_out=[RuledOut(cause="Catheter occluded", because="the pressure is normal", value=12.0, unit="mmHg")],
    ),
)

STRUCTS: Final[dict[str, tuple[msgspec.Struct, ...]]] = {
    "birth": (
        Birth(
            gateway=GATEWAY,
            pumps=Pumps(
                serial=["MY-1", "MY-2"], model=["X-20", "X-40"], site=["Ward 3"] * 2, reservoir_ml=[20.0, 40.0]
            ),
            sent=AT,
            time=AT,
        ),
    ),
    "status": (
        Status(gateway=GATEWAY, state="online", sent=AT),
        Status(gateway=GATEWAY, state="offline", sent=AT, waiting=120),
    ),
    "reply": (Reply(id="c-1", gateway=GATEWAY, ok=True, text="motor_stall injected", pumps=1, time=AT),),
    "alarmEvent": (_EVENT,),
    "outcome": (Outcome(id="a-1", done=1, refused=0, text="1 alarm acknowledged"),),
    "confirmation": (Confirmation(sent=AT, total=1_440), Confirmation(sent=AT - 1_000, total=1_440, newest=AT)),
    "keys": (Keys(keys=[SIGNER.public]),),
    "health": (
        Health(version=17, written=AT, started=AT - 60_000, connected=True, samples=12_000, samples_per_s=200.0),
    ),
    "presence": (Presence(id="pumpwatch", run="7f3a", host="ward-pc", since=AT, at=AT, state="online"),),
    "notice": (Notice(part="simulator", state="started", text="", at=AT),),
    "groundTruth": (
        GroundTruth(
            sent=AT,
            changes=[FaultChange(kind="begun", pump="MY-1", fault="motor_stall", severity=0.8, since=AT, time=AT)],
        ),
    ),
    "traceTaken": (
        Taken(
            batch=3, gateways=[GATEWAY], digests=[3_421_780_262], received=[AT + 1.5], decoded=AT + 2.0, judged=AT + 9.0
        ),
    ),
    "traceDurable": (Durable(batch=3, at=AT + 12.0),),
    "traceShown": (Shown(batch=3, version=17, at=AT + 250.0),),
}
"""Examples of the messages that are one JSON object, by the name of the message."""


def examples_of(name: str) -> list[Any]:
    """Return the examples of a message, as JSON values or, of lines, as text; none of a binary or empty message."""
    if name in STRUCTS:
        return [_plain(message) for message in STRUCTS[name]]
    lines = "\n".join(msgspec.json.encode(sample).decode() for sample in _SAMPLES)
    others: dict[str, list[Any]] = {
        "sample": list(_SAMPLES),
        "samples": [list(_SAMPLES)],
        "sampleLines": [lines],
        "signedCommand": [_signed(COMMAND_TOPIC, command) for command in _COMMANDS],
        "signedAction": [_signed(topics.COMMAND, action) for action in _ACTIONS],
        "resend": [{}],
    }
    return others.get(name, [])


def _plain(message: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(message))


def _signed(topic: str, message: msgspec.Struct) -> Any:
    return msgspec.json.decode(SIGNER.sign(topic, msgspec.json.encode(message)))
