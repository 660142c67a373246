"""Passwords of a broker by file, environment and URL: each reaches the broker, and none is shown anywhere."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from broker.mqtt.endpoint import free_port
from pumpwatch.__main__ import app
from pumpwatch.commands.broker_password import Source, choose
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.run_config import Fleet
from pumpwatch.commands.run_parts import RunConfig, parts_of
from pumpwatch.settings import SettingsError
from pumpwatch.supervision import run_file
from tests.broker.accounts import USER, mosquitto_with_password
from tests.conftest import ROOT

SECRET = "zebra#/[@%:ß quagga"
PIECES = (SECRET, quote(SECRET, safe=""), "zebra", "quagga")
"""The password, and what would be left of it if it were cut in pieces."""
TIMEOUT_S = 60.0
NOBODY = "mqtt://anna@127.0.0.1:1"
IN_URL = f"mqtt://anna:{quote(SECRET, safe='')}@127.0.0.1:1"


@pytest.fixture(scope="module")
def port(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a broker that wants `SECRET`; `mosquitto` only says whether there is one here."""
    with mosquitto_with_password(tmp_path_factory.mktemp("broker"), SECRET) as port:
        yield port


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pass word"
    path.write_text(f"{SECRET}\n", "utf-8")
    path.chmod(0o600)
    return path


