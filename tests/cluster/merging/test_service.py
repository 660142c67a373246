"""One node is elected to merge; what it makes is the fleet's snapshot and the fleet's journal."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import polars as pl

from broker.store import journal_query
from broker.store.journal import ENTRIES_SCHEMA, Journal
from broker.store.journal_query import Query
from broker.store.journal_verification import verify
from cluster import layout, node_reports
from cluster.merging.journals import BATCH, Journals
from cluster.merging.servers import ServerDown, ServerWatch, ask
from cluster.merging.service import MergerService, run_merger
from cluster.node_reports import NodeReport
from tests.cluster.merging.test_merging import fleet, merged, own


def entry(text: str, **facts: object) -> dict[str, object]:
    return {**dict.fromkeys(ENTRIES_SCHEMA), "at": 1, "kind": "started", "title": "processor", "text": text, **facts}


def raised(alarm: str) -> dict[str, object]:
    return entry("too hot", kind="raised", alarm=alarm, pump=alarm.partition("/")[0], time=5, subject_kind="pump")


def write(data: Path, number: int, *rows: dict[str, object], epoch: int = 1) -> None:
    directory = layout.epoch_directory(data, number, epoch)
    directory.mkdir(parents=True, exist_ok=True)
    journal = Journal(directory)
    journal.append(pl.DataFrame(rows, ENTRIES_SCHEMA))
    journal.close()


def texts(data: Path) -> list[str]:
    return journal_query.entries(data, Query())["text"].to_list()


def alarms(data: Path) -> list[str]:
    return sorted(journal_query.events(data)["alarm"].drop_nulls())


async def test_the_elected_node_merges_until_it_stops(tmp_path):
    own(tmp_path, 0, fleet([0], [1]))
    write(tmp_path, 0, entry("hello"))
    stop = asyncio.Event()
    task = asyncio.create_task(run_merger(tmp_path, 1, lambda: True, stop))
    async with asyncio.timeout(5):
        while merged(tmp_path).version == 0:
            await asyncio.sleep(0.02)
    stop.set()
    await task
    assert texts(tmp_path) == ["hello"]


async def test_a_merger_without_its_lease_ends_and_writes_nothing(tmp_path):
    own(tmp_path, 0, fleet([0], [1]))
    answers = chain([True], repeat(False))
    await run_merger(tmp_path, 1, lambda: next(answers), asyncio.Event())
    assert merged(tmp_path).version == 0


def test_a_disk_that_refuses_is_counted_and_tried_again(tmp_path):
    own(tmp_path, 0, fleet([0], [1]))
    (tmp_path / "journal.sqlite").mkdir()
    service = MergerService(tmp_path, 1, lambda: True, lambda: 20_000)
    service.step(0.0)
    assert (service.failing, service.snapshots) == (1, 0)
    (tmp_path / "journal.sqlite").rmdir()
    service.step(1.0)
    assert (service.failures, service.failing, service.snapshots) == (1, 0, 1)
    service.close()


def test_a_range_without_a_processor_is_in_the_journal_across_mergers(tmp_path):
    own(tmp_path, 0, fleet([0], [0]))
    own(tmp_path, 1, fleet([40], [0]))

    def steps(service: MergerService, *seconds: float) -> list[tuple[str, str]]:
        for second in seconds:
            own(tmp_path, 0, fleet([0], [0], version=round(second)))
            service.step(second)
        return journal_query.events(tmp_path).select("kind", "subject").rows()

    first = MergerService(tmp_path, 2, lambda: True, lambda: 20_000)
    raised = ("raised", "system: range 01")
    assert steps(first, 1, 5) == []
    assert steps(first, 12, 13) == [raised]
    first.close()
    second = MergerService(tmp_path, 2, lambda: True, lambda: 30_000)
    assert steps(second, 14, 15) == [raised]
    own(tmp_path, 1, fleet([40], [0], version=2), epoch=2)
    assert steps(second, 25, 26) == [("cleared", "system: range 01"), raised]
    assert not second.failures
    second.close()


def test_a_lost_node_is_the_same_alarm_for_the_next_merger(tmp_path):
    node_reports.write(tmp_path, NodeReport(node="a", started=1))

    def steps(service: MergerService, *seconds: float) -> list[str]:
        for second in seconds:
            own(tmp_path, 0, fleet([0], [0], version=round(second)))
            service.step(second)
        shown = merged(tmp_path).alarms
        return [*shown["alarm"], *journal_query.events(tmp_path)["kind"]]

    first = MergerService(tmp_path, 1, lambda: True, lambda: 50_000)
    alarm, *events = steps(first, 1, 17)
    assert events == ["raised"]
    first.close()
    second = MergerService(tmp_path, 1, lambda: True, lambda: 60_000)
    assert steps(second, 18, 30, 34, 40) == [alarm, "raised"]
    node_reports.write(tmp_path, NodeReport(node="a", started=1, beat=2))
    assert steps(second, 41) == ["cleared", "raised"]
    second.close()


def test_a_server_is_down_once_it_has_not_answered_for_ten_seconds():
    answers = {8222: "", 8223: "Connection refused"}
    watch = ServerWatch([("a", 8222), ("b", 8223)], lambda _, port: answers[port])
    for second in (0.0, 9.0):
        watch.step(second, 1_000)
        assert watch.down == []
    watch.step(10.0, 11_000)
    assert watch.down == [ServerDown("b:8223", 1_000, "Connection refused")]
    answers[8223] = ""
    watch.step(12.0, 13_000)
    assert watch.down == []


def test_a_server_says_that_it_is_healthy_or_why_not():
    with answering(200, b'{"status":"ok"}') as port:
        assert ask("127.0.0.1", port) == ""
    with answering(503, b'{"status":"unavailable"}') as port:
        assert ask("127.0.0.1", port) == 'it answers 503: {"status":"unavailable"}'
    assert "refused" in ask("127.0.0.1", port)


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Answer one request at a port of this machine, as a server at its monitoring port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(10_000).startswith(b"GET /healthz")
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_journals_of_ranges_are_one_with_a_chain_of_its_own(tmp_path):
    write(tmp_path, 0, entry("started", title="processor"), raised("P-1/hot/5"))
    write(tmp_path, 1, entry("started", title="processor"), raised("P-2/hot/5"), raised("fleet/silent/5"))
    write(tmp_path, 0, raised("fleet/silent/5"))
    journals = Journals(tmp_path, 2)
    assert (journals.step(), journals.step()) == (5, 0)
    journals.close()
    assert alarms(tmp_path) == ["P-1/hot/5", "P-2/hot/5", "fleet/silent/5"]
    both = journal_query.entries(tmp_path, Query(kinds=("started",)))
    assert sorted(both["origin"]) == ["range 00", "range 01"]
    assert verify(tmp_path) == (5, None)


def test_a_new_merger_copies_nothing_twice(tmp_path):
    write(tmp_path, 0, raised("P-1/hot/5"), entry("started"))
    for forget in (False, True, False):
        journals = Journals(tmp_path, 1)
        journals.step()
        journals.close()
        if forget:
            (tmp_path / "ranges" / "journals.json").write_text("damaged")
    assert len(texts(tmp_path)) == 2


def test_what_a_former_owner_wrote_on_does_not_hide_what_its_successor_wrote(tmp_path):
    write(tmp_path, 0, raised("P-1/hot/5"))
    layout.take_over(tmp_path, 0, 2)
    write(tmp_path, 0, raised("P-1/former/5"), raised("P-1/woken/5"))
    journals = Journals(tmp_path, 1)
    journals.step()
    assert alarms(tmp_path) == ["P-1/hot/5"], "the latest epoch is read"
    journals.close()

    other = tmp_path / "other"
    write(other, 0, raised("P-1/hot/5"))
    journals = Journals(other, 1)
    layout.take_over(other, 0, 2).rename(other / "aside")
    write(other, 0, raised("P-1/woken/5"))
    journals.step()
    (other / "aside").rename(layout.epoch_directory(other, 0, 2))
    write(other, 0, raised("P-1/next/5"), epoch=2)
    journals.step()
    journals.close()
    assert set(alarms(other)) >= {"P-1/hot/5", "P-1/next/5"}
    assert journals.again == 1


def test_what_a_former_owner_writes_after_a_take_over_is_not_copied_by_a_merger_that_was_reading(tmp_path, monkeypatch):
    write(tmp_path, 0, raised("A/1"))
    read = journal_query.following

    def overtaken(directory: Path, *where: int):
        if layout.epochs(tmp_path, 0) == [1]:
            layout.take_over(tmp_path, 0, 2)
            write(tmp_path, 0, raised("B/1"))
        return read(directory, *where)

    monkeypatch.setattr(journal_query, "following", overtaken)
    journals = Journals(tmp_path, 1)
    for _ in range(3):
        journals.step()
    journals.close()
    assert alarms(tmp_path) == ["A/1"]


def test_machines_that_share_a_directory_need_no_common_memory_to_read_its_journals(tmp_path):
    write(tmp_path, 0, raised("P-1/hot/5"))
    Journals(tmp_path, 1).step()
    assert not list(tmp_path.rglob("*-shm"))
    alone = Journal(tmp_path / "alone")
    assert list(tmp_path.rglob("*-shm"))
    alone.close()


def test_a_long_journal_is_copied_in_steps(tmp_path):
    write(tmp_path, 0, *(entry(f"{number}") for number in range(BATCH + 10)))
    journals = Journals(tmp_path, 1)
    assert [journals.step() for _ in range(3)] == [BATCH, 10, 0]
    journals.close()
