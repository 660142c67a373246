"""Rows of alarm lists as browsers get them: what stays the same while an alarm stands, so that little is sent again.

Ages advance in the browser: a row holds the wall-clock time at which its age was zero, and how fast it grows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import polars as pl

from broker.store.silenced_alarms import SILENCED_SCHEMA
from broker.store.snapshot import Snapshot
from dashboard.clocks import DURATION, said_deadline
from dashboard.data import queries
from dashboard.data.alarm_actions import suppressed
from dashboard.data.fleet_index import facts_index
from dashboard.data.row_feed import RowFeed
from dashboard.languages import tr, tr_later

MAX_ROWS: Final = 20_000
"""Alarms in a browser's list, the most urgent first; the page says how many there are besides."""
MAX_LINES: Final = 200
"""Lines of the list on the overview; the page of alarms has the rest."""
DRIFT_MS: Final = 1000
DRIFT_SHARE: Final = 0.02
"""An age that is off by less than this (wall ms, and share of the age) is not sent again: nobody sees it."""
MIN_RATE: Final = 0.001
FIELDS: Final = (
    "alarm",
    "subject",
    "kind",
    "gateway",
    "site",
    "rule",
    "priority",
    "state",
    "urgency",
    "raised",
    "onset",
    "zero",
    "rate",
    "over",
    "shelf",
    "deadline",
    "harm",
    "held",
    "story",
    "many",
    "quiet",
    "quiet_by",
)
"""Values of a row. `zero` is the wall time (ms) at which the age was zero and `rate` its seconds per second; `over`:
the condition has returned to normal; `shelf` and `harm` are the wall times (ms) until which it is shelved and at which
the patient is under-dosed, as `deadline` says (null: it does not); `story` says who did what; `many` is the number of
alarms that a line stands for; `quiet` is the wall time (ms) until which nobody is notified about it, `quiet_by` says
who silenced it and why (null: it is not silenced)."""
_DEADLINE: Final = FIELDS.index("deadline")
_STORY: Final = FIELDS.index("story")
_SUPPRESSES: Final = tr_later("suppresses {who} ({why})")
_NEXT: Final = "\x1e"
_THEN: Final = "\x1f"
"""Between actions, and between the parts of one: each viewer gets the sentence in their own language."""
TEXTS: Final = ("title", "meaning", "action")
"""Texts of a rule, which are sent once beside the rows."""
_TIMES: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "zero": pl.Float64(),
    "rate": pl.Float64(),
    "shelf": pl.Float64(),
    "harm": pl.Float64(),
}


def nothing_silenced() -> pl.DataFrame:
    """Return the frame of no silenced alarm."""
    return pl.DataFrame(schema=SILENCED_SCHEMA)


class AlarmRows:
    """Rows of the open alarms, made once per snapshot for all viewers."""

    def __init__(self, run: int) -> None:
        """`run` identifies this process to browsers."""
        self.alarms, self.lines = RowFeed(FIELDS, run), RowFeed(FIELDS, run)
        self.texts: dict[str, tuple[str, ...]] = {}
        self._times = pl.DataFrame(schema=_TIMES)
        self._seen: Snapshot | None = None
        self._lock = threading.Lock()

    def follow(self, snapshot: Snapshot, silenced: Callable[[], pl.DataFrame] = nothing_silenced) -> None:
        """Bring both feeds up to a snapshot, with the alarms that are `silenced`; who asks meanwhile waits."""
        with self._lock:
            if self._seen is not snapshot:
                self._follow(snapshot, silenced())

    def _follow(self, snapshot: Snapshot, silenced: pl.DataFrame) -> None:
        alarms = queries.ordered(snapshot.alarms)
        self._times = times(alarms, snapshot, self._times)
        self.texts = {rule: tuple(texts) for rule, *texts in alarms.unique("rule").select("rule", *TEXTS).iter_rows()}
        self.alarms.update(rows(alarms.head(MAX_ROWS), self._times, silenced), max(0, alarms.height - MAX_ROWS))
        found = queries.worst(snapshot.alarms, facts_index(snapshot.table.facts).gateways, alarms.height)
        shown = found.head(MAX_LINES)
        hidden = int(found["many"].sum() or 0) - int(shown["many"].sum() or 0)
        self.lines.update(rows(_named(shown), self._times, silenced), hidden)
        self._seen = snapshot

    def answer(self, feed: RowFeed, run: int, cursor: int) -> dict[str, Any]:
        """Return what changed in one of the feeds since a browser's cursor, with the texts of the rules of new rows."""
        found = feed.since(run, cursor)
        at = FIELDS.index("rule") + 1
        rules = {row[at] for row in found["rows"]}
        return {
            **found,
            "rows": [[row[0], *(_said(place, value) for place, value in enumerate(row[1:]))] for row in found["rows"]],
            "changed": [
                [row[0], *([place, _said(place, value)] for place, value in row[1:])] for row in found["changed"]
            ],
            "texts": {rule: tuple(map(tr, self.texts[rule])) for rule in rules if rule in self.texts},
        }


def _said(place: int, value: Any) -> Any:
    """Return the value of a field, in the viewer's language if it is a text."""
    if place == _DEADLINE and isinstance(value, str):
        return said_deadline(value)
    return _told(value) if place == _STORY and isinstance(value, str) else value


