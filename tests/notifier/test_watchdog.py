"""The watchdog: who fails is said by the others, and the heartbeat stays away if not all is well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.contract.notification_routes import Watchdog as Config
from broker.store.part_troubles import PartTrouble
from broker.store.snapshot import Health
from notifier import outside
from notifier.outside import Heartbeat
from notifier.senders import SendError
from notifier.watchdog import Look, Watchdog, missing
from tests.notifier.conftest import HOUR, MINUTE, SECOND, START, Ward

WELL = Health(written=START, connected=True)


@pytest.mark.parametrize(
    ("look", "down"),
    [
        (Look(WELL, answers=True), set()),
        (Look(WELL), set()),
        (Look(None), {"processor"}),
        (Look(Health(written=START - 16_000, connected=False)), {"processor"}),
        (Look(Health(written=START, connected=False), answers=False), {"broker", "dashboard"}),
        (Look(WELL, [PartTrouble("dashboard", "was killed"), PartTrouble("simulator", "x")]), {"dashboard"}),
    ],
)
def test_a_part_that_does_not_answer_is_missing(look: Look, down: set[str]) -> None:
    assert missing(look, START) == down


def test_people_are_notified_of_a_failing_part_and_of_its_return_but_not_of_a_restart(
    ward: Callable[..., Ward],
) -> None:
    found = ward('[[route]]\nname = "all"\nmatch = { site = "Thun" }\nservices = ["pager"]\nwhen = ["raised"]\n')
    watchdog = Watchdog()

    def passes(ms: int, *down: str) -> list[str]:
        before = len(found.got)
        for _ in range(0, ms, 5 * SECOND):
            found.now += 5 * SECOND
            found.desk.advance(found.now, itself=watchdog.look(down, found.now))
            found.deliver()
        return [f"{name}: {outgoing.text.title}" for name, outgoing in found.got[before:]]

    assert passes(15 * SECOND, "processor") == []
    assert passes(MINUTE) == [], "a restart takes less"
    title = "Processor not updating: no alarms are found: system: processor"
    assert passes(MINUTE, "processor") == [f"pager: HIGH: {title}"]
    found.kill()
    watchdog = Watchdog.resumed(found.desk.state.alarms)
    assert passes(10 * MINUTE, "processor") == [], "a notifier that restarts knows what it said"
    assert passes(HOUR, "processor") == [f"pager: Still HIGH: {title}"]
    assert passes(2 * MINUTE) == [f"pager: Returned: {title}"]
    assert passes(2 * HOUR) == []


async def test_the_heartbeat_goes_out_while_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[str] = []

    async def request(_method: str, url: str) -> None:
        beats.append(url)
        if len(beats) == 2:
            raise SendError("answered with status 500")

    monkeypatch.setattr(outside, "request", request)
    heartbeat, config = Heartbeat(), Config(url="https://heartbeat.example/1", interval_s=60.0)

    async def beat(at: int, *, well: bool = True) -> None:
        heartbeat.beat(config, at, well=well)
        if heartbeat._task is not None:
            await heartbeat._task

    await beat(START)
    await beat(START + 30_000)
    assert beats == [config.url]
    assert heartbeat.accepted_at == START
    await beat(START + 60_000)
    assert heartbeat.problem == "answered with status 500"
    await beat(START + 120_000, well=False)
    assert len(beats) == 2, "whoever misses it raises the alarm"
    await beat(START + 125_000)
    assert (len(beats), heartbeat.problem) == (3, "")
    await heartbeat.close()
