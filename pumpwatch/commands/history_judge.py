"""The processor's judgement of history, for the dashboard, which does not import the processor."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl


def replayed(
    samples: pl.DataFrame, rules: Collection[str], window_s: float, state: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Judge samples of one pump (`processor.view.replay.replayed`), which is imported when it is first needed."""
    from processor.view import replay

    return replay.replayed(samples, rules, window_s, state)
