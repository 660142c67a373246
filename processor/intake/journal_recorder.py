"""Journal recorder: commands, their replies, and gateways and parts that start and stop, as entries of the journal.

It only listens; nothing of it reaches the engine or the alarms.
"""

from __future__ import annotations

import collections
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.commands import GatewayCommand, Reply
from broker.contract.part_notices import Notice
from broker.contract.signed import ForgedError
from broker.store.journal import ENTRIES_SCHEMA, MAX_PUMPS
from processor.intake.moves import Move

MAX_PENDING: Final = 10_000
"""Commands that wait for their replies; the reply to an older one is recorded without who gave the command."""
MAX_FORGED: Final = 60
"""Refused commands and actions recorded one by one within `FORGED_PERIOD_MS`; the others are counted in one entry."""
FORGED_PERIOD_MS: Final = 60_000
_NO_ENTRIES: Final = pl.DataFrame(schema=ENTRIES_SCHEMA)
OWN_COLUMNS: Final = frozenset({"id", "pumps", "who", "at", "toml"})
"""Fields of a command that have a column of their own in the journal, and the text of an uploaded scenario."""


@dataclass
class JournalRecorder:
    """Collects entries of the journal (`ENTRIES_SCHEMA`) until `take`; counts `forgeries`, commands and actions."""

    _rows: list[dict[str, Any]] = field(default_factory=list)
    _pending: collections.OrderedDict[tuple[str, str], dict[str, Any]] = field(default_factory=collections.OrderedDict)
    forgeries: int = 0
    _forged_since: int = 0
    _forged: int = 0

    def command(self, gateway: str, command: GatewayCommand, owned: Sequence[str], now: int) -> None:
        """Record a command to a gateway, whose pumps are `owned`; `now` is wall ms."""
        pumps = list(owned) if command.pumps is None else command.pumps
        title = f"{command.__struct_config__.tag} on {gateway}"
        context = {
            "subject": gateway,
            "subject_kind": "gateway",
            "title": title,
            "who": command.who or None,
            "pumps": pumps,
            "pump": pumps[0] if len(pumps) == 1 else None,
        }
        self._pending[(gateway, command.id)] = context
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        self._add(now, "ordered", f"order/{gateway}/{command.id}", text=_summary(command, len(pumps)), **context)

    def reply(self, reply: Reply, now: int) -> None:
        """Record a gateway's reply to a command."""
        unknown = {"title": f"order to {reply.gateway}", "subject": reply.gateway, "subject_kind": "gateway"}
        context = self._pending.pop((reply.gateway, reply.id), unknown)
        kind = "done" if reply.ok else "refused"
        key = f"reply/{reply.gateway}/{reply.id}"
        self._add(now, kind, key, text=reply.text, time=reply.time or None, **context)

    def forged(self, error: ForgedError, now: int) -> bool:
        """Record a command or action that was refused, with what it claims; MQTT does not tell who sent it.

        Return whether it has an entry of its own, as the first ones within a minute have.
        """
        if not 0 <= now - self._forged_since < FORGED_PERIOD_MS:
            self._end_of_forged_period(now)
        self.forgeries += 1
        self._forged += 1
        if self._forged > MAX_FORGED:
            return False
        claim = error.claim
        said = f"claims to be from {claim.who!r}" if claim.who else "names nobody"
        key = f"key {claim.key}" if claim.key else "no key"
        text = f"refused: {error} (on {claim.topic[:200]}; {said}, id {claim.id!r}, {key})"
        once = f"forged/{now}/{zlib.crc32(text.encode('utf-8', 'replace'))}"
        origin = f"MQTT, {claim.topic[:200]}"
        self._add(now, "forged", once, title="command or action refused", text=text, origin=origin)
        return True

    def _end_of_forged_period(self, now: int) -> None:
        """Begin to count anew, and record how many were not recorded one by one."""
        if (more := self._forged - MAX_FORGED) > 0:
            text = f"{more:,} more commands or actions were refused within the minute"
            self._add(now, "forged", f"forged/{now}/more", title="commands or actions refused", text=text)
        self._forged_since, self._forged = now, 0

    def gateway(self, name: str, state: str, pumps: int | None, *, mark: int, now: int) -> None:
        """Record that a gateway changed its state; the same change received again has the same `mark`."""
        text = None if pumps is None else f"speaks for {pumps:,} pumps"
        about = {"title": f"gateway {name}", "subject": name, "subject_kind": "gateway"}
        self._add(now, state, f"gateway/{name}/{state}/{mark}", text=text, **about)

    def claim(self, gateway: str, text: str, *, mark: int, now: int) -> None:
        """Record that a birth, marked by its stamp, named pumps that another gateway delivers."""
        about = {"title": f"gateway {gateway}", "subject": gateway, "subject_kind": "gateway"}
        self._add(now, "refused", f"claim/{gateway}/{mark}", text=text, **about)

    def move(self, move: Move, now: int) -> None:
        """Record that a pump moved to another gateway, was retired or is back."""
        about = {"title": f"pump {move.serial}", "subject": move.serial, "subject_kind": "pump", "pump": move.serial}
        once = f"{move.kind}/{move.serial}/{now}/{move.why}"
        self._add(now, move.kind, once, text=move.why, who=move.who, **about)

    def part(self, kind: str, part: str, text: str, now: int, once: str | None = None) -> None:
        """Record what happened to a part of the system: started, stopped, connected, disconnected, refused."""
        self._add(now, kind, once, title=part, text=text)

    def notice(self, notice: Notice) -> None:
        """Record what another process reports of a part."""
        once = f"part/{notice.part}/{notice.state}/{notice.at}"
        self.part(notice.state, notice.part[:80], notice.text[:500], notice.at, once)

    def take(self) -> pl.DataFrame:
        """Return the entries since the last call."""
        rows, self._rows = self._rows, []
        return pl.DataFrame(rows, schema=ENTRIES_SCHEMA) if rows else _NO_ENTRIES

    def _add(self, now: int, kind: str, once: str | None, **facts: Any) -> None:
        self._rows.append({**dict.fromkeys(ENTRIES_SCHEMA), "at": now, "kind": kind, "once": once, **facts})


def _summary(command: GatewayCommand, pumps: int) -> str:
    """Return the fields of a command that differ from their defaults, in words."""
    defaults = {each.name: each.default for each in msgspec.structs.fields(command)}
    values = [
        f"{name} {value}"
        for name in command.__struct_fields__
        if name not in OWN_COLUMNS and (value := getattr(command, name)) != defaults[name]
    ]
    rest = [f"and {pumps - MAX_PUMPS:,} pumps more than are listed"] if pumps > MAX_PUMPS else []
    return ", ".join([*values, *rest])
