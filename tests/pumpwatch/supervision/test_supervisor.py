"""The supervisor, with small fake parts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pumpwatch.supervision import supervisor
from pumpwatch.supervision.part_process import Part
from pumpwatch.supervision.supervisor import PartError, Supervisor, Trouble

ROOT = Path(__file__).resolve().parents[3]
FAKE = Path(__file__).with_name("fake_part.py")
TIMEOUT_S = 20.0


class Stage:
    """The output of fake parts: their notes in a file, the lines printed and the states noted by the supervisor."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes
        self.printed: list[tuple[str, str]] = []
        self.noted: list[tuple[str, ...]] = []
        self.troubles: dict[str, Trouble] = {}

    def part(self, name: str, manner: str = "healthy", **times: float) -> Part:
        return Part(name, (sys.executable, str(FAKE), name, manner, str(self.notes)), **times)

    def of(self, *parts: Part) -> Supervisor:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        say, note = (lambda *line: self.printed.append(line)), (lambda *state: self.noted.append(state))
        return Supervisor(parts, say, environment, note, self._report)

    def _report(self, troubles: Mapping[str, Trouble]) -> None:
        self.troubles = dict(troubles)

    def lines(self, word: str) -> list[str]:
        return [line for line in self.notes.read_text().splitlines() if line.startswith(f"{word} ")]

    def names(self, word: str) -> list[str]:
        return [line.split()[1] for line in self.lines(word)]

    def pids(self) -> list[int]:
        return [int(line.split()[2]) for line in self.lines("start")]

    def printed_by_supervisor(self, text: str) -> bool:
        return any(text in line for part, line in self.printed if part == "pumpwatch")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    notes = tmp_path / "notes"
    notes.touch()
    return Stage(notes)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_parts_start_in_order_and_stop_in_reverse_order(stage: Stage) -> None:
    system = stage.of(stage.part("one"), stage.part("two"), stage.part("three"))
    assert await system.start(asyncio.Event()) == {"one": "fake://one", "two": "fake://two", "three": "fake://three"}
    await system.stop()
    assert stage.names("start") == ["one", "two", "three"]
    assert stage.names("end") == ["three", "two", "one"]
    assert not any(map(runs, stage.pids()))


async def test_parts_of_a_kind_stop_together(stage: Stage) -> None:
    commands = {name: stage.part("node", manner).command for name, manner in (("one", "leaving"), ("two", "leaving"))}
    system = stage.of(stage.part("first"), *(Part(name, command, says="node") for name, command in commands.items()))
    await system.start(asyncio.Event())
    await system.stop()
    assert [line.split()[:2] for line in stage.notes.read_text().splitlines()[3:]] == [
        ["leaving", "node"],
        ["leaving", "node"],
        ["end", "node"],
        ["end", "node"],
        ["end", "first"],
    ]


async def test_the_output_of_a_part_is_printed_under_its_name(stage: Stage) -> None:
    system = stage.of(stage.part("one"))
    await system.start(asyncio.Event())
    await until(lambda: ("one", "one is starting") in stage.printed)
    await system.stop()
    assert not any("READY" in line for _, line in stage.printed)


async def test_a_killed_part_is_restarted_and_the_user_is_informed(stage: Stage) -> None:
    system, stop = stage.of(stage.part("one"), stage.part("two")), asyncio.Event()
    await system.start(stop)
    watching = asyncio.ensure_future(system.watch(stop))
    os.kill(stage.pids()[1], signal.SIGKILL)
    await until(lambda: stage.printed_by_supervisor("two is running again"))
    assert stage.printed_by_supervisor("two was killed (SIGKILL); restarting")
    assert stage.names("start") == ["one", "two", "two"]
    assert stage.noted == [
        ("started", "one", ""),
        ("started", "two", ""),
        ("ended", "two", "was killed (SIGKILL)"),
        ("started", "two", "again"),
    ]
    stop.set()
    await watching
    await system.stop()
    assert not any(map(runs, stage.pids()))


