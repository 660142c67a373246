"""What concerns the whole fleet: one judgment of its silence from the counts of all ranges, and one alarm about it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from broker.store.fleet_silence import FleetSilence, SilenceCount
from broker.store.snapshot import ALARMS_SCHEMA, Snapshot
from processor.engine.columns import indicator_of
from processor.rules.gateways import FLEET_SILENT

_COUNTS = r" \(\d+ pumps\)"


def judged(counts: Sequence[SilenceCount], before: FleetSilence | None) -> FleetSilence | None:
    """Return the silence of the fleet from the counts of the ranges that are judged; None if there are none.

    As a single processor does it: with fewer than two silent gateways no pump counts as silent, unless a range has no
    broker. `before` is what was found last: while the condition stands, its onset stays.
    """
    with_pumps = [count for count in counts if count.pumps]
    if not with_pumps:
        return None
    several = sum(count.gateways for count in with_pumps) >= 2 or any(count.away for count in with_pumps)
    found = FleetSilence(
        pumps=sum(count.pumps for count in with_pumps),
        silent=sum(count.silent for count in with_pumps) if several else 0,
        offline=all(count.away for count in with_pumps),
        onset=max(count.onset for count in with_pumps),
        time=max(count.time for count in with_pumps),
    )
    if before is not None and stands(before) and stands(found):
        return msgspec.structs.replace(found, onset=before.onset)
    return found


def stands(found: FleetSilence) -> bool:
    """Return whether the fleet is silent by the limit of the rule."""
    row = pl.DataFrame([msgspec.structs.asdict(found)])
    return bool(row.select((indicator_of(FLEET_SILENT) >= 1.0).fill_null(value=False)).item())


def alarms_once(ranges: Sequence[Snapshot], speaker: int) -> list[pl.DataFrame]:
    """Return the alarms of each range, those about the fleet of the range at `speaker` only: all ranges have them.

    It then suppresses what it suppresses in all ranges.
    """
    if not ranges:
        return []
    about_fleet = pl.col("subject_kind") == "fleet"
    own = [one.alarms.filter(about_fleet) for one in ranges]
    if all(each.is_empty() for each in own):
        return [one.alarms for one in ranges]
    sums = (
        pl.concat(own)
        .filter(pl.col("held") > 0)
        .group_by("rule")
        .agg(
            pl.col("held").sum(),
            pl.when(pl.len() == 1)
            .then(pl.col("explains").first())
            .otherwise(
                pl.col("explains")
                .str.replace_all(_COUNTS, "")
                .str.split(", ")
                .list.explode()
                .unique()
                .sort()
                .str.join(", ")
            )
            .alias("explains"),
            pl.col("first_out").first(),
        )
    )
    whole = own[speaker].drop(sums.columns[1:]).join(sums, on="rule", how="left", maintain_order="left")
    fleet = whole.with_columns(pl.col("held").fill_null(0)).select(*ALARMS_SCHEMA)
    return [fleet, *(one.alarms.filter(~about_fleet.fill_null(value=False)) for one in ranges)]
