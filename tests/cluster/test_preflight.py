"""A processor joins a cluster only if all that it relies on holds; otherwise one sentence says what to change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from broker.mqtt.local_broker import free_port
from cluster.preflight import (
    Existing,
    Facts,
    Identity,
    Server,
    Unreachable,
    problems,
    read_server,
    server_of,
    version_of,
)
from tests.server_process import program_of, running

FINE = Server("nats-1", "2.15.1", jetstream=True, synced=True)
OURS = Identity("ward", 8)
JOINING = Facts([FINE], "/srv/data", directory=OURS, cluster=OURS, ranges=8)
AWAY = Unreachable("http://10.0.0.9:8222", "Connection refused")


def only(facts: Facts) -> str:
    """Return the only sentence about these facts."""
    (sentence,) = problems(facts)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_a_cluster_that_fits_has_no_problem() -> None:
    assert problems(JOINING) == []


def test_the_first_processor_of_a_new_cluster_with_an_empty_directory_may_join() -> None:
    assert problems(replace(JOINING, directory=None, cluster=None)) == []


def test_one_of_three_servers_may_be_away() -> None:
    assert problems(replace(JOINING, servers=[FINE, replace(FINE, name="nats-2"), AWAY])) == []


def test_an_unreachable_cluster_is_all_that_is_said() -> None:
    facts = replace(JOINING, servers=[AWAY], directory=Identity("other", 4))
    assert only(facts) == (
        "The NATS server http://10.0.0.9:8222 is unreachable: Connection refused; more than half of the 1 must "
        "answer, and 0 did. Start it, or correct its address."
    )


def test_one_of_two_servers_is_no_majority() -> None:
    assert "more than half of the 2 must answer, and 1 did" in only(replace(JOINING, servers=[FINE, AWAY]))


def test_without_any_address_one_is_asked_for() -> None:
    assert "No address of a NATS server was given" in only(replace(JOINING, servers=[]))


@pytest.mark.parametrize("version", ["2.10.22", "2.9.10", "1.4.1", "0.0.0", "newest", ""])
def test_a_server_that_is_too_old_is_named_with_its_version(version: str) -> None:
    sentence = only(replace(JOINING, servers=[replace(FINE, version=version)]))
    assert f"nats-1 is version {version}, " in sentence
    assert sentence.endswith("install 2.11 or newer.")


@pytest.mark.parametrize("version", ["2.11.0", "v2.15.1", "2.12.0-RC.3", "3.0.0"])
def test_servers_that_are_new_enough_are_accepted(version: str) -> None:
    assert problems(replace(JOINING, servers=[replace(FINE, version=version)])) == []


def test_servers_of_different_versions_are_listed() -> None:
    servers = [FINE, replace(FINE, name="nats-2", version="2.14.0"), replace(FINE, name="nats-3")]
    assert "nats-1 2.15.1, nats-2 2.14.0, nats-3 2.15.1; " in only(replace(JOINING, servers=servers))


def test_jetstream_that_is_off_is_one_problem_and_not_two() -> None:
    server = replace(FINE, jetstream=False, synced=None)
    assert only(replace(JOINING, servers=[server])).startswith("JetStream is off in the NATS server nats-1; ")


def test_a_server_that_would_refuse_subscriptions_of_a_range_is_told_its_limit() -> None:
    server = replace(FINE, max_ack_pending=5461)
    assert problems(replace(JOINING, servers=[server])) == []
    of_two = replace(JOINING, servers=[server], directory=Identity("ward", 2), cluster=Identity("ward", 2), ranges=2)
    sentence = only(of_two)
    assert "reserves 5,461 messages for each MQTT subscription" in sentence
    assert sentence.endswith("with 2 ranges, a range has 32 shards. Set `max_ack_pending: 1820` in its block mqtt.")


@pytest.mark.parametrize("synced", [False, None])
def test_a_server_that_acknowledges_before_the_disk_is_refused(synced: bool | None) -> None:
    sentence = only(replace(JOINING, servers=[replace(FINE, synced=synced)]))
    assert "sync_interval is not always" in sentence
    assert sentence.endswith("Set `sync_interval: always` in its block jetstream.")


def test_two_clusters_cannot_use_one_data_directory() -> None:
    sentence = only(replace(JOINING, cluster=Identity("ICU", 8)))
    assert "/srv/data belongs to the cluster ward, but the servers are those of ICU; " in sentence


def test_a_cluster_cannot_have_a_second_data_directory() -> None:
    assert "the cluster ward has one already" in only(replace(JOINING, directory=None))


def test_the_number_of_ranges_stays_that_of_the_data_directory() -> None:
    sentence = only(replace(JOINING, ranges=16))
    assert sentence.startswith("The data directory /srv/data has 8 ranges, but 16 were asked for; ")
    assert sentence.endswith("Ask for 8, or start with an empty directory.")


@pytest.mark.parametrize("ranges", [-1, 0, 3, 65, 128, 10**30])
def test_a_number_of_ranges_that_does_not_divide_the_shards_is_refused_with_those_that_do(ranges: int) -> None:
    assert only(replace(JOINING, ranges=ranges)).endswith("the 64 shards: 1, 2, 4, 8, 16, 32, 64.")


@pytest.mark.parametrize("kind", ["stream", "consumer"])
def test_what_exists_with_another_configuration_is_named_with_both_values(kind: str) -> None:
    needed = {"ack_policy": "explicit", "max_ack_pending": 1000}
    existing = Existing(kind, "itb-3", found={"ack_policy": "none", "max_ack_pending": 1000, "more": 1}, needed=needed)
    sentence = only(replace(JOINING, existing=[existing]))
    assert sentence.startswith(
        f"The {kind} itb-3 exists with ack_policy none, but ack_policy explicit is needed; nothing was changed."
    )


def test_many_consumers_of_one_kind_are_one_sentence() -> None:
    existing = [
        Existing("consumer", f"c-{number}", {"max_ack_pending": 5461}, {"max_ack_pending": 963}) for number in range(64)
    ]
    sentence = only(replace(JOINING, existing=existing))
    assert sentence.startswith(
        "The consumer c-0 (and 63 others like it) exists with max_ack_pending 5461, but max_ack_pending 963"
    )


def test_a_setting_that_is_absent_differs_too() -> None:
    existing = Existing("stream", "itb-3", found={}, needed={"max_bytes": 10})
    assert "exists with max_bytes None, but max_bytes 10 is needed" in only(replace(JOINING, existing=[existing]))


def test_several_problems_are_all_named() -> None:
    servers = [replace(FINE, version="2.10.0", synced=False)]
    assert len(problems(replace(JOINING, servers=servers, ranges=4))) == 3


def test_a_hostile_server_cannot_steer_the_terminal() -> None:
    server = server_of(json.dumps({"server_name": "\x1b[2Jevil\n", "version": "9" * 5000}).encode())
    found = problems(replace(JOINING, servers=[server]))
    assert found
    assert all(sentence.isprintable() and len(sentence) < 1000 for sentence in found)


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"{", b"[]", b"null", b"7", b"\xff\x00", b"<html>no</html>", b"{}", b'{"server_name": "a"}'),
        *(b'{"server_name": "a", "version": "2.15.1", "jetstream": 7}', b"[" * 100_000),
        b'{"server_name": "a", "version": "2.15.1", "jetstream": {"config": "x"}}',
    ],
    ids=lambda answer: repr(answer[:20]),
)
def test_an_answer_that_is_not_of_a_server_is_refused_with_its_beginning(answer: bytes) -> None:
    with pytest.raises(ValueError, match="not that of a nats-server") as refused:
        server_of(answer)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("version", ["", ".", "2", "2.", "v", "x.y", "-2.11", "２.１１"])
def test_what_is_no_version_is_none(version: str) -> None:
    assert version_of(version) is None


def test_a_real_server_is_read_and_named_unreachable_once_it_ended(tmp_path: Path) -> None:
    nats = program_of("nats-server")
    client, monitor = free_port(), free_port()
    config = tmp_path / "nats.conf"
    jetstream = f"jetstream {{ store_dir: {json.dumps(str(tmp_path / 'store'))}, sync_interval: always }}"
    config.write_text(f"listen: 127.0.0.1:{client}\nhttp: 127.0.0.1:{monitor}\nserver_name: nats-1\n{jetstream}\n")
    with running([nats, "-c", str(config)], monitor, tmp_path / "nats.log"):
        found = read_server("127.0.0.1", monitor, 5.0)
    assert isinstance(found, Server)
    assert (found.name, found.jetstream, found.synced) == ("nats-1", True, True)
    assert problems(replace(JOINING, servers=[found])) == []
    away = read_server("127.0.0.1", monitor, 5.0)
    assert isinstance(away, Unreachable)
    assert "Connection refused" in only(replace(JOINING, servers=[away]))
