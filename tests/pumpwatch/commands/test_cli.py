"""The command line: help with examples, error messages, exit codes, JSON."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from broker.contract.gateway_messages import Birth, Pumps
from broker.mqtt.endpoint import listening_socket
from pumpwatch.__main__ import app
from pumpwatch.commands import faults
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import choose_port
from pumpwatch.supervision import run_file

ROOT = Path(__file__).resolve().parents[3]


def pumpwatch(*arguments: str, data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty directory, as a user would."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PUMPWATCH_")}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "PUMPWATCH_DATA": str(data), "COLUMNS": "300", **variables}
    command = [sys.executable, "-m", "pumpwatch", *arguments]
    return subprocess.run(
        command, cwd=data, env=environment, capture_output=True, text=True, timeout=60, check=False, input=""
    )


def commands(group: typer.core.TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command.epilog or ""


COMMANDS = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("words", "epilog"), COMMANDS, ids=lambda value: " ".join(value) if len(value) < 5 else "")
def test_every_command_has_an_example_of_itself(words: tuple[str, ...], epilog: str) -> None:
    assert epilog.startswith(f"Example: pumpwatch {' '.join(words)}")


@pytest.mark.parametrize("kind", ["faults", "rules", "signals"])
def test_tables_are_also_available_as_json(kind: str, tmp_path: Path) -> None:
    result = pumpwatch(kind, "--json", data=tmp_path)
    rows = json.loads(result.stdout)
    assert result.returncode == 0
    assert rows
    assert {row["name"] for row in rows} <= set(pumpwatch(kind, data=tmp_path).stdout.replace("│", " ").split())


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    result = pumpwatch("fautls", data=tmp_path)
    assert result.returncode == 2
    assert "No such command" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("inject", "motor_stall", "--pumps", "3", "--ramp", "soon"), 2, "'soon' is not a duration"),
        (("inject", "motor_stall", "--pumps", "3", "--severity", "2"), 2, "'--severity'"),
        (
            ("inject", "motor_stall", "--pumps", "3", "--broker", "mqtt://127.0.0.1:1"),
            1,
            "no broker at mqtt://127.0.0.1:1",
        ),
        (("program", "--pumps", "3", "--steps", "06:00"), 2, "'06:00' is not a step such as 06:00=1.5"),
        (("program", "--pumps", "3", "--days", "Monday"), 2, "'Monday' is not a list of days"),
        (("bolus", "--pumps", "3", "--dose", "20", "--over", "soon"), 2, "'soon' is not a duration"),
        (("refill", "--pumps", "3", "--broker", "mqtt://127.0.0.1:1"), 1, "no broker at mqtt://127.0.0.1:1"),
        (("clear", "--broker", "http://x"), 1, "allowed are mqtt:// and mqtts://"),
        (("run", "--scenario", "nowhere"), 2, "no scenario 'nowhere'"),
        (("run", "--interval", "0s"), 2, "interval"),
        (("run", "--broker", "http://x"), 2, "allowed are mqtt:// and mqtts://"),
        (("process", "--broker", "http://x"), 1, "allowed are mqtt:// and mqtts://"),
        (("user", "add", "vera", "--role", "king", "--password-stdin"), 1, "king"),
    ],
)
def test_a_failure_is_one_sentence_and_an_exit_code(
    arguments: tuple[str, ...], code: int, sentence: str, tmp_path: Path
) -> None:
    result = pumpwatch(*arguments, data=tmp_path)
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert result.returncode == code


def test_an_unknown_setting_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "pumpwatch.toml").write_text("pmups = 3")
    result = pumpwatch("faults", data=tmp_path)
    assert result.returncode == 2
    assert "did you mean pumps?" in " ".join(result.stderr.split())


def test_a_second_run_on_the_same_data_directory_is_refused(tmp_path: Path) -> None:
    with run_file.alone(tmp_path):
        run_file.write(tmp_path, run_file.Running("mqtt://127.0.0.1:1", "http://127.0.0.1:8050/", os.getpid()))
        result = pumpwatch("run", data=tmp_path)
        assert run_file.find(tmp_path) is not None
    assert result.returncode == 1
    assert f"is already running on {tmp_path}" in result.stderr


def test_the_file_of_a_killed_system_is_ignored_even_if_its_process_id_lives_again(tmp_path: Path) -> None:
    run_file.write(tmp_path, run_file.Running("mqtt://127.0.0.1:7", "", os.getpid()))
    assert run_file.find(tmp_path) is None
    assert run_file.broker_of(None, tmp_path) == run_file.DEFAULT_BROKER
    with run_file.alone(tmp_path):
        assert run_file.find(tmp_path) is None


def test_the_broker_of_the_running_system_is_found(tmp_path: Path) -> None:
    with run_file.alone(tmp_path):
        run_file.write(tmp_path, run_file.Running("mqtt://127.0.0.1:7", "", os.getpid()))
        assert run_file.broker_of(None, tmp_path) == "mqtt://127.0.0.1:7"
        assert run_file.broker_of("mqtt://elsewhere", tmp_path) == "mqtt://elsewhere"
    assert run_file.find(tmp_path) is None


def test_only_the_owner_can_read_the_run_file_and_it_has_no_key(tmp_path: Path) -> None:
    address = run_file.without_key("http://127.0.0.1:8050/?key=secret")
    run_file.write(tmp_path, run_file.Running("mqtt://u:p@127.0.0.1", address, os.getpid()))
    assert address == "http://127.0.0.1:8050/"
    assert (tmp_path / run_file.FILE).stat().st_mode & 0o077 == 0


def test_the_dashboard_takes_the_next_free_port_unless_one_was_given() -> None:
    lines: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert choose_port("127.0.0.1", port, chosen=False, say=lines.append) > port
        assert f"port {port} is in use" in lines[0]
        with pytest.raises(CommandError, match=f"port {port} on 127.0.0.1 is in use"):
            choose_port("127.0.0.1", port, chosen=True, say=lines.append)


@pytest.mark.parametrize("chosen", [True, False])
def test_a_port_of_ipv6_is_checked_on_ipv6(chosen: bool, ipv6: str) -> None:
    with listening_socket(ipv6, 0) as taken:
        port = taken.getsockname()[1]
        if chosen:
            with pytest.raises(CommandError, match=f"port {port} on {ipv6} is in use"):
                choose_port(ipv6, port, chosen=True, say=print)
        else:
            assert choose_port(ipv6, port, chosen=False, say=print) > port
    assert choose_port(ipv6, port, chosen=chosen, say=print) == port


@pytest.mark.parametrize("chosen", [True, False])
def test_an_address_of_another_machine_is_not_called_a_port_in_use(chosen: bool) -> None:
    with pytest.raises(CommandError, match=r"cannot listen at 192\.0\.2\.1:8050: .*choose another --host or --port"):
        choose_port("192.0.2.1", 8050, chosen=chosen, say=print)


BIRTHS = [
    (3, Birth(gateway="a", pumps=Pumps(serial=["ITB-000000", "ITB-000001", "ITB-000002"]), sent=0, time=0)),
    (9, Birth(gateway="b", pumps=Pumps(serial=["ITB-000003", "MY-1"]), sent=0, time=0)),
]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("1", {"a": ["ITB-000001"]}),
        ("1-3", {"a": ["ITB-000001", "ITB-000002"], "b": ["ITB-000003"]}),
        ("0, 2", {"a": ["ITB-000000", "ITB-000002"]}),
        ("MY-1,ITB-000000", {"a": ["ITB-000000"], "b": ["MY-1"]}),
        ("all", {"a": ["ITB-000000", "ITB-000001", "ITB-000002"], "b": ["ITB-000003", "MY-1"]}),
    ],
)
def test_pumps_are_found_at_their_gateways(wanted: str, chosen: dict[str, list[str]]) -> None:
    assert {birth.gateway: serials for _, birth, serials in faults.choose(BIRTHS, wanted)} == chosen


@pytest.mark.parametrize("wanted", ["4", "2-9", "MY-2", "3-1", "-1", "", ","])
def test_pumps_outside_the_fleet_are_refused(wanted: str) -> None:
    with pytest.raises(typer.BadParameter):
        faults.choose(BIRTHS, wanted)


def test_an_unknown_fault_is_refused_with_the_known_ones_and_a_suggestion() -> None:
    text = faults.unknown_fault("motor_stal", ["silent_pump", "motor_stall"])
    assert (
        text
        == "no gateway knows the fault 'motor_stal'; did you mean motor_stall? known faults: motor_stall, silent_pump"
    )


def test_doctor_lists_its_findings_and_exits_with_0(tmp_path: Path) -> None:
    result = pumpwatch("doctor", "--json", data=tmp_path)
    findings = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert findings["Python"]["state"] == "ok"
    assert findings["data directory"]["state"] == "ok"
    assert findings["system"]["text"] == f"none is running on {tmp_path}"
    assert result.returncode == 0


def test_doctor_exits_with_1_if_the_broker_is_unreachable(tmp_path: Path) -> None:
    result = pumpwatch("doctor", "--broker", "mqtt://127.0.0.1:1", data=tmp_path)
    assert result.returncode == 1
    assert "no broker at mqtt://127.0.0.1:1" in result.stdout