async def test_five_kills_in_a_row_end_neither_the_system_nor_its_other_parts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MIN_WAIT_S", 0.01)
    system, stop = stage.of(stage.part("processor"), stage.part("dashboard")), asyncio.Event()
    await system.start(stop)
    watching = asyncio.ensure_future(system.watch(stop))
    for kills in range(1, 6):
        os.kill(stage.pids()[-1] if kills > 1 else stage.pids()[0], signal.SIGKILL)
        await until(lambda kills=kills: stage.noted.count(("started", "processor", "again")) == kills)
    assert stage.names("start") == ["processor", "dashboard", *5 * ["processor"]]
    assert stage.troubles == {"processor": Trouble("was killed (SIGKILL) 5 times in a row; it is running again")}
    assert not watching.done()
    stop.set()
    await watching
    await system.stop()


async def test_the_wait_before_a_restart_doubles_up_to_its_maximum_and_goes_on_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MIN_WAIT_S", 0.01)
    monkeypatch.setattr(supervisor, "MAX_WAIT_S", 0.03)
    system, stop = stage.of(stage.part("one")), asyncio.Event()
    await system.start(stop)
    system.parts = (stage.part("one", "crash"),)
    watching = asyncio.ensure_future(system.watch(stop))
    os.kill(stage.pids()[0], signal.SIGKILL)
    await until(lambda: len(stage.pids()) == 6)
    waits = [line.partition("restarting in ")[2] for _, line in stage.printed if "restarting in" in line]
    assert waits[:5] == ["0.01 s", "0.02 s", *3 * ["0.03 s"]]
    assert stage.troubles["one"].text.startswith("exited with code 5")
    assert stage.troubles["one"].wait_s == 0.03
    stop.set()
    await watching
    await system.stop()
    assert not any(map(runs, stage.pids()))


async def test_a_part_that_lives_on_after_its_restarts_is_no_trouble_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "QUICK_EXIT_S", 1.0)
    monkeypatch.setattr(supervisor, "MIN_WAIT_S", 0.01)
    system, stop = stage.of(stage.part("one")), asyncio.Event()
    await system.start(stop)
    watching = asyncio.ensure_future(system.watch(stop))
    for kills in (1, 2):
        os.kill(stage.pids()[-1], signal.SIGKILL)
        await until(lambda kills=kills: stage.noted.count(("started", "one", "again")) == kills)
    assert stage.troubles
    await until(lambda: not stage.troubles)
    stop.set()
    await watching
    await system.stop()


async def test_a_part_that_exits_before_it_is_ready_is_an_error_with_its_last_output(stage: Stage) -> None:
    system = stage.of(stage.part("one", "crash"))
    with pytest.raises(PartError, match=r"one exited with code 5 before it was ready:\n    one is starting"):
        await system.start(asyncio.Event())
    await system.stop()


async def test_a_part_that_is_killed_before_it_is_ready_is_tried_again_a_few_times(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MIN_WAIT_S", 0.01)
    system = stage.of(stage.part("one", "killed"))
    with pytest.raises(PartError, match=r"one was killed \(SIGKILL\) before it was ready"):
        await system.start(asyncio.Event())
    await system.stop()
    assert stage.names("start") == 4 * ["one"]


async def test_a_part_that_is_not_ready_in_time_is_an_error(stage: Stage) -> None:
    system = stage.of(stage.part("one", "mute", ready_s=1.0))
    with pytest.raises(PartError, match="one was not ready within 1 s"):
        await system.start(asyncio.Event())
    await system.stop()
    assert not any(map(runs, stage.pids()))


async def test_a_part_that_takes_long_but_reports_progress_is_given_its_time_and_the_user_sees_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 3.0)
    system = stage.of(stage.part("one", "slow", ready_s=4.0))
    assert await system.start(asyncio.Event()) == {"one": "fake://one"}
    await system.stop()
    told = [line for part, line in stage.printed if part == "one" and " of 5 " in line]
    assert told == [f"{n} of 5 started" for n in range(5)] + [f"{n} of 5 signed off" for n in range(5)]
    assert stage.names("end") == ["one"]
    assert not stage.printed_by_supervisor("killing it")


