"""Scenarios of the simulator: which there are, what plays, and commands to it."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from broker.contract.commands import MAX_SCENARIO_CHARS, Playback
from broker.mqtt.address import LinkError
from broker.mqtt.request_reply import AddressedCommand
from broker.truth.playback import CATALOGUE_FILE, STATE_FILE, Catalogue, PlaybackState, ScenarioEntry
from dashboard.access.accounts import VISITOR
from dashboard.data.services import Answer, DataService

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
STALE_MS: Final = 15_000
"""A simulator that plays writes its state every second."""
SPEEDS: Final = (1.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
ONLY: Final = "only engineers and admins may play scenarios"
Action = Literal["start", "pause", "resume", "stop", "speed", "check", "add", "remove"]
Content = TypeVar("Content")


@dataclass
class _File(Generic[Content]):
    """A file that the simulator replaces; None while there is none that can be read."""

    path: Path
    kind: type[Content]
    _stamp: tuple[int, int] | None = None
    _content: Content | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Content | None:
        with self._lock:
            try:
                found = self.path.stat()
                stamp = (found.st_mtime_ns, found.st_ino)
                if stamp != self._stamp and found.st_size <= MAX_FILE_BYTES:
                    self._content, self._stamp = msgspec.json.decode(self.path.read_bytes(), type=self.kind), stamp
            except (OSError, msgspec.DecodeError):
                self._content, self._stamp = None, None
            return self._content


@dataclass(frozen=True)
class Playing:
    """What plays now: the state as the simulator told it, the position now, and whether the simulator is silent."""

    state: PlaybackState
    position_s: float
    silent: bool


class Scenarios:
    """The scenarios of the simulator that writes to the data directory of the dashboard."""

    def __init__(self, data: DataService) -> None:
        """Read what the simulator tells there, and command it through its gateway."""
        self._data = data
        self._catalogue = _File(data.settings.data / CATALOGUE_FILE, Catalogue)
        self._state = _File(data.settings.data / STATE_FILE, PlaybackState)

    def entries(self) -> list[ScenarioEntry]:
        """Return the scenarios that there are, the built-in ones first; none without a simulator."""
        found = self._catalogue.read()
        return [] if found is None else found.scenarios

    def entry(self, name: str | None) -> ScenarioEntry | None:
        """Return a scenario by its name, None if there is none."""
        return next((one for one in self.entries() if one.name == name), None)

    def playing(self) -> Playing | None:
        """Return what plays, None if no simulator has told it."""
        state = self._state.read()
        if state is None:
            return None
        age_ms = max(0, self._data.now() - state.sent)
        moved_s = min(age_ms, STALE_MS) / 1000 * state.speed if state.state == "playing" else 0.0
        return Playing(state, state.position_s + moved_s, age_ms > STALE_MS)

    async def send(self, action: Action, *, name: str = "", toml: str = "", speed: float | None = None) -> Answer:
        """Command the simulator and return its answer."""
        visitor, catalogue = VISITOR.get(), self._catalogue.read()
        if not visitor.may("inject"):
            await self._data.audit.denied(visitor, "play scenarios")
            return Answer(f"Not done: {ONLY}.", good=False)
        if len(toml) > MAX_SCENARIO_CHARS:
            text = f"Not uploaded: the file has {len(toml):,} characters; allowed are {MAX_SCENARIO_CHARS:,}."
            return Answer(text, good=False)
        shards = dict(self._data.snapshot().gateways.select("gateway", "shard").iter_rows())
        if catalogue is None or catalogue.gateway not in shards:
            return Answer("Not done: no simulator of this data directory is connected.", good=False)
        fields: dict[str, Any] = {"name": name[:100], "toml": toml, "speed": speed}
        command = Playback(id=uuid.uuid4().hex, action=action, who=visitor.name, at=self._data.now(), **fields)
        addressed = AddressedCommand(catalogue.gateway, shards[catalogue.gateway], command)
        try:
            reply = (await self._data.ask(self._data.settings.broker, [addressed]))[0]
        except LinkError as error:
            return Answer(f"Not done: {error}.", good=False)
        return Answer(f"{'Done' if reply.ok else 'Not done'}: {reply.text}.".replace("..", "."), good=reply.ok)


def name_of_file(file: str | None) -> str:
    """Return the name of a scenario from that of its file: "my day.toml" is "my-day"."""
    return re.sub(r"[^\w-]+", "-", Path(file or "").name.removesuffix(".toml")).strip("-")[:60]
