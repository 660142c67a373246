"""Verdict on a run with failures: samples, alarms and acknowledgments on disk against those of an undisturbed run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from broker.contract.gateway_messages import Birth
from broker.contract.messages import encode
from broker.mqtt.link import Message
from broker.store import journal_query, journal_verification, segments, snapshot_files
from processor.pipeline import Pipeline
from processor.rules import RULES

from .telemetry_feed import INTERVAL_S, START_MS, Run, done_file, frames, simulation

WHO = "night shift"


@dataclass(frozen=True)
class Truth:
    """What an undisturbed run gives: all samples, and the alarms that samples raise."""

    samples: pl.DataFrame
    alarms: set[str]


def undisturbed(run: Run) -> Truth:
    """Process the same samples without failures."""
    fleet = simulation(run)
    wall, everything, raised = START_MS, [], []
    pipeline = Pipeline()
    for name, own in run.parts():
        birth = Birth(
            gateway=name,
            pumps=fleet.describe(own),
            sent=wall,
            time=START_MS,
            speed=run.speed,
            interval_s=INTERVAL_S,
        )
        pipeline.take([_message(name, "birth", encode(birth))], wall)
    for _, samples in frames(run, fleet):
        wall += round(run.period_s * 1000)
        parts = [(name, samples[own.start : own.stop]) for name, own in run.parts()]
        result = pipeline.take([_message(name, "telemetry", _wire(part)) for name, part in parts], wall)
        everything.append(samples)
        raised.append(result.events)
    return Truth(segments.once(pl.concat(everything)), by_samples(pl.concat(raised)))


def by_samples(entries: pl.DataFrame) -> set[str]:
    """Return the alarms raised by samples; alarms of silence depend on wall-clock time and on the failures injected."""
    rules = [rule.name for rule in RULES if rule.detector.judges == "sample"]
    return set(entries.filter((pl.col("kind") == "raised") & pl.col("rule").is_in(rules))["alarm"])


def _wire(samples: pl.DataFrame) -> bytes:
    from broker.contract.codec import encode_arrow

    return encode_arrow(samples)


def _message(gateway: str, leaf: str, payload: bytes) -> Message:
    return Message(f"itb/00/{gateway}/{leaf}", payload, 1, 1, retained=False)


@dataclass(frozen=True)
class Verdict:
    """Result of the checks: numbers for the table, and a sentence for each violation."""

    numbers: dict[str, int]
    violations: list[str]


def judge(data: Path, runs: Sequence[Run], acknowledged_here: Collection[str], truth: Truth) -> Verdict:
    """Compare what is on disk in `data` with the undisturbed run.

    `runs` are those of the processes that sent, `acknowledged_here` the alarms whose acknowledgment was answered.
    """
    kept = pl.concat([block.samples for block in segments.blocks(data, None, 0, None)])
    lost = truth.samples.join(kept, on=list(segments.KEY), how="anti", nulls_equal=True)
    strange = kept.join(truth.samples, on=list(kept.columns), how="anti", nulls_equal=True)
    entries = journal_query.entries(data, journal_query.Query(limit=10_000_000))
    raised = by_samples(entries)
    acknowledged = entries.filter((pl.col("kind") == "acknowledged") & (pl.col("who") == WHO))["alarm"]
    open_now = snapshot_files.read(data / "snapshot").alarms
    standing = set(open_now.filter(pl.col("acknowledged_by") == WHO)["alarm"])
    count, broken = journal_verification.verify(data)
    outboxes = sum((Counter(msgspec.json.decode(done_file(run).read_bytes())) for run in runs), Counter[str]())
    checks = {
        f"{lost.height:,} samples are lost": lost.height == 0,
        f"{strange.height:,} samples are duplicated or differ from those sent": strange.height == 0,
        f"alarms are missing: {sorted(truth.alarms - raised)[:5]}": truth.alarms <= raised,
        f"alarms are too many: {sorted(raised - truth.alarms)[:5]}": raised <= truth.alarms,
        "an acknowledgment is not in the journal": set(acknowledged_here) <= set(acknowledged),
        "an acknowledged alarm does not stand as acknowledged": set(acknowledged_here) <= standing,
        f"the journal's chain: {broken}": broken is None,
        f"gateways dropped samples: {outboxes}": outboxes["dropped"] == outboxes["refused"] == 0,
    }
    numbers = {
        "samples sent": truth.samples.height,
        "samples in the history": kept.height,
        "alarms undisturbed": len(truth.alarms),
        "alarms raised": len(raised),
        "acknowledgments confirmed": len(acknowledged_here),
        "acknowledgments in the journal": len(set(acknowledged)),
        "entries of the journal, chained": count,
        "dropped, probably delivered": outboxes["unsure"],
    }
    return Verdict(numbers, [sentence for sentence, fine in checks.items() if not fine])
