"""Lost and duplicate samples and a clock that runs ahead: one sample a minute, each a window."""

from __future__ import annotations

import polars as pl
import pytest

from processor.detectors.stream import stream as stream_detector

LOST, REPEATED, CLOCK = stream_detector("lost"), stream_detector("repeated"), stream_detector("clock")
HOUR_MS = 3_600_000


def ahead(batch: pl.DataFrame, since: int, until: int | None = None, by_ms: int = HOUR_MS) -> pl.DataFrame:
    """Return the same samples, with the timestamps of these sequence numbers ahead."""
    skewed = pl.col("seq").is_between(since, until or batch.height, closed="left")
    return batch.with_columns(pl.col("time") + pl.when(skewed).then(by_ms).otherwise(0))


def test_a_complete_stream_scores_zero(stream, trace):
    for finding in (LOST, REPEATED, CLOCK):
        assert trace(finding, stream("flow_ul_h", "8x20")) == [0] * 20


def test_the_averaged_share_of_lost_samples_is_scored(stream, trace):
    every_other = stream("flow_ul_h", "8x10 " + "8 - " * 20)
    assert trace(LOST, every_other)[-1] >= 1
    assert max(trace(REPEATED, every_other)) == 0
    assert max(trace(LOST, stream("flow_ul_h", "8x10 " + "8x29 - " * 3))) < 1


def test_lost_samples_are_not_a_clock_jump(stream, trace):
    assert max(trace(CLOCK, stream("flow_ul_h", "8x10 -x30 8x5 -x2 8x5"))) == 0


def test_the_loss_alarm_returns_to_normal_after_all_samples_arrive_again(stream, trace):
    scores = trace(LOST, stream("flow_ul_h", "8x10 " + "8 - " * 15 + "8x90"))
    assert max(scores) >= 1
    assert scores[-1] < 1


def test_duplicate_samples_are_scored_as_repeated_and_not_as_lost(stream, trace):
    complete = stream("flow_ul_h", "8x40")
    twice = pl.concat([complete[:10], pl.concat([complete[10:], complete[10:]]).sort("time", maintain_order=True)])
    assert trace(REPEATED, twice)[-1] >= 1
    assert max(trace(LOST, twice)) == 0
    assert max(trace(CLOCK, twice)) == 0


def test_late_samples_are_scored_as_repeated(stream, trace):
    late = stream("flow_ul_h", "8x40")
    order = [*range(10), *(number + swap for number in range(10, 40, 2) for swap in (1, 0))]
    assert trace(REPEATED, late[order])[-1] >= 1


def test_a_clock_ahead_is_scored_by_its_error_until_it_is_corrected(stream, trace):
    jumps = ahead(stream("flow_ul_h", "8x70"), since=21, until=41, by_ms=20 * 60_000)
    scores = trace(CLOCK, jumps)
    assert scores[:22] == [0] * 22
    assert scores[22:62] == pytest.approx([20 * 60 / 300] * 40, rel=1e-3)
    assert scores[-1] == pytest.approx(0, abs=0.05)


def test_a_clock_error_of_a_minute_is_not_an_alarm(stream, trace):
    assert max(trace(CLOCK, ahead(stream("flow_ul_h", "8x40"), since=21, by_ms=60_000))) < 1


def test_a_clock_that_was_always_wrong_cannot_be_detected(stream, trace):
    assert max(trace(CLOCK, ahead(stream("flow_ul_h", "8x40"), since=1, until=99))) == 0


def test_the_clock_counts_as_right_after_a_restart(stream, trace):
    restarts = ahead(stream("flow_ul_h", "8x60", boot="1x40 2x20"), since=21, until=99)
    assert trace(CLOCK, restarts)[-1] == 0


def test_a_restart_of_a_pump_that_reports_hourly_is_not_a_clock_jump(stream, trace):
    count = " ".join(map(str, (*range(1, 7), *range(1, 13))))
    hourly = stream("flow_ul_h", "8x18", seq=count, boot="1x6 2x12", every_s=3600)
    assert trace(CLOCK, hourly, "interval_s")[1:] == pytest.approx([3600] * 17)
    assert max(trace(CLOCK, hourly)) == 0


def test_a_sample_without_a_sequence_number_does_not_hide_a_clock_jump(stream, trace):
    count = " ".join("?" if number == 10 else str(number) for number in range(1, 41))
    uncounted = ahead(stream("flow_ul_h", "8x40", seq=count), since=21)
    scores = trace(CLOCK, uncounted)
    assert scores[:21] == [0] * 21
    assert scores[-1] == pytest.approx(3600 / 300, rel=1e-3)


def test_samples_lost_in_a_scanner_do_not_count(stream, trace):
    scanned = stream("flow_ul_h", "8x10 8 -x30 8x20", flags="0x10 128 0x50")
    assert max(trace(LOST, scanned)) == 0
    unscanned = stream("flow_ul_h", "8x10 8 -x30 8x20")
    assert max(trace(LOST, unscanned)) >= 1


def test_counters_may_wrap_around(stream, trace):
    turn = 2**20
    numbers = [turn - 10 + number for number in range(20)]
    over = stream("flow_ul_h", "8x20", seq=" ".join(map(str, numbers)))
    assert max(trace(LOST, over)) == 0
    assert max(trace(CLOCK, over)) == 0
    assert trace(CLOCK, over, "interval_s")[1:] == pytest.approx([60] * 19)

    def every_other(lost_before: int) -> pl.DataFrame:
        counted = [1, *(lost_before + 2 * number for number in range(1, 20))]
        return stream("flow_ul_h", "8x20", seq=" ".join(map(str, counted)), flags="128 0x19")

    many, few = (trace(LOST, every_other(before)) for before in (turn - 10, 100))
    assert many == few
    assert many[-1] >= 1


def test_a_change_of_interval_is_not_a_clock_jump(stream, trace):
    for before_s, after_s in ((60, 600), (600, 60), (60, 3600), (300, 900)):
        first = stream("flow_ul_h", "8x20", every_s=before_s)
        later = stream("flow_ul_h", "8x20", every_s=after_s)
        continued = later.with_columns(pl.col("seq") + 20, pl.col("time") + first["time"][-1] - first["time"][0] + 1000)
        assert max(trace(CLOCK, pl.concat([first, continued]))) < 1
        assert trace(CLOCK, pl.concat([first, continued]), "interval_s")[-1] == pytest.approx(after_s, rel=0.01)
