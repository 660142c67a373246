"""One processor at a time uses a broker: a second one refuses, and takes nothing from the first."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import polars as pl
import pytest

from broker.contract.messages import encode
from broker.contract.presence import Presence
from broker.contract.topics import processor_topic
from broker.mqtt.address import TakenOverError, parse_url
from broker.mqtt.link import Link
from broker.store import journal, journal_query
from processor.service import loop, presence
from processor.service.installation import EARLIER_ID, FILE, client_id
from processor.service.settings import ProcessorError, SecondProcessorError, Settings

TIMEOUT_S = 30.0


def entries(data: Path) -> pl.DataFrame:
    """Return the journal, newest entry first."""
    return journal_query.entries(data, journal_query.Query(limit=100))


class Processor:
    """A processor on a data directory of its own."""

    def __init__(self, url: str, data: Path) -> None:
        self.stop, self.ready = asyncio.Event(), asyncio.Event()
        settings = Settings(broker=url, data=data)
        self.task = asyncio.create_task(loop.run(settings, self.stop, lambda _: self.ready.set()))

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, TIMEOUT_S)


@pytest.fixture(params=["mosquitto", "embedded_broker"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.broker
async def test_a_second_processor_refuses_and_the_first_goes_on(url: str, tmp_path: Path) -> None:
    first = Processor(url, tmp_path / "first")
    await asyncio.wait_for(first.ready.wait(), TIMEOUT_S)
    # A copied data directory has the same client id.
    (tmp_path / "copied").mkdir()
    shutil.copy(tmp_path / "first" / FILE, tmp_path / "copied")
    for name in ("other", "copied"):
        second = Processor(url, tmp_path / name)
        with pytest.raises(SecondProcessorError, match=r"another processor .* is connected to mqtt://.*Stop the other"):
            await asyncio.wait_for(second.task, TIMEOUT_S)
        assert not second.ready.is_set()
        assert "another processor" in entries(tmp_path / name)["text"].item(0)
    met = entries(tmp_path / "first").filter(pl.col("kind") == "refused")["text"]
    assert "another processor" in met.item(0)
    assert "was refused" in met.item(0)
    await first.end()
    kinds = entries(tmp_path / "first")["kind"].to_list()
    assert kinds.count("disconnected") <= 1
    third = Processor(url, tmp_path / "other")
    await asyncio.wait_for(third.ready.wait(), TIMEOUT_S)
    await third.end()


@pytest.mark.broker
async def test_a_processor_that_crashed_together_with_the_broker_is_recognized_as_gone(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ALIVE_TIMEOUT_S", 1.0)
    crashed = Presence(id="crashed", run="1", host="h", since=1, at=1, state="online")
    link = Link(parse_url(mosquitto), "")
    await link.open()
    link.publish(processor_topic("crashed"), encode(crashed), retain=True)
    next_one = Processor(mosquitto, tmp_path)
    await asyncio.wait_for(next_one.ready.wait(), TIMEOUT_S)
    await next_one.end()
    link.publish(processor_topic("crashed"), b"", retain=True)
    await link.close()


@pytest.mark.broker
async def test_a_processor_whose_session_is_taken_over_does_not_take_it_back(mosquitto: str, tmp_path: Path) -> None:
    first = Processor(mosquitto, tmp_path)
    await asyncio.wait_for(first.ready.wait(), TIMEOUT_S)
    thief = Link(parse_url(mosquitto), client_id(tmp_path))
    async with asyncio.timeout(TIMEOUT_S):
        while not first.task.done():
            if not thief.alive:
                await thief.open()
            await asyncio.sleep(0.05)
    with pytest.raises(TakenOverError, match=r"another client with the id pumpwatch-processor-.* took over"):
        await first.task
    assert "took over" in entries(tmp_path)["text"].item(0)
    await thief.close()


def test_the_client_id_is_made_once_for_each_installation(tmp_path: Path) -> None:
    first = client_id(tmp_path / "a")
    assert first == client_id(tmp_path / "a")
    assert first != client_id(tmp_path / "b")


def test_an_installation_of_an_earlier_version_keeps_its_session(tmp_path: Path) -> None:
    (tmp_path / journal.FILE).touch()
    assert client_id(tmp_path) == EARLIER_ID
    (tmp_path / journal.FILE).unlink()
    assert client_id(tmp_path) == EARLIER_ID


def test_a_client_id_that_is_none_is_refused_with_its_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("a b")
    with pytest.raises(ProcessorError, match="contains 'a b'; allowed are"):
        client_id(tmp_path)
