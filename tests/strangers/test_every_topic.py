"""Whatever strangers send on any topic: nothing raises, and no pump is both unjudged and without an alarm."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from hypothesis import HealthCheck, given, settings
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

START_MS: Final = 1_790_000_000_000
MINUTE_MS: Final = 60_000
LIMIT_S: Final = 600.0
OURS: Final = ("MY-1", "MY-2")
NAMES: Final = ("mine", "yours", *OURS, "YOUR-1", "fleet", "", "MY-1/pump_silent/1", "no such", "=x\x1b[2J", "ü" * 300)
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


def values(kind: inspect.Type, name: str) -> st.SearchStrategy[Any]:
    """Values of a type as JSON has them: names and times that exist, both ends of the range, and beyond."""
    match kind:
        case inspect.IntType(ge=low, le=high):
            ends = [number for number in (low, high) if number is not None]
            times = TIMES if (low or 0) > 10**9 or (high or 0) > 10**12 else ()
            return st.sampled_from([*times, *times, *ends, 0, 1, 3, -1, 2**64 - 1])
        case inspect.FloatType(ge=low, le=high):
            return st.sampled_from([low or 0.0, high or 0.0, 1.0, 60.0, -1.0, 1e-300, 1e300])
        case inspect.StrType():
            return st.sampled_from(NAMES)
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.UnionType():
            return st.one_of([values(each, name) for each in kind.types])
        case inspect.TupleType():
            return st.tuples(*(values(item, name) for item in kind.item_types))
        case inspect.ListType():
            return st.lists(values(kind.item_type, name), max_size=3)
        case inspect.StructType():
            return documents(kind)
    raise NotImplementedError(f"{name}: {kind}")


def documents(kind: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    fixed = {kind.tag_field: st.just(kind.tag)} if kind.tag_field else {}
    fields = {field.encode_name: values(field.type, field.encode_name) for field in kind.fields}
    required = {field.encode_name for field in kind.fields if field.required}
    return st.fixed_dictionaries(
        {**fixed, **{name: fields[name] for name in required}},
        optional={name: strategy for name, strategy in fields.items() if name not in required},
    )


def columns_of_one_length(birth: dict[str, Any]) -> dict[str, Any]:
    """A birth whose columns are as long as its serials, which are those that gateways may name."""
    serials = [name for name in dict.fromkeys(birth["pumps"]["serial"]) if name in {*OURS, "YOUR-1", "fleet"}]
    columns = {name: (column * 4)[: len(serials)] for name, column in birth["pumps"].items() if column}
    return {**birth, "pumps": {**columns, "serial": serials}}


SAMPLES: Final = st.fixed_dictionaries(
    {"pump": st.sampled_from([*OURS, "YOUR-1"]), "time": st.sampled_from(TIMES)},
    optional={
        name: st.sampled_from([None, 0, 1, 8.1, -1e300, 1e300, 2**53, 2**63]) | st.integers(0, 100)
        for name in SAMPLE_SCHEMA
        if name not in {"pump", "time"}
    },
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    leaf = draw(st.sampled_from(["telemetry", "birth", "birth", *KINDS]))
    gateway, retained = draw(st.sampled_from(["mine", "yours"])), draw(st.booleans())
    if leaf == "telemetry":
        document: Any = draw(st.lists(SAMPLES, min_size=1, max_size=3))
    else:
        kind = inspect.type_info(draw(st.sampled_from(KINDS[leaf])))
        assert isinstance(kind, inspect.StructType)
        document = draw(documents(kind))
        if draw(st.booleans()) and "gateway" in document:
            document["gateway"] = gateway
        if leaf == "birth" and draw(st.sampled_from([True, True, False])):
            document = columns_of_one_length(document)
    topic = leaf if leaf in {PART, COMMAND} else f"itb/00/{gateway}/{leaf}"
    payload = b"" if draw(st.integers(0, 30)) == 30 else json.dumps(document).encode()
    return Message(topic, payload, 1, 1, retained)


@dataclass
class Hospital:
    """Two pumps that send every minute, in real time and right, among strangers on every topic."""

    data: Path
    now: int = START_MS
    seq: int = 0
    pipeline: Pipeline = field(default_factory=Pipeline)
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
        before = self.counts()
        result = self.pipeline.take([*strange, *own], self.now)
        self.store.add(result)
        for pump, count in self.counts().items():
            if count > before.get(pump, 0) or pump not in before:
                self.judged_ms[pump] = self.now

    def counts(self) -> dict[str, int]:
        return dict(zip(self.pipeline.registry.facts()["pump"], self.pipeline.state["samples"], strict=False))

    def restart(self) -> None:
        """Write everything a processor writes, and go on from what it left."""
        self.store.write(self.now)
        recovery.save(self.data, self.pipeline, self.now)
        snapshot_files.write(self.data / "snapshot", self.pipeline.snapshot(Health(), self.now))
        self.pipeline = recovery.restore(self.data)

    def unwatched(self) -> list[str]:
        """Pumps, other than retired ones, that nobody judged for ten minutes of theirs, and that have no alarm."""
        registry, alarms = self.pipeline.registry, self.pipeline.alarms
        if alarms.filter(alarms["pump"].is_null() & alarms["other"].is_null()).height:
            return []
        facts = registry.facts()
        alarmed = set(facts["pump"].gather(alarms["pump"].drop_nulls()))
        gateways = registry.gateways
        found = []
        for serial, owner, retired in zip(facts["pump"], facts["owner"], registry.retired(), strict=True):
            limit_s = LIMIT_S / min(1.0, gateways[owner].speed) + MINUTE_MS / 1000
            if not retired and serial not in alarmed and self.now - self.judged_ms[serial] > limit_s * 1000:
                found.append(serial)
        return found


MINUTES: Final = st.tuples(
    st.lists(messages(), max_size=3), st.integers(0, 12), st.sampled_from([None, None, *OURS]), st.booleans()
)
"""What strangers send, how many minutes pass then, which of our pumps is silent in them, and whether there is a restart."""


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MINUTES, min_size=1, max_size=6))
def test_no_message_raises_and_no_pump_is_both_unjudged_and_without_an_alarm(story):
    with tempfile.TemporaryDirectory() as directory:
        hospital = Hospital(Path(directory))
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
