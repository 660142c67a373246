"""Whatever strangers send on any topic: nothing raises, and no pump is both unjudged and without an alarm."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from broker.contract.actions import Action
from broker.contract.commands import GatewayCommand, Reply
from broker.contract.gateway_messages import Birth, Status
from broker.contract.part_notices import Notice
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.topics import COMMAND, PART
from broker.mqtt.link import Message
from broker.store import snapshot_files
from broker.store.snapshot import Health
from processor.pipeline import Pipeline
from processor.service import recovery
from processor.service.store import Store
from tests.signing import SIGNER, STRANGER, verifier
from tests.strangers.stories import STORIES

START_MS: Final = 1_790_000_000_000
MINUTE_MS: Final = 60_000
LIMIT_S: Final = 600.0
OURS: Final = ("MY-1", "MY-2")
PUMPS: Final = (*OURS, "YOUR-1")
RULES: Final = ("pump_silent", "clock_implausible")
ODD_NAMES: Final = ("no such", "=x\x1b[2J", "../..", "itb/#", "\x00")
TIMES: Final = (0, 946_684_800_000, START_MS - 3_600_000, START_MS, START_MS + 3_600_000, 4_039_374_839_932, 2**63)
KINDS: Final[dict[str, tuple[type, ...]]] = {
    "birth": (Birth,),
    "status": (Status,),
    "command": get_args(GatewayCommand),
    "reply": (Reply,),
    PART: (Notice,),
    COMMAND: get_args(Action),
}
"""Messages by topic or, of gateways, by the end of their topic."""


def values(kind: inspect.Type, *, wild: bool) -> st.SearchStrategy[Any]:
    """Values of a type as JSON has them: both ends of its range, what exists and, if `wild`, what is out of range."""
    if isinstance(kind, inspect.UnionType):
        return st.one_of([values(each, wild=wild) for each in kind.types])
    if isinstance(kind, inspect.TupleType):
        return st.tuples(*(values(item, wild=wild) for item in kind.item_types))
    if isinstance(kind, inspect.ListType):
        return st.lists(values(kind.item_type, wild=wild), max_size=3)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(values(kind.key_type, wild=wild), values(kind.value_type, wild=wild), max_size=3)
    if isinstance(kind, inspect.StructType):
        return documents(kind, wild=wild)
    return st.sampled_from(scalars(kind, wild=wild))


def scalars(kind: inspect.Type, *, wild: bool) -> list[Any]:
    match kind:
        case inspect.IntType(ge=low, le=high):
            whole = [low or 0, high or 0, *TIMES, 0, 1, 3, -1, 2**64 - 1]
            return [number for number in whole if wild or (low or 0) <= number <= (high or 0)]
        case inspect.FloatType(ge=low, le=high):
            numbers = [low or 0.0, high or 0.0, 0.0, 1.0, 60.0, -1.0, 1e-300, 1e300]
            return [number for number in numbers if wild or (low or 0.0) <= number <= (high or 0.0)]
        case inspect.StrType(max_length=longest):
            ours = [*OURS, "mine", "", *(f"{pump}/{rule}/1" for pump in OURS for rule in RULES)]
            return [*ours, *([*ODD_NAMES, "ü" * 5_000] if wild else ["ü" * min(longest or 0, 500)])]
        case inspect.LiteralType():
            return list(kind.values)
        case inspect.BoolType():
            return [True, False]
        case inspect.NoneType():
            return [None]
    raise NotImplementedError(kind)


def documents(kind: inspect.StructType, *, wild: bool) -> st.SearchStrategy[dict[str, Any]]:
    fixed = {kind.tag_field: st.just(kind.tag)} if kind.tag_field else {}
    fields = {field.encode_name: values(field.type, wild=wild) for field in kind.fields}
    required = {field.encode_name for field in kind.fields if field.required}
    return st.fixed_dictionaries(
        {**fixed, **{name: fields[name] for name in required}},
        optional={name: strategy for name, strategy in fields.items() if name not in required},
    )


def consistent(document: dict[str, Any], gateway: str, serials: list[str]) -> dict[str, Any]:
    """The document as the gateway itself would send it: in its own name, columns of one length."""
    document = {**document, "gateway": gateway} if "gateway" in document else document
    if isinstance(pumps := document.get("pumps"), dict):
        columns = {name: (column * len(serials))[: len(serials)] for name, column in pumps.items()}
        document["pumps"] = {**columns, "serial": serials}
    return document


SAMPLES: Final = st.fixed_dictionaries(
    {"pump": st.sampled_from(PUMPS), "time": st.sampled_from(TIMES)},
    optional={
        name: st.sampled_from([None, 0, 1, 8.1, -1e300, 1e300, 2**53, 2**63]) | st.integers(0, 100)
        for name in SAMPLE_SCHEMA
        if name not in {"pump", "time"}
    },
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    leaf, wild = draw(st.sampled_from(["telemetry", "birth", *KINDS])), draw(st.integers(0, 4)) == 4
    gateway, retained = draw(st.sampled_from(["mine", "yours"])), draw(st.booleans())
    document: Any
    if leaf == "telemetry":
        document = draw(st.lists(SAMPLES, min_size=1, max_size=3))
    else:
        kind = inspect.type_info(draw(st.sampled_from(KINDS[leaf])))
        assert isinstance(kind, inspect.StructType)
        document = draw(documents(kind, wild=wild))
        if not wild:
            document = consistent(document, gateway, draw(st.lists(st.sampled_from(PUMPS), max_size=3, unique=True)))
    topic = leaf if leaf in {PART, COMMAND} else f"itb/00/{gateway}/{leaf}"
    payload = b"" if wild and retained else json.dumps(document).encode()
    if leaf not in {COMMAND, "command"} or not payload:
        return Message(topic, payload, 1, 1, retained)
    origin = draw(st.sampled_from([SIGNED_WHEN_SENT, SIGNED_WHEN_SENT, *ORIGINS]))
    if origin in ORIGINS:
        payload = ORIGINS[origin](topic, payload)
    return Message(topic, payload, SIGN if origin == SIGNED_WHEN_SENT else 1, 1, retained)


ORIGINS: Final[dict[str, Callable[[str, bytes], bytes]]] = {
    "signed as it is": SIGNER.sign,
    "not signed": lambda _, payload: payload,
    "with another key": STRANGER.sign,
    "for another topic": lambda topic, payload: SIGNER.sign(f"{topic}/x", payload),
    "damaged": lambda topic, payload: SIGNER.sign(topic, payload)[:-9],
}
"""Commands and actions come as dashboard and command line send them, or from somebody who has no key."""
SIGNED_WHEN_SENT: Final = "signed when it is sent"
SIGN: Final = 2
"""Packet identifier of a message that is signed when it is sent."""


def sent(message: Message, now: int, number: int) -> Message:
    """The message as it is sent at `now`: commands and actions of people are of that time, and each has its own id."""
    if message.mid != SIGN:
        return message
    document = {**json.loads(message.payload), "id": f"{number}", "at": now}
    payload = SIGNER.sign(message.topic, json.dumps(document).encode())
    return Message(message.topic, payload, 1, 1, message.retained)


@dataclass
class Hospital:
    """Two pumps that send every minute, in real time and right, among strangers on every topic."""

    data: Path
    now: int = START_MS
    seq: int = 0
    pipeline: Pipeline = field(default_factory=lambda: Pipeline(verifier=verifier()))
    judged_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.data, 2**30)

    def minute(self, strange: Iterable[Message], silent: str | None) -> None:
        self.now += MINUTE_MS
        self.seq += 1
        good = {"time": self.now, "seq": self.seq, "flow_ul_h": 8.1, "commanded_ul_h": 8.1}
        own = [
            Message("itb/00/mine/telemetry", msgspec.json.encode({"pump": pump, **good}), 1, 1, False)
            for pump in OURS
            if pump != silent
        ]
        strange = [sent(message, self.now, 100 * self.seq + at) for at, message in enumerate(strange)]
        before = self.counts()
        result = self.pipeline.take([*strange, *own], self.now)
        self.store.add(result)
        for pump, count in self.counts().items():
            if count > before.get(pump, 0) or pump not in before:
                self.judged_ms[pump] = self.now
        registry = self.pipeline.registry
        for pump in registry.facts()["pump"].filter(registry.retired()):
            assert pump not in OURS or pump == silent, "a pump that sends is not retired"
            self.judged_ms[pump] = self.now

    def counts(self) -> dict[str, int]:
        return dict(zip(self.pipeline.registry.facts()["pump"], self.pipeline.state["samples"], strict=False))

    def restart(self) -> None:
        """Write everything a processor writes, and go on from what it left."""
        self.store.write(self.now)
        recovery.save(self.data, self.pipeline, self.now)
        snapshot_files.write(self.data / "snapshot", self.pipeline.snapshot(Health(), self.now))
        self.pipeline = recovery.restore(self.data, verifier=verifier())

    def unwatched(self) -> list[str]:
        """Pumps, other than retired ones, that nobody judged for ten minutes of theirs, and that have no alarm."""
        registry, alarms = self.pipeline.registry, self.pipeline.alarms
        if alarms.filter(alarms["pump"].is_null() & alarms["other"].is_null()).height:
            return []
        facts, counts = registry.facts(), self.counts()
        alarmed = set(facts["pump"].gather(alarms["pump"].drop_nulls()))
        found = []
        for serial, owner, retired in zip(facts["pump"], facts["owner"], registry.retired(), strict=True):
            # What the broker retained of a gateway that is offline may be years old.
            unknown = registry.gateways.gone()[owner] and not counts[serial]
            limit_ms = 1000 * LIMIT_S / min(1.0, registry.gateways.order[owner].speed) + MINUTE_MS
            if not (retired or unknown or serial in alarmed) and self.now - self.judged_ms[serial] > limit_ms:
                found.append(serial)
        return found


MINUTES: Final = st.tuples(
    st.lists(messages(), max_size=3), st.integers(0, 12), st.sampled_from([None, None, *OURS]), st.booleans()
)
"""What strangers send, how many minutes follow, which pump of ours is silent in all, whether the processor restarts."""


@STORIES
@given(st.lists(MINUTES, min_size=1, max_size=6))
def test_no_message_raises_and_no_pump_is_both_unjudged_and_without_an_alarm(
    story: list[tuple[list[Message], int, str | None, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        hospital = Hospital(Path(directory))
        # How often a pump reports is known once it has reported a few times.
        for _ in range(4):
            hospital.minute([], None)
        for strange, minutes, silent, restarts in story:
            hospital.minute(strange, silent)
            for _ in range(minutes):
                hospital.minute([], silent)
                assert hospital.unwatched() == []
            if restarts:
                hospital.restart()
        hospital.restart()
        hospital.store.close()
