"""`run --cluster` and `process --cluster`: what is refused before anything starts, and what is started."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from broker.mqtt.address import parse_url
from cluster import log_retention
from cluster.log_retention import Retention
from cluster.nats_server import Ports
from pumpwatch.__main__ import app
from pumpwatch.commands import cluster_broker, cluster_node, cluster_options, cluster_run, run_parts
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.run_config import Fleet
from pumpwatch.commands.run_parts import RunConfig


@pytest.mark.parametrize("words", [("--gateway-tls",), ("--gateway-host", "0.0.0.0"), ("--broker", "mqtt://b")])
def test_options_that_a_cluster_on_this_machine_does_not_have_are_refused(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    found = CliRunner().invoke(app, ["run", "--cluster", "2", "--data", str(tmp_path), *words])
    assert found.exit_code == 2
    assert words[0] in found.output
    assert "cannot be used with --cluster" in found.output


@pytest.mark.parametrize(
    "url", ["127.0.0.1:4222", "mqtt://127.0.0.1", "nats://", "nats://secret@[::1", "nats://a:1,http://b"]
)
def test_an_address_that_is_none_of_a_cluster_is_refused_without_being_quoted(tmp_path: Path, url: str) -> None:
    with pytest.raises(CommandError, match="write nats://host:port") as error:
        cluster_node.place_of(url, "8222", None)
    assert "secret" not in str(error.value)


def test_several_servers_are_read_with_their_logins() -> None:
    assert cluster_node.hosts_of("nats://u:p@one:4222, nats://two") == ["one", "two"]


def test_each_server_is_monitored_at_its_own_port_or_all_at_one() -> None:
    pytest.importorskip("nats", reason="nats-py is not installed")
    three = "nats://u:p@one,nats://u:p@two,nats://u:p@three"
    assert cluster_node.place_of(three, "8222", None).monitors == (("one", 8222), ("two", 8222), ("three", 8222))
    assert cluster_node.place_of(three, "1, 2,3", None).monitors == (("one", 1), ("two", 2), ("three", 3))
    with pytest.raises(CommandError, match="names 3 servers and --cluster-monitor 2 ports"):
        cluster_node.place_of(three, "1,2", None)


@pytest.mark.parametrize("text", ["", "x", "1,", "0", "65536", "-1", "１", "9" * 400])
def test_ports_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="ports"):
        cluster_options.ports_of(text)


@pytest.mark.parametrize("words", [("--servers", "2", "--cluster", "1"), ("--servers", "3")])
def test_numbers_of_servers_that_make_no_cluster_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = CliRunner().invoke(app, ["run", "--data", str(tmp_path), *words])
    assert found.exit_code == 2
    assert "--servers" in found.output


def test_three_servers_know_each_other_and_everybody_knows_all_of_them(tmp_path: Path) -> None:
    ports, routes = cluster_broker.free_ports(3)
    broker = cluster_broker.plan_several(tmp_path, ports, routes, 8)
    parts = cluster_run.servers_of(broker, ("pumpwatch", "broker"), (), lambda _: ())
    assert [part.name for part in parts] == ["broker-1", "broker-2", "broker-3"]
    assert len({each.directory for each in broker.servers}) == len({each.name for each in broker.servers}) == 3
    assert broker.node_flags[1] == ",".join(str(each.monitor) for each in ports)
    address = parse_url(broker.url(""))
    assert [address.port, *(port for _, port in address.more)] == [each.mqtt for each in ports]
    assert broker.variables_of_nodes()["PUMPWATCH_CLUSTER"].count("nats://") == 3
    assert len({*routes, *(port for each in ports for port in (each.client, each.mqtt, each.monitor))}) == 12


def test_nodes_are_parts_of_their_own_and_their_password_is_in_no_command_line(tmp_path: Path) -> None:
    broker = cluster_broker.plan(tmp_path, Ports(4222, 1883, 8222), 8)
    password = (tmp_path / "secrets" / cluster_broker.PASSWORD_FILE).read_text().strip()
    parts = cluster_run.nodes_of(3, broker, ("pumpwatch", "process"), {}, lambda _: ())
    assert [part.name for part in parts] == ["node-1", "node-2", "node-3"]
    assert all(password not in " ".join((*part.command, *broker.flags)) for part in parts)
    assert all(password in part.environment["PUMPWATCH_CLUSTER"] for part in parts)
    assert stat.S_IMODE((tmp_path / "secrets" / cluster_broker.PASSWORD_FILE).stat().st_mode) == 0o600


def test_each_node_and_server_serves_its_metrics_at_a_port_of_its_own(tmp_path: Path) -> None:
    broker = cluster_broker.plan_several(tmp_path, *cluster_broker.free_ports(3), 8)
    fleet = Fleet(pumps=1, interval_s=60.0, seed=1, scenario=None)
    config = RunConfig(tmp_path, fleet, None, 60.0, "auto", None, broker, "127.0.0.1", 8050, "key", nodes=3)
    ports = {
        part.name: int(part.command[part.command.index("--metrics-port") + 1])
        for part in run_parts.parts_of(replace(config, metrics_port=9464))
    }
    assert ports == {
        "node-1": 9464,
        "dashboard": 9465,
        "simulator": 9466,
        "broker-1": 9468,
        "node-2": 9469,
        "node-3": 9470,
        "broker-2": 9471,
        "broker-3": 9472,
    }
    assert "--metrics-port" not in str(run_parts.parts_of(config))


def test_ports_of_metrics_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    words = ["run", "--cluster", "3", "--servers", "3", "--metrics-port", "65530", "--data", str(tmp_path)]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 2
    assert "65530 leaves no ports for all 9 parts" in found.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--cluster", "1", "--cluster-log-size", "0.01"), "0.01 GB are too little; use at least 0.05"),
        (("--cluster", "1", "--cluster-log-hours", "0.01"), "0.01 hours are too little; use at least 0.1"),
        (("--cluster", "1", "--cluster-log-hours", "-1"), "should be greater than or equal to 0"),
        (("--cluster", "1", "--cluster-log-size", "1e9"), "should be less than or equal to 100000"),
        (("--cluster-log-hours", "24"), "--cluster-log-hours is for a cluster"),
    ],
)
def test_a_retention_that_is_none_is_refused(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    found = CliRunner().invoke(app, ["run", "--data", str(tmp_path), *words])
    assert found.exit_code != 0
    output = " ".join(found.output.replace("│", "").split())
    assert says in f"{output} {found.exception}"


def test_servers_have_room_for_the_log_that_is_asked_for_and_for_the_one_chosen_before(tmp_path: Path) -> None:
    ports = Ports(4222, 1883, 8222)
    asked = cluster_broker.plan(tmp_path, ports, 8, log_gb=30.0).settings
    assert asked.max_bytes >= 40e9
    assert cluster_broker.flags_of(asked)[-2:] == ("--cluster-log-size", "30.0")
    assert cluster_run.node_flags("", 30.0, 0.0) == ("--cluster-log-size", "30.0", "--cluster-log-hours", "0.0")
    log_retention.choose(tmp_path, Retention(size_gb=30.0), [asked.max_bytes])
    assert cluster_broker.plan(tmp_path, ports, 8).settings.max_bytes == asked.max_bytes


def test_a_number_of_ranges_that_does_not_divide_the_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="5 ranges are not possible"):
        cluster_broker.plan(tmp_path, Ports(4222, 1883, 8222), 5)


@pytest.mark.parametrize("command", ["process", "run"])
def test_a_single_processor_does_not_run_on_the_directory_of_a_cluster(tmp_path: Path, command: str) -> None:
    (tmp_path / "cluster.json").write_text("{}")
    found = CliRunner().invoke(app, [command, "--data", str(tmp_path)])
    assert isinstance(found.exception, CommandError)
    assert "is the data directory of a cluster" in str(found.exception)