def pumpwatch(*words: str | Path, data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pumpwatch", *map(str, words), "--data", str(data)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", **variables}
    return subprocess.run(
        command, cwd=data, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def failed(*words: str | Path, data: Path, **variables: str) -> str:
    """Run a command that fails, in this process; return what it prints, with the traceback of its exception."""
    arguments = [*map(str, words), "--data", str(data)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300", **variables})
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit | CommandError | SettingsError)
    return "".join([result.output, *traceback.format_exception(result.exception)])


def assert_secret(*texts: str) -> None:
    """Assert that no piece of the password is in a text."""
    for text in texts:
        for piece in PIECES:
            assert piece not in text, text


@pytest.mark.broker
def test_doctor_reaches_the_broker_with_the_password_of_any_source(
    port: int, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url, answers = f"mqtt://{USER}@127.0.0.1:{port}", f"mqtt://127.0.0.1:{port} answers, MQTT 5"

    def doctor(*words: str | Path, **variables: str) -> str:
        words = ("doctor", "--json", "--data", tmp_path, *words)
        output = CliRunner().invoke(app, [*map(str, words)], env=variables).output
        assert_secret(output)
        return output

    assert answers in doctor("--broker", url, "--password-file", file)
    assert answers in doctor("--broker", url, PUMPWATCH_PASSWORD_FILE=str(file))
    assert answers in doctor(PUMPWATCH_BROKER=url, PUMPWATCH_BROKER_PASSWORD=SECRET)
    assert answers in doctor("--broker", f"mqtt://{USER}:{quote(SECRET, safe='')}@127.0.0.1:{port}")
    (tmp_path / "pumpwatch.toml").write_text(f'broker = "{url}"\npassword-file = "{file}"\n')
    assert answers in doctor()
    # The environment wins over the settings file, the command line over both.
    assert "Not authorized" in doctor(PUMPWATCH_BROKER_PASSWORD="wrong")
    assert answers in doctor("--password-file", file, PUMPWATCH_BROKER_PASSWORD="wrong")
    file.write_text("wrong")
    assert "Not authorized" in doctor()
    (tmp_path / "pumpwatch.toml").unlink()
    assert "Not authorized" in doctor("--broker", url)


class Run:
    """A `pumpwatch run` of three pumps on the broker."""

    def __init__(self, data: Path, *words: str | Path, **variables: str) -> None:
        self.data, self.log = data, data / "log"
        data.mkdir()
        fleet = ("--pumps", "3", "--scenario", "none", "--port", str(free_port()), "--data", str(data))
        command = [sys.executable, "-m", "pumpwatch", "run", *fleet, *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", **variables}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=data, env=environment, stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not re.search(r"Open +http", self.log.read_text()):
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def command_lines(self) -> list[str]:
        """Return what `ps` shows of the parts, without that of `run` itself."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.process.pid:
                with contextlib.suppress(OSError):
                    found.append((entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " "))
        return [line for line in found if str(self.data) in line]

    def files(self) -> dict[str, str]:
        """Return every file of the data directory and of its log, as text."""
        return {
            str(path): path.read_bytes().decode(errors="replace") for path in self.data.rglob("*") if path.is_file()
        }


@contextlib.contextmanager
def running(data: Path, *words: str | Path, **variables: str) -> Iterator[Run]:
    run = Run(data, *words, **variables)
    try:
        run.wait_until_ready()
        yield run
    finally:
        run.process.terminate()
        run.process.wait(TIMEOUT_S)


@pytest.mark.broker
@pytest.mark.skipif(sys.platform != "linux", reason="reads command lines from /proc")
def test_a_run_with_a_password_file_serves_later_commands_and_shows_the_password_nowhere(
    port: int, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("wrong")
    words = ("--broker", f"mqtt://{USER}@127.0.0.1:{port}", "--password-file", file)
    # The parts must not take the file that is only the environment's.
    with running(tmp_path / "data", *words, PUMPWATCH_PASSWORD_FILE=str(tmp_path / "other")) as run:
        injected = pumpwatch("inject", "motor_stall", "--pumps", "1", "--json", data=run.data)
        assert "motor_stall begins on 1 pump" in injected.stdout, injected.stderr
        assert len(run.command_lines()) == 3
        assert_secret(injected.stdout, injected.stderr, *run.command_lines(), *run.files().values())
    assert run.process.returncode == 0
    assert_secret(run.log.read_text())
    assert "warning" not in run.log.read_text()


@pytest.mark.broker
@pytest.mark.skipif(sys.platform != "linux", reason="reads command lines from /proc")
def test_a_run_with_a_password_of_the_environment_stores_it_nowhere(port: int, tmp_path: Path) -> None:
    with running(
        tmp_path / "data", "--broker", f"mqtt://{USER}@127.0.0.1:{port}", PUMPWATCH_BROKER_PASSWORD=SECRET
    ) as run:
        injected = pumpwatch("inject", "motor_stall", "--pumps", "1", data=run.data, PUMPWATCH_BROKER_PASSWORD=SECRET)
        assert "motor_stall begins on 1 pump" in injected.stdout, injected.stderr
        refused = failed("inject", "motor_stall", "--pumps", "1", data=run.data)
        assert "Not authorized" in refused
        assert_secret(refused, *run.command_lines(), *run.files().values())
    assert_secret(run.log.read_text())


def test_a_password_in_the_url_of_a_run_is_kept_in_one_file_of_its_owner(tmp_path: Path) -> None:
    run_file.write(tmp_path, run_file.Running(IN_URL, "http://127.0.0.1:8050", 1))
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    fleet = Fleet(3, 60.0, 1, None)
    config = RunConfig(tmp_path, fleet, None, 60.0, "auto", IN_URL, None, "127.0.0.1", 8050, "key")
    for part in parts_of(config):
        assert_secret(" ".join(part.command))
        assert part.environment["PUMPWATCH_BROKER"] == IN_URL
        assert part.environment["PUMPWATCH_BROKER_PASSWORD"] == ""
    assert_secret(repr(config))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("doctor", "--broker", IN_URL), "no broker at mqtt://127.0.0.1:1"),
        (("inject", "motor_stall", "--pumps", "1", "--broker", IN_URL), "no broker at mqtt://127.0.0.1:1"),
        (("clear", "--broker", f"mqtt://anna:{SECRET}@127.0.0.1"), "cannot be read"),
        (("doctor", "--broker", f"{SECRET}://host"), "cannot be read"),
        (("bolus", "--pumps", "1", "--dose", "1", "--broker", "http://anna:zebra@h"), "another scheme"),
        (("pump", "retire", "--pumps", "x", "--broker", "{url}", "--password-file", "{file}"), "given twice"),
        (("simulate", "--broker", "mqtt://h", "--password-file", "{file}"), "write mqtt://USER@host"),
        (("run", "--password-file", "{file}"), "name it with --broker mqtts://USER@host"),
        (("stop", "--pumps", "1", "--broker", NOBODY, "--password-file", "{file}"), "no broker at"),
        (("stop", "--pumps", "1", "--broker", NOBODY, "--password-file", "{folder}"), "is a directory"),
        (("stop", "--pumps", "1", "--broker", NOBODY, "--password-file", "~nobody-here/x"), "no such home directory"),
    ],
)
def test_a_command_that_fails_shows_no_password(
    words: tuple[str, ...], sentence: str, file: Path, tmp_path: Path
) -> None:
    values = {"{url}": IN_URL, "{file}": str(file), "{folder}": str(tmp_path)}
    output = failed(*(values.get(word, word) for word in words), data=tmp_path)
    assert sentence in output
    assert_secret(output)


@pytest.mark.parametrize(
    ("url", "password", "sentence"),
    [
        ("mqtt://host", SECRET, "write mqtt://USER@host"),
        ("mqtt://anna@127.0.0.1:1", SECRET, "no broker at mqtt://127.0.0.1:1"),
        ("mqtt://anna@host", f"{SECRET}\nx", "the variable PUMPWATCH_BROKER_PASSWORD has more than one line"),
        ("mqtt://anna@host", f"{SECRET}\udce4", "the variable PUMPWATCH_BROKER_PASSWORD is not UTF-8"),
        ("mqtt://anna:zebra@host", SECRET, "given twice"),
    ],
)
def test_a_variable_that_cannot_be_used_is_not_shown(url: str, password: str, sentence: str, tmp_path: Path) -> None:
    variables = {"PUMPWATCH_BROKER": url, "PUMPWATCH_BROKER_PASSWORD": password}
    output = failed("clear", data=tmp_path, **variables)
    assert sentence in output
    assert_secret(output)


def test_a_run_that_starts_its_own_broker_has_no_use_for_a_password(tmp_path: Path) -> None:
    output = failed("run", data=tmp_path, PUMPWATCH_BROKER_PASSWORD=SECRET)
    assert "the password of PUMPWATCH_BROKER_PASSWORD needs a broker of your own" in output
    assert_secret(output)


def test_a_password_that_the_system_cannot_use_is_ignored(tmp_path: Path) -> None:
    """The variable may be set for another broker."""
    output = failed("stop", "--pumps", "1", data=tmp_path, PUMPWATCH_BROKER_PASSWORD=SECRET)
    assert "USER@host" not in output


def test_a_password_file_that_everyone_can_read_is_used_with_a_warning(file: Path, tmp_path: Path) -> None:
    file.chmod(0o644)
    output = failed("clear", "--broker", NOBODY, "--password-file", file, data=tmp_path)
    assert f"every user of this machine can read the password file {file}; chmod 600 it" in output
    assert "no broker at" in output


def test_of_two_sources_the_nearer_wins_and_equals_are_refused() -> None:
    assert choose({Source.FILE: 2, Source.VARIABLE: 1, Source.URL: 3}) is Source.VARIABLE
    assert choose({Source.FILE: 1, Source.URL: 0}) is Source.URL
    assert choose({}) is None
    with pytest.raises(CommandError, match="by --password-file and by PUMPWATCH_BROKER_PASSWORD; remove one"):
        choose({Source.FILE: 1, Source.VARIABLE: 1, Source.URL: 3})
