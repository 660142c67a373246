"""`run --cluster` and `process --cluster`: what is refused before anything starts, and what is started."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.nats_server import Ports
from pumpwatch.__main__ import app
from pumpwatch.commands import cluster_broker, cluster_node, cluster_run
from pumpwatch.commands.errors import CommandError


@pytest.mark.parametrize(
    "words", [("--gateway-tls",), ("--gateway-host", "0.0.0.0"), ("--broker", "mqtt://b"), ("--metrics-port", "9000")]
)
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
        cluster_node.place_of(url, 8222, None)
    assert "secret" not in str(error.value)


def test_several_servers_are_read_with_their_logins() -> None:
    assert cluster_node.hosts_of("nats://u:p@one:4222, nats://two") == ["one", "two"]


def test_nodes_are_parts_of_their_own_and_their_password_is_in_no_command_line(tmp_path: Path) -> None:
    broker = cluster_broker.plan(tmp_path, Ports(4222, 1883, 8222), 8)
    password = (tmp_path / "secrets" / cluster_broker.PASSWORD_FILE).read_text().strip()
    parts = cluster_run.nodes_of(3, broker, ("pumpwatch", "process"), {})
    assert [part.name for part in parts] == ["node-1", "node-2", "node-3"]
    assert all(password not in " ".join((*part.command, *broker.flags)) for part in parts)
    assert all(password in part.environment["PUMPWATCH_CLUSTER"] for part in parts)
    assert stat.S_IMODE((tmp_path / "secrets" / cluster_broker.PASSWORD_FILE).stat().st_mode) == 0o600


def test_a_number_of_ranges_that_does_not_divide_the_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="5 ranges are not possible"):
        cluster_broker.plan(tmp_path, Ports(4222, 1883, 8222), 5)


@pytest.mark.parametrize("command", ["process", "run"])
def test_a_single_processor_does_not_run_on_the_directory_of_a_cluster(tmp_path: Path, command: str) -> None:
    (tmp_path / "cluster.json").write_text("{}")
    found = CliRunner().invoke(app, [command, "--data", str(tmp_path)])
    assert isinstance(found.exception, CommandError)
    assert "is the data directory of a cluster" in str(found.exception)