def _told(story: str) -> str:
    """Return who did what as a sentence."""
    parts = [part.split(_THEN) for part in story.split(_NEXT) if part]
    told = []
    for first, *rest in parts:
        who, why = (*rest, "", "")[:2]
        told.append(tr(first, who=who, why=suppressed(why) if first == _SUPPRESSES else why))
    return "; ".join(told)


def times(alarms: pl.DataFrame, snapshot: Snapshot, before: pl.DataFrame) -> pl.DataFrame:
    """Return when the age of each alarm was zero, how fast it grows, when its shelving and its time to respond end.

    A time stays as it was `before` while it is right within `DRIFT_MS` and `DRIFT_SHARE`.
    """
    written = float(snapshot.health.written)
    wall_s = (pl.lit(written) - pl.col("raised_wall")) / 1000
    # Alarms about Pumpwatch itself and about silence age by the wall clock, however fast the fleet's time passes.
    by_wall = ((pl.col("age_s") - wall_s).abs() < DRIFT_MS / 1000) | (pl.col("subject_kind") == "system")
    speed = pl.col("speed").cast(pl.Float64).fill_null(snapshot.health.speed)

    def ahead(seconds: str) -> pl.Expr:
        return (written + 1000 * pl.col(seconds).cast(pl.Float64) / pl.col("rate")).round(0)

    found = (
        alarms.with_columns(rate=pl.when(by_wall).then(1.0).otherwise(speed).clip(MIN_RATE))
        .with_columns(younger=-pl.col("age_s"))
        .select("alarm", "rate", zero=ahead("younger"), shelf=ahead("shelved_left_s"), harm=ahead("harm_s"))
        .join(before, on="alarm", how="left", maintain_order="left", suffix="_before")
    )
    same_rate = pl.col("rate") == pl.col("rate_before")
    kept = [_kept(name, written, same_rate).alias(name) for name in ("zero", "shelf", "harm")]
    return found.with_columns(kept).select(*_TIMES)


def _kept(name: str, written: float, same_rate: pl.Expr) -> pl.Expr:
    new, old = pl.col(name), pl.col(f"{name}_before")
    allowed = DRIFT_MS + DRIFT_SHARE * (pl.lit(written) - new).abs()
    return pl.when(same_rate & ((new - old).abs() <= allowed)).then(old).otherwise(new)


def rows(alarms: pl.DataFrame, known: pl.DataFrame, silenced: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return alarms (`broker.store.snapshot.ALARMS_SCHEMA`, with `many` if they are lines) as values of `FIELDS`."""
    by = pl.format("{} ({})", "silenced_by", "silenced_why").alias("quiet_by")
    quiet = silenced.select("alarm", by, pl.col("silenced_until").alias("quiet"))
    if "many" not in alarms.columns:
        alarms = alarms.with_columns(many=pl.lit(1))
    key = "key" if "key" in alarms.columns else "alarm"
    return (
        alarms.join(known, on="alarm", how="left", maintain_order="left")
        .join(quiet, on="alarm", how="left", maintain_order="left")
        .with_columns(
            queries.URGENCY.alias("urgency"),
            pl.col("returned").is_not_null().alias("over"),
            _story().alias("story"),
            _deadline(),
        )
        .select(pl.col(key).alias("alarm"), pl.col("subject_kind").alias("kind"), pl.col("raised_wall").alias("raised"),
                *(name for name in FIELDS if name not in {"alarm", "kind", "raised"}))
        .select(*FIELDS)
        .rows()
    )  # fmt: skip


def _named(lines: pl.DataFrame) -> pl.DataFrame:
    """Return lines with a key of their own: that of a group stays while its oldest alarm changes."""
    group = pl.format("{}/{}/{}", "gateway", "rule", "state")
    return lines.with_columns(key=pl.when(pl.col("many") > 1).then(group).otherwise("alarm"))


def _deadline() -> pl.Expr:
    """Return the expression of the time to respond; a duration that the browser does not convert is marked."""
    played = (pl.col("rate") != 1) & pl.col("harm").is_null() & pl.col("returned").is_null()
    text = pl.col("deadline")
    return pl.when(played & text.str.contains(DURATION.pattern)).then(text + " (therapy time)").otherwise(text)


def _story() -> pl.Expr:
    """Return the expression of who did what and why, without times: browsers show rows in zones of their own."""
    parts = (
        _part(tr_later("acknowledged by {who}"), "acknowledged_by"),
        _part(tr_later("shelved by {who}: {why}"), "shelved_by", "shelved_why"),
        _part(tr_later("out of service by {who}: {why}"), "out_by", "out_why"),
        _part(tr_later("note by {who}: {why}"), "note_by", "note"),
        pl.when(pl.col("held") > 0).then(_part(_SUPPRESSES, "held", "explains")),
    )
    return pl.concat_str(parts, separator=_NEXT, ignore_nulls=True)


def _part(text: str, who: str, why: str | None = None) -> pl.Expr:
    """Return the expression of one action: its text and what `_told` puts into it; null without its person."""
    both = f"[{_NEXT}{_THEN}]"
    given = [pl.col(who).cast(pl.String), *([pl.col(why).fill_null("")] if why else [])]
    return pl.concat_str(pl.lit(text), *(one.str.replace_all(both, " ") for one in given), separator=_THEN)
