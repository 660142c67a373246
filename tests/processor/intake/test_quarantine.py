"""What was refused is kept in sight and in a file that cannot grow without end."""

from __future__ import annotations

import msgspec

from broker.store.snapshot import Refusal
from processor.intake.quarantine import EXCERPT_BYTES, FILE, IN_SIGHT, Quarantine


def read(path):
    return [msgspec.json.decode(line, type=Refusal) for line in path.read_bytes().splitlines()]


def test_a_refusal_is_written_with_topic_time_reason_and_how_it_began(tmp_path):
    quarantine = Quarantine(tmp_path)
    quarantine.put("itb/00/mine/telemetry", 7, "no pump", b'{"p\xc3\x28"' + b"x" * 1000)
    quarantine.flush()
    [refusal] = read(tmp_path / FILE)
    assert (refusal.topic, refusal.at, refusal.reason) == ("itb/00/mine/telemetry", 7, "no pump")
    assert refusal.excerpt.startswith('{"p\\xc3(')
    assert len(refusal.excerpt) <= EXCERPT_BYTES + 3
    assert list(quarantine.latest) == [refusal]


def test_what_is_written_once_is_not_written_again(tmp_path):
    quarantine = Quarantine(tmp_path)
    quarantine.flush()
    assert not (tmp_path / FILE).exists()
    quarantine.put("a", 1, "x")
    quarantine.flush()
    quarantine.flush()
    quarantine.put("b", 2, "y")
    quarantine.flush()
    assert [refusal.topic for refusal in read(tmp_path / FILE)] == ["a", "b"]


def test_the_latest_stay_in_sight_and_all_are_counted(tmp_path):
    quarantine = Quarantine(tmp_path)
    for at in range(IN_SIGHT + 30):
        quarantine.put("a", at, "x")
    assert quarantine.count == IN_SIGHT + 30
    assert [refusal.at for refusal in quarantine.latest] == list(range(30, IN_SIGHT + 30))


def test_a_full_file_turns_over_and_the_one_before_goes(tmp_path):
    quarantine = Quarantine(tmp_path, max_bytes=2_000)
    for at in range(300):
        quarantine.put("itb/00/mine/telemetry", at, "x" * 40)
        quarantine.flush()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert set(files) == {"quarantine.jsonl", "quarantine.old.jsonl"} or files == ["quarantine.old.jsonl"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 2_000 + 400
    assert quarantine.turned_over > 5
    assert read(tmp_path / "quarantine.old.jsonl")[-1].at + 1 + len(read(tmp_path / FILE)) == 300


def test_the_size_of_the_file_is_told(tmp_path):
    quarantine = Quarantine(tmp_path)
    assert quarantine.bytes == 0
    quarantine.put("a", 1, "x" * 5_000)
    quarantine.flush()
    assert quarantine.bytes == (tmp_path / FILE).stat().st_size < 1_000
