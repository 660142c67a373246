"""This file puts into words what people ordered, what became of it, and which gateways and parts came and went.

It only listens, for the journal; nothing of it reaches the engine or the alarms.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.commands import GatewayCommand, Reply
from broker.contract.part_notices import Notice
from broker.store.journal import ENTRIES_SCHEMA, MAX_PUMPS

REMEMBERED: Final = 10_000
"""Orders that wait for their replies; of older ones the reply is noted without who gave it."""
ADDRESSED: Final = frozenset({"id", "pumps", "who"})
"""Fields of an order that have a place of their own in the journal."""


@dataclass
class JournalRecorder:
    """Collects entries of the journal (`ENTRIES_SCHEMA`) until `take`."""

    _rows: list[dict[str, Any]] = field(default_factory=list)
    _orders: collections.OrderedDict[tuple[str, str], dict[str, Any]] = field(default_factory=collections.OrderedDict)

    def ordered(self, gateway: str, command: GatewayCommand, own: Sequence[str], now: int) -> None:
        """Note an order to a gateway, `own` being the pumps it speaks for; `now` is wall ms."""
        named = list(own) if command.pumps is None else command.pumps
        title = f"{command.__struct_config__.tag} on {gateway}"
        order = {
            "subject": gateway,
            "subject_kind": "gateway",
            "title": title,
            "who": command.who or None,
            "pumps": named,
            "pump": named[0] if len(named) == 1 else None,
        }
        self._orders[(gateway, command.id)] = order
        if len(self._orders) > REMEMBERED:
            self._orders.popitem(last=False)
        self._note(now, "ordered", f"order/{gateway}/{command.id}", text=_said(command, len(named)), **order)

    def answered(self, reply: Reply, now: int) -> None:
        """Note what a gateway says became of an order."""
        unknown = {"title": f"order to {reply.gateway}", "subject": reply.gateway, "subject_kind": "gateway"}
        order = self._orders.pop((reply.gateway, reply.id), unknown)
        kind = "done" if reply.ok else "refused"
        key = f"reply/{reply.gateway}/{reply.id}"
        self._note(now, kind, key, text=reply.text, time=reply.time or None, **order)

    def gateway(self, name: str, state: str, pumps: int | None, *, mark: int, now: int) -> None:
        """Note that a gateway is in another state; `mark` is the same when the same change is heard again."""
        many = None if pumps is None else f"speaks for {pumps:,} pumps"
        about = {"title": f"gateway {name}", "subject": name, "subject_kind": "gateway"}
        self._note(now, state, f"gateway/{name}/{state}/{mark}", text=many, **about)

    def part(self, kind: str, part: str, text: str, now: int, once: str | None = None) -> None:
        """Note what became of a part of the system: started, stopped, connected, disconnected, refused."""
        self._note(now, kind, once, title=part, text=text)

    def told(self, notice: Notice) -> None:
        """Note what somebody else says became of a part."""
        once = f"part/{notice.part}/{notice.state}/{notice.at}"
        self.part(notice.state, notice.part[:80], notice.text[:500], notice.at, once)

    def take(self) -> pl.DataFrame:
        """Return what was noted since the last time."""
        rows, self._rows = self._rows, []
        return pl.DataFrame(rows, schema=ENTRIES_SCHEMA)

    def _note(self, now: int, kind: str, once: str | None, **facts: Any) -> None:
        self._rows.append({**dict.fromkeys(ENTRIES_SCHEMA), "at": now, "kind": kind, "once": once, **facts})


def _said(command: GatewayCommand, pumps: int) -> str:
    """Put into words what an order says beyond its defaults."""
    usual = {each.name: each.default for each in msgspec.structs.fields(command)}
    given = [
        f"{name} {value}"
        for name in command.__struct_fields__
        if name not in ADDRESSED and (value := getattr(command, name)) != usual[name]
    ]
    more = [f"and {pumps - MAX_PUMPS:,} pumps more than are listed"] if pumps > MAX_PUMPS else []
    return ", ".join([*given, *more])
