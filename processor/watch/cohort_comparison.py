"""Comparison of cohorts (pumps of one model, lot or gateway) with the rest of the fleet. Pure.

For each quantity (`processor.rules.cohorts.ROWS`), the median of a cohort is compared with the median of all other
pumps, in units of the standard error of a median of that many pumps. Pumps are counted in a histogram of the quantity,
so that medians and quartiles of every cohort and of its rest come from one pass over the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.cohorts import NAMED, cohort_name
from processor.alarms.subjects import SUBJECT, Subjects
from processor.engine.columns import indicator_of
from processor.rules.cohorts import Row

MIN_PUMPS: Final = 10
"""Cohorts with fewer pumps whose quantity is known are not judged."""
MIN_REST: Final = 20
MAX_ROUNDS: Final = 20
"""Number of drifts of one quantity that are separated, the most certain first."""
MAX_COHORTS: Final = 4000
"""Largest cohorts judged of each kind; the others are counted."""
CLASSES: Final = 256
NORMAL_QUARTILES: Final = 1.349
"""Interquartile range of a normal distribution in standard deviations."""
MEDIAN_ERROR: Final = 1.2533
"""Standard error of the median of many values relative to that of their mean."""

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

COMPARED: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(("middle", "rest", "apart", "z", "spread", "beyond_usual"), pl.Float64()),
    **dict.fromkeys(("pumps", "beyond"), pl.Int64()),
}
"""Result for a cohort: the median of it (`middle`) and of the rest, their distance in the quantity's unit and as a
robust z-score, the spread (a standard deviation) of the rest, the number of pumps `beyond` the limit on that side,
and the number expected there if they were like the rest."""


@dataclass(frozen=True)
class Kind:
    """Cohorts of one kind: each pump's cohort as an index (-1: none) into their subjects (`SUBJECT`)."""

    places: I64
    subjects: pl.DataFrame
    left_out: int


def kinds(subjects: Subjects, others: pl.DataFrame | None = None) -> tuple[Kind, ...]:
    """Return the cohorts of a fleet, of at least `MIN_PUMPS` pumps each.

    `others` are pumps of other processors, which come after those of this one and are in no gateway's cohort.
    """
    facts, owners = subjects.facts, subjects.owners
    if others is not None:
        labels = [kind for kind in NAMED if kind in facts.columns]
        facts = pl.concat([facts.select(pl.col(labels).cast(pl.String)), others.select(labels)])
        owners = owners.extend_constant(None, others.height)
    return (
        *(_named(kind, facts[kind]) for kind in NAMED if kind in facts.columns),
        _places(owners, pl.DataFrame({"gateway": pl.int_range(subjects.gateways.len(), eager=True)})),
    )


def _named(kind: str, labels: pl.Series) -> Kind:
    known = labels.unique().drop_nulls().sort()
    numbers = labels.replace_strict(known, pl.int_range(known.len(), eager=True), default=None, return_dtype=pl.UInt32)
    names = pl.select(cohort_name(kind, pl.lit(known)).alias("other"), pl.lit("cohort").alias("other_kind"))
    return _places(numbers, names)


def _places(numbers: pl.Series, named: pl.DataFrame) -> Kind:
    """Keep cohorts of at least `MIN_PUMPS`, and the largest if there are more than `MAX_COHORTS`."""
    codes = numbers.fill_null(named.height).to_numpy().astype(np.int64)
    sizes = np.bincount(codes, minlength=named.height + 1)[: named.height]
    large = np.flatnonzero(sizes >= MIN_PUMPS)
    kept = np.sort(large[np.argsort(-sizes[large], kind="stable")][:MAX_COHORTS])
    place = np.full(named.height + 1, -1, np.int64)
    place[kept] = np.arange(len(kept))
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SUBJECT.items() if name not in named.columns]
    whole = named[kept].with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in SUBJECT.items())
    return Kind(place[codes], whole, len(large) - len(kept))


