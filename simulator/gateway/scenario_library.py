"""Scenarios that can be played: the built-in ones, and those that engineers uploaded into the data directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.store import secret_files
from broker.truth.playback import MAX_STEPS, ScenarioEntry, Step
from simulator.playback.notation import ScenarioError
from simulator.playback.scenario import FOLDER, Scenario, ScheduledEvent, ScheduledFault, load, parse

UPLOADS: Final = "scenarios"
MAX_UPLOADS: Final = 50
NAME: Final = re.compile(r"[\w-]{1,60}")


@dataclass(frozen=True)
class ScenarioLibrary:
    """The built-in scenarios, and the uploaded ones in a folder of the directory `data`; None keeps none."""

    data: Path | None

    def scenario(self, name: str) -> Scenario:
        """Return a scenario by its name; raises `ScenarioError`."""
        uploaded = self._uploaded(name)
        return load(str(uploaded)) if uploaded is not None and uploaded.is_file() else load(_checked(name))

    def check(self, name: str, text: str) -> Scenario:
        """Return the scenario in the text of a file, or raise `ScenarioError` with its line and what is allowed."""
        return parse(text, f"{_checked(name)}.toml")

    def add(self, name: str, text: str) -> None:
        """Keep an uploaded scenario, which replaces one of the same name; raises `ScenarioError`."""
        self.check(name, text)
        path = self._uploaded(name)
        if path is None:
            raise ScenarioError("this simulator has no data directory to keep scenarios in")
        if (FOLDER / path.name).exists():
            raise ScenarioError(f"{name} is the name of a built-in scenario; choose another name")
        if not path.exists() and len(self._uploads()) >= MAX_UPLOADS:
            raise ScenarioError(f"{MAX_UPLOADS} scenarios are uploaded, which is the limit; remove one")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            secret_files.write(path, text.encode())
        except OSError as error:
            raise ScenarioError(f"the scenario cannot be kept: {error.strerror or error}") from error

    def remove(self, name: str) -> None:
        """Forget an uploaded scenario; raises `ScenarioError` if there is none of that name."""
        path = self._uploaded(name)
        if path is None or not path.is_file():
            raise ScenarioError(f"no uploaded scenario is named {name[:60]!r}")
        path.unlink()

    def entries(self) -> list[ScenarioEntry]:
        """Return every scenario, the built-in ones first; uploaded ones that are not valid any more are left out."""
        return [_entry(path, uploaded=False) for path in sorted(FOLDER.glob("*.toml"))] + [
            entry for path in self._uploads() if (entry := _uploaded_entry(path)) is not None
        ]

    def _uploads(self) -> list[Path]:
        return [] if self.data is None else sorted((self.data / UPLOADS).glob("*.toml"))

    def _uploaded(self, name: str) -> Path | None:
        return None if self.data is None else self.data / UPLOADS / f"{_checked(name)}.toml"


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ScenarioError(f"the name is {name[:80]!r}; use 1 to 60 letters, digits, - or _")
    return name


def _uploaded_entry(path: Path) -> ScenarioEntry | None:
    try:
        return _entry(path, uploaded=True)
    except ScenarioError:
        return None


def _entry(path: Path, *, uploaded: bool) -> ScenarioEntry:
    scenario, text = load(str(path)), path.read_text(encoding="utf-8")
    every: list[ScheduledFault | ScheduledEvent] = [*scenario.faults, *scenario.events]
    entries = sorted(every, key=lambda entry: entry.at_s)
    return ScenarioEntry(
        name=path.stem,
        uploaded=uploaded,
        description=description(text),
        pumps=scenario.pumps,
        days=scenario.days,
        random=bool(scenario.random.rate_factor or scenario.random.event_factor),
        steps=tuple(_step(entry) for entry in entries[:MAX_STEPS]),
        steps_left_out=max(0, len(entries) - MAX_STEPS),
        toml=text,
    )


def description(text: str) -> str:
    """Return the comment at the beginning of a file as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def _step(entry: ScheduledFault | ScheduledEvent) -> Step:
    severities = sorted({min(entry.severity), max(entry.severity)}) if isinstance(entry, ScheduledFault) else []
    return Step(
        at_s=entry.at_s,
        kind="fault" if isinstance(entry, ScheduledFault) else "event",
        name=entry.name,
        pumps=_which(entry),
        hold_s=entry.hold_s,
        severity=" to ".join(f"{one:g}" for one in severities),
    )


def _which(entry: ScheduledFault | ScheduledEvent) -> str:
    if entry.pumps is not None:
        return f"pumps {entry.pumps}"
    share = "all" if entry.fraction is None else f"{100 * entry.fraction:g} %"
    return f"{share} of {f'lot {entry.lot}' if entry.lot else 'the pumps'}"
