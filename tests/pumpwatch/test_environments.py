"""Odd surroundings of the command line: locale, home directory, streams, narrow terminals, names of directories."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.mqtt.endpoint import free_port
from tests.conftest import ROOT, missing

TIMEOUT_S = 60.0
PLAIN = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1"}
"""An environment without HOME, locale and terminal."""
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
PUMPWATCH = [sys.executable, "-m", "pumpwatch"]


def pumpwatch(*words: str | Path, cwd: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a session without a terminal."""
    return subprocess.run(
        [*PUMPWATCH, *map(str, words)],
        cwd=cwd,
        env={**PLAIN, **variables},
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
        start_new_session=True,
    )


def shell(line: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of the shell in which PUMPWATCH is the command."""
    line = line.replace("PUMPWATCH", "exec " + " ".join(PUMPWATCH))
    command, environment = ["sh", "-c", line], {**PLAIN, **variables}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.mark.parametrize("variables", [ASCII, {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}], ids=["ascii", "latin-1"])
def test_json_is_complete_in_every_encoding(variables: dict[str, str], tmp_path: Path) -> None:
    usual = json.loads(pumpwatch("signals", "--json", cwd=tmp_path).stdout)
    done = subprocess.run(
        [*PUMPWATCH, "signals", "--json"], cwd=tmp_path, env={**PLAIN, **variables}, capture_output=True, check=True
    )
    assert json.loads(done.stdout.decode(variables["PYTHONIOENCODING"])) == usual
    assert "µL/h" in {row["unit"] for row in usual}


def test_tables_are_readable_where_only_ascii_can_be_shown(tmp_path: Path) -> None:
    done = pumpwatch("signals", cwd=tmp_path, **ASCII)
    assert done.returncode == 0, done.stderr
    assert "uL/h" in done.stdout
    assert done.stdout.isascii()
    refused = pumpwatch("journal", "--from", "µ", cwd=tmp_path, COLUMNS="200", **ASCII)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_a_directory_that_the_locale_cannot_name_is_refused_with_the_remedy(tmp_path: Path) -> None:
    for words, variable in ((("--data", "Sömmer"), ""), ((), "Sömmer")):
        refused = pumpwatch("journal", *words, cwd=tmp_path, COLUMNS="400", PUMPWATCH_DATA=variable, **ASCII)
        assert "needs a locale with UTF-8; set PYTHONUTF8=1, or LC_ALL=C.UTF-8" in refused.stderr
        assert refused.returncode == 2
    (tmp_path / "pumpwatch.toml").write_text('data = "Sömmer"\n', "utf-8")
    refused = pumpwatch("journal", cwd=tmp_path, **ASCII)
    assert "'--data'" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert pumpwatch("journal", cwd=tmp_path, LC_ALL="C").returncode == 0


def test_a_home_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    user = ("user", "add", "vera", "--role", "viewer", "--password-stdin")
    for words, home in ((("doctor",), "/proc/nobody"), (("run",), "/proc/nobody"), (user, f"{tmp_path}/file/below")):
        done = pumpwatch(*words, cwd=tmp_path, stdin="long enough for a password\n", HOME=home, COLUMNS="300")
        output = done.stdout + done.stderr
        assert done.returncode == 1, output
        assert home.removesuffix("/below") in output
        assert "Traceback" not in output


def test_closed_streams_are_as_the_null_device(tmp_path: Path) -> None:
    for line in (
        "rules --json >&-",
        "doctor --data d >&- 2>&-",
        "journal --data d <&- >&-",
        "alarms --data d <&- 2>&-",
    ):
        done = shell(f"PUMPWATCH {line}", tmp_path)
        assert done.returncode == ("alarms" in line), done.stderr
        assert done.stdout == done.stderr == ""
    refused = shell("PUMPWATCH user add vera --role viewer --password-stdin --data d <&-", tmp_path)
    assert "the password has 0 characters" in refused.stderr
    assert refused.returncode == 1


def test_what_is_printed_to_a_closed_stream_reaches_no_file(tmp_path: Path) -> None:
    """The system gives the lowest free number to the next file; a library may print to number 1 all the same."""
    code = "from pumpwatch.supervision import streams; import os; streams.prepare(); file = open('f', 'w')"
    done = shell(f"exec {sys.executable} -c \"{code}; os.write(1, b'x'); os.write(2, b'x')\" <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "f").read_text() == ""


def test_without_a_terminal_the_command_names_the_flag_instead_of_asking(tmp_path: Path) -> None:
    refused = pumpwatch("user", "add", "vera", "--role", "viewer", cwd=tmp_path)
    assert refused.stderr == "pumpwatch: there is no terminal to ask for the password; give it with --password-stdin\n"
    assert refused.returncode == 1


@pytest.mark.parametrize("words", [("rules",), ("signals", "--json"), ("doctor", "--data", "d")])
def test_a_reader_that_leaves_ends_the_command_without_a_word(words: tuple[str, ...], tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PUMPWATCH, *words], cwd=tmp_path, env=PLAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_full_disk_behind_the_output_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        missing("/dev/full")
    for words in ("rules", "signals --json"):
        done = shell(f"PUMPWATCH {words} > /dev/full", tmp_path)
        assert done.stderr == "pumpwatch: cannot write the output: No space left on device\n"
        assert done.returncode == 1


@pytest.mark.parametrize("columns", ["0", "1"])
def test_words_stay_whole_in_a_narrow_terminal(columns: str, tmp_path: Path) -> None:
    for words, text in ((("signals",), "temperature_c"), (("doctor", "--port", "x"), "Invalid value for '--port'")):
        done = pumpwatch(*words, cwd=tmp_path, COLUMNS=columns)
        assert text in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


class Run:
    """A `pumpwatch run` of three pumps in a directory with an odd name, without a home, a terminal and a locale."""

    def __init__(self, data: Path) -> None:
        self.data, self.log = data, data.parent / "log"
        fleet = ("--pumps", "3", "--scenario", "none", "--port", str(free_port()), "--data", str(data))
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*PUMPWATCH, "run", *fleet],
                cwd=data.parent,
                env={**PLAIN, "LANG": "C", "HOME": "/proc/nobody"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until(self, text: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not re.search(text, self.log.read_text()):
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path / "Sömmer [data] * ? %41 #1 {x}'\"")
    yield run
    if run.process.poll() is None:
        run.process.terminate()
        run.process.wait(TIMEOUT_S)


def test_a_system_runs_in_a_directory_with_an_odd_name(run: Run, tmp_path: Path) -> None:
    run.until("Open +http")
    injected = pumpwatch("inject", "motor_stall", "--pumps", "1", "--data", run.data, cwd=tmp_path, LANG="C")
    assert "motor_stall begins on 1 pump" in injected.stdout, injected.stderr
    assert pumpwatch("alarms", "--data", run.data, cwd=tmp_path, LANG="C").stdout.startswith("0 open alarms")
    (tmp_path / "pumpwatch.toml").write_text(f"data = {json.dumps(str(run.data))}\n", "utf-8")
    assert "motor_stall" in pumpwatch("journal", "--json", cwd=tmp_path, LANG="C").stdout
    exported = pumpwatch("export", cwd=tmp_path, LANG="C")
    assert "ITB-000002" in exported.stdout, exported.stderr
    checked = pumpwatch("doctor", cwd=tmp_path, LANG="C")
    assert checked.returncode == 0, checked.stdout
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(TIMEOUT_S) == 0
    assert "Traceback" not in run.log.read_text()
    assert (run.data / "broker" / "mosquitto.db").exists() or "embedded" in run.log.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {run.data.name, "log", "pumpwatch.toml"}
