"""Models of answers, for the reference: made of the columns of our tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, create_model

from broker.contract.ranges import MAX_LABEL
from broker.contract.signals import SIGNALS
from broker.store.journal import ENTRIES_SCHEMA
from broker.store.pump_table import FACTS_SCHEMA, FORECASTS_SCHEMA, OF_ALARMS, VALUES_SCHEMA
from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA

_TYPES: Final[dict[type, type]] = {pl.String: str, pl.Boolean: bool}
_UNITS: Final = {signal.name: f"{signal.title}, {signal.unit}" for signal in SIGNALS}
PUMP_COLUMNS: Final = {**FACTS_SCHEMA, **VALUES_SCHEMA, **OF_ALARMS}
EVENT_COLUMNS: Final = {
    "id": pl.Int64(),
    **{name: dtype for name, dtype in ENTRIES_SCHEMA.items() if name not in {"once", "pumps"}},
}


def _type(dtype: Any) -> Any:
    if isinstance(dtype, pl.List):
        return list[str] | None
    if dtype.is_integer():
        return int | None
    return _TYPES.get(type(dtype), float) | None


def model(name: str, columns: Mapping[str, Any], **texts: str) -> Any:
    """Return the model of a row with these columns, any of which may be null; `texts` describe some."""
    fields = {column: (_type(dtype), _field(column, texts)) for column, dtype in columns.items()}
    return create_model(name, **fields)  # type: ignore[call-overload]


def _field(column: str, texts: Mapping[str, str]) -> Any:
    text = texts.get(column) or _UNITS.get(column)
    return Field(description=text) if text else Field()


def page(name: str, item: Any) -> Any:
    """Return the model of a page of items."""
    return create_model(
        f"{name}Page",
        items=(list[item], Field()),
        total=(int | None, Field(description="How many there are on all pages; null if that is not counted.")),
        next=(str | None, Field(description="Cursor of the next page, null on the last.")),
    )


def listing(name: str, item: Any) -> Any:
    """Return the model of a whole list of items."""
    return create_model(name, items=(list[item], Field()))


Pump = model(
    "Pump",
    PUMP_COLUMNS,
    pump="Serial number",
    time="Therapy time of the newest sample, ms",
    age_s="Therapy seconds since that sample",
    silent="Whether that is too long",
    priority="Of its worst open alarm: 1 high, 2 medium, 3 low, 0 none",
    worst="Rule of that alarm",
    lost="Samples permanently lost",
)
Alarm = model(
    "Alarm",
    ALARMS_SCHEMA,
    alarm="Identifies the alarm",
    subject="What it is about: a pump, a gateway, a cohort or a part of Pumpwatch",
    state="unacknowledged, acknowledged, returned, latched, shelved or out_of_service (ISA-18.2)",
    onset="Therapy ms",
    raised_wall="Wall-clock time, ms",
    evidence="JSON text: the measurements behind it",
)
Gateway = model(
    "Gateway",
    GATEWAYS_SCHEMA,
    heard_wall="Wall-clock time, ms",
    waiting="Samples that wait",
    delay_ms="Latest message, from its stamp to its arrival; negative: its clock is ahead",
)
Rule = model("Rule", RULES_SCHEMA, priority="1 high, 2 medium, 3 low")
Event = model("Event", EVENT_COLUMNS, id="Number in the journal", at="Wall-clock time, ms")
Forecast = model(
    "Forecast", {"pump": pl.String(), "time": pl.Int64(), **FORECASTS_SCHEMA}, low_d_mid="Days until low reservoir"
)


Name = Annotated[str, Field(min_length=1, max_length=MAX_LABEL)]
"""A name in a request; that its length is checked also refuses half a character (a lone surrogate)."""


class Open(BaseModel):
    """An object whose members are not all declared."""

    model_config = ConfigDict(extra="allow")


class Outcome(BaseModel):
    """What became of an action."""

    id: str = Field(description="Id of the action, also in the journal")
    text: str = Field(description="A sentence for people")


class AlarmList(BaseModel):
    """Alarms by name."""

    model_config = ConfigDict(extra="forbid")
    alarms: list[Name] = Field(min_length=1, max_length=5000, description="Ids of open alarms")
    why: str = Field("", max_length=500, description="Reason; required to shelve and to take out of service")


class Shelving(AlarmList):
    """Alarms to shelve, for how long and why."""

    for_s: float = Field(ge=1, le=72 * 3600, description="Therapy seconds; the limit depends on the priority")


class Noting(AlarmList):
    """Alarms to write a note to: `why`."""


class Service(AlarmList):
    """Alarms to take out of service."""


class Injecting(BaseModel):
    """A fault to inject into simulated pumps."""

    model_config = ConfigDict(extra="forbid")
    fault: str = Field(min_length=1, max_length=80)
    pumps: list[Name] = Field(min_length=1, max_length=1000)
    severity: float = Field(1.0, ge=0, le=1)
    ramp_s: float = Field(0.0, ge=0, le=30 * 86_400)
    hold_s: float | None = Field(None, ge=1, le=30 * 86_400, description="Null: until it is cleared")


class GatewayReply(BaseModel):
    """What a gateway answered."""

    gateway: str
    ok: bool
    text: str
    pumps: int = 0


class Injected(BaseModel):
    """The answers of the gateways to an injection."""

    replies: list[GatewayReply]


class Item(BaseModel):
    """Facts of a fault."""

    fault: str
    title: str
    summary: str = ""
    signature: str = ""
    severity: str = ""
    unseen: str = ""


class Faults(BaseModel):
    """All faults that gateways can inject."""

    items: list[Item]


Rules = listing("Rules", Rule)
Gateways = listing("Gateways", Gateway)


class Health(BaseModel):
    """Health of the stream processor, and how old the snapshot is."""

    model_config = ConfigDict(extra="allow")
    version: int
    written: int = Field(description="Wall-clock time, ms")
    age_ms: int | None
    connected: bool


class Samples(BaseModel):
    """A pump's signals over time."""

    pump: str
    resolution: str
    items: list[dict[str, Any]]