async def test_a_part_whose_progress_ends_before_it_is_ready_is_an_error_that_says_how_far_it_got(stage: Stage) -> None:
    system = stage.of(stage.part("one", "halting", ready_s=4.0))
    with pytest.raises(PartError, match=r"one was not ready within 4 s of its last progress \(1 of 5 started\)"):
        await system.start(asyncio.Event())
    await system.stop()


async def test_a_missing_program_is_an_error(stage: Stage) -> None:
    with pytest.raises(PartError, match="cannot start one: /nowhere: No such file"):
        await stage.of(Part("one", ("/nowhere",))).start(asyncio.Event())


async def test_stopping_during_the_start_stops_the_parts_that_have_started(stage: Stage) -> None:
    system, stop = stage.of(stage.part("one"), stage.part("two", "mute")), asyncio.Event()
    starting = asyncio.ensure_future(system.start(stop))
    await until(lambda: "two" in stage.names("start"))
    stop.set()
    assert await starting is None
    await system.stop()
    assert not any(map(runs, stage.pids()))


async def test_a_part_that_does_not_stop_in_time_is_killed_and_the_user_is_informed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.3)
    system = stage.of(stage.part("one", "stuck"))
    await system.start(asyncio.Event())
    await system.stop()
    assert stage.printed_by_supervisor("one did not stop in time; killing it")
    assert not any(map(runs, stage.pids()))


async def test_the_child_processes_of_a_part_end_with_it(stage: Stage) -> None:
    system = stage.of(stage.part("one", "parent"))
    await system.start(asyncio.Event())
    assert all(map(runs, stage.pids()))
    await system.stop()
    await until(lambda: not any(map(runs, stage.pids())))


async def test_parts_end_when_their_supervisor_is_killed(stage: Stage) -> None:
    script = (
        "import asyncio, os, sys\n"
        "from pumpwatch.supervision.part_process import Part\n"
        "from pumpwatch.supervision.supervisor import Supervisor\n"
        "async def main():\n"
        "    manners = {'one': 'healthy', 'two': 'stuck'}\n"
        "    parts = [Part(n, (sys.executable, sys.argv[1], n, m, sys.argv[2])) for n, m in manners.items()]\n"
        "    await Supervisor(parts, print, os.environ).start(asyncio.Event())\n"
        "    print('UP', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(FAKE), str(stage.notes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "UP":
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert len(stage.pids()) == 2
    await until(lambda: not any(map(runs, stage.pids())))


async def test_a_part_that_refuses_to_run_is_not_restarted_and_the_others_go_on_and_say_why(stage: Stage) -> None:
    system, stop = stage.of(stage.part("one", "refuse"), stage.part("two")), asyncio.Event()
    await system.start(stop)
    watching = asyncio.ensure_future(system.watch(stop))
    await until(lambda: bool(stage.troubles))
    trouble = stage.troubles["one"]
    assert trouble.text.startswith("refuses to run")
    assert trouble.text.endswith("another one is here")
    assert trouble.wait_s is None
    assert not watching.done()
    assert runs(stage.pids()[1])
    stop.set()
    await watching
    await system.stop()
    assert stage.names("start") == ["one", "two"]


async def test_a_part_that_is_wanted_later_is_started_beside_the_others_and_kept_running(stage: Stage) -> None:
    stop, system = asyncio.Event(), stage.of(stage.part("one"))
    await system.start(stop)
    adopting = asyncio.ensure_future(system.adopt(stage.part("late"), stop))
    await until(lambda: ("started", "late", "") in stage.noted)
    os.kill(stage.pids()[-1], signal.SIGKILL)
    await until(lambda: ("started", "late", "again") in stage.noted)
    adopting.cancel()
    await asyncio.gather(adopting, return_exceptions=True)
    await system.stop()
    assert stage.names("start") == ["one", "late", "late"]
    assert not any(runs(pid) for pid in stage.pids())