def judge(values: F64, cohorts: tuple[Kind, ...], row: Row) -> pl.DataFrame:
    """Return every cohort that can be judged in one quantity: `SUBJECT`, `COMPARED` and `score`.

    `values` has a number per pump, NaN if unknown. A drift is reported once, for the most certain cohort: its distance
    from the rest is subtracted from its pumps before the others are judged again. After `MAX_ROUNDS` such cohorts the
    others are reported as they are.
    """
    values = values.copy()
    surest: list[pl.DataFrame] = []
    for _ in range(MAX_ROUNDS):
        judged = _judged(values, cohorts, row, surest)
        beyond = judged.filter(pl.col("score") >= 1.0).sort(pl.col("z").abs(), descending=True).head(1)
        if beyond.is_empty():
            break
        surest.append(beyond)
        kind, place = beyond["kind"][0], beyond["place"][0]
        values[cohorts[kind].places == place] -= beyond["apart"][0]
    else:
        judged = _judged(values, cohorts, row, surest)
    return pl.concat([*surest, judged]).drop("kind", "place")


def _judged(values: F64, cohorts: tuple[Kind, ...], row: Row, reported: list[pl.DataFrame]) -> pl.DataFrame:
    """Return every cohort that can be judged and was not reported yet, with the indices of its kind and its own."""
    whole = pl.concat(
        [
            pl.concat([kind.subjects, _scored(values, kind, row)], how="horizontal")
            .with_row_index("place")
            .with_columns(pl.lit(number, pl.UInt32).alias("kind"))
            for number, kind in enumerate(cohorts)
        ]
    ).drop_nulls("z")
    return whole.join(pl.concat(reported), on=["kind", "place"], how="anti") if reported else whole


def _scored(values: F64, cohorts: Kind, row: Row) -> pl.DataFrame:
    compared = compare(values, cohorts.places, cohorts.subjects.height, span=row.span, floor=row.floor)
    return compared.with_columns(indicator_of(row.rule).cast(pl.Float32).alias("score"))


def compare(values: F64, places: I64, cohorts: int, *, span: tuple[float, float], floor: float) -> pl.DataFrame:
    """Compare each of `cohorts` with all pumps outside it (`COMPARED`, null if unknown).

    `places` is each pump's cohort, -1 if none; `values` are NaN if unknown.
    """
    low, width = span[0], (span[1] - span[0]) / CLASSES
    known = np.isfinite(values)
    classes = np.clip((values[known] - low) / width, 0, CLASSES - 1).astype(np.int64)
    places = places[known]
    # Pumps without a cohort are counted as one more cohort, after the last.
    flat = np.where(places < 0, cohorts, places) * CLASSES + classes
    counts = np.bincount(flat, minlength=(cohorts + 1) * CLASSES).reshape(cohorts + 1, CLASSES)
    others = counts.sum(axis=0) - counts[:cohorts]
    ours = counts[:cohorts]
    many, rest_many = ours.sum(axis=1), others.sum(axis=1)
    middle = _quantile(ours, 0.5, low, width)
    lower, rest, upper = (_quantile(others, share, low, width) for share in (0.25, 0.5, 0.75))
    spread = np.maximum((upper - lower) / NORMAL_QUARTILES, width)
    apart = middle - rest
    chance = MEDIAN_ERROR * spread * np.sqrt(1 / np.maximum(many, 1) + 1 / np.maximum(rest_many, 1))
    limit = (rest + np.sign(apart) * floor)[:, None]
    centres = low + width * (np.arange(CLASSES) + 0.5)
    outside = np.where(apart[:, None] >= 0, centres > limit, centres < limit)
    # Of two halves of a fleet, nobody can say which one drifts.
    enough = (many >= MIN_PUMPS) & (rest_many >= MIN_REST) & (many < rest_many)
    columns = {
        "middle": middle,
        "rest": rest,
        "apart": apart,
        "z": apart / chance,
        "spread": spread,
        "beyond_usual": (others * outside).sum(axis=1) / np.maximum(rest_many, 1) * many,
        "pumps": many,
        "beyond": (ours * outside).sum(axis=1),
    }
    known_where = pl.Series(enough)
    frame = pl.DataFrame({name: columns[name] for name in COMPARED}, schema=COMPARED)
    return frame.select(pl.when(known_where).then(pl.col(name)).alias(name) for name in COMPARED)


def _quantile(counts: I64, share: float, low: float, width: float) -> F64:
    """Return the quantile of each row of a histogram, interpolated linearly within a class."""
    sums = counts.cumsum(axis=1)
    target = share * sums[:, -1]
    place = np.minimum((sums < target[:, None]).sum(axis=1), CLASSES - 1)
    rows = np.arange(len(counts))
    inside = counts[rows, place]
    into = (target - (sums[rows, place] - inside)) / np.maximum(inside, 1)
    return np.asarray(low + width * (place + into))
