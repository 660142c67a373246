"""Checks of `pumpwatch doctor` on gateways: which are online, and how far their clocks are from the processor's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from broker.contract.signed import MAX_AGE_S, MAX_AHEAD_S
from pumpwatch.commands.doctor_access import Finding

LATE_S: Final = 5.0
"""A message takes less than this unless the network, the processor or the gateway's clock is in trouble."""
AHEAD_S: Final = 1.0
"""Nothing arrives before it was sent; clocks that are kept right differ by less."""
MAX_NAMED: Final = 5
ADVICE: Final = "set the clocks by NTP on gateway and processor (chronyc tracking, timedatectl)"


def gateways(found: pl.DataFrame, *, is_running: bool) -> Iterator[Finding]:
    """Check the gateways of a snapshot (`broker.store.snapshot.GATEWAYS_SCHEMA`)."""
    online = found.filter(pl.col("state") == "online")
    yield Finding("gateways", "ok" if online.height else "note", f"{online.height} of {found.height} online")
    if is_running and online.height:
        yield from clocks(online)


def clocks(online: pl.DataFrame) -> Iterator[Finding]:
    """Compare the stamp of the latest message of each gateway with when it arrived.

    Its time on the way counts as being behind; a gateway that has samples waiting, or stamps nothing, is not judged.
    """
    offset = -pl.col("delay_ms") / 1000
    judged = online.filter(pl.col("delay_ms").is_not_null(), pl.col("waiting").fill_null(0) == 0)
    offsets = judged.select("gateway", offset.alias("s")).sort(pl.col("s").abs(), descending=True)
    wrong = offsets.filter((pl.col("s") > AHEAD_S) | (pl.col("s") < -LATE_S))
    unknown = online.height - judged.height
    rest = f"; {unknown:,} not judged: samples wait there, or messages bear no `sent`" if unknown else ""
    if wrong.is_empty():
        if judged.is_empty():
            yield Finding("gateway clocks", "note", f"unknown{rest}")
        else:
            worst = offsets.row(0, named=True)
            text = f"{judged.height:,} within {LATE_S:g} s of the processor's, at most {_words(worst['s'])}{rest}"
            yield Finding("gateway clocks", "ok", text)
        return
    refused = wrong.filter((pl.col("s") > MAX_AGE_S) | (pl.col("s") < -MAX_AHEAD_S)).height
    named = ", ".join(f"{name} {_words(s)}" for name, s in wrong.head(MAX_NAMED).iter_rows())
    more = f" and {wrong.height - MAX_NAMED:,} more" if wrong.height > MAX_NAMED else ""
    valid = f"which are valid from {MAX_AHEAD_S} s before to {MAX_AGE_S} s after they were signed"
    lost = f"; {refused:,} of them may refuse commands, {valid}" if refused else ""
    text = f"{wrong.height:,} differ from the processor's: {named}{more}{lost}; {ADVICE}{rest}"
    # Messages that are late look as if the clock were behind; nothing looks as if it were ahead.
    is_sure = wrong.filter(pl.col("s") > MAX_AGE_S).height > 0
    yield Finding("gateway clocks", "failed" if is_sure else "note", text)


def _words(offset_s: float) -> str:
    return f"{abs(offset_s):,.1f} s {'ahead' if offset_s > 0 else 'behind'}"
