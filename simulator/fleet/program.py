"""Programs of the pumps: weekly and daily schedules of flow steps and periodic boluses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.dose_limits import MAX_BOLUSES, MAX_STEPS, PERIODIC_BOLUS_S, PERIODIC_SHARE

F64 = npt.NDArray[np.float64]

DAY_S: Final = 86_400.0
DAYS: Final = 7
MAX_SCHEDULES: Final = 4096
"""Schedules that a fleet may have at the same time; a further one is refused."""
DRAWN_PROFILES: Final = 64
"""Schedules of a newly simulated fleet; modelling choice."""
STEP_GRID_S: Final = 1800.0
"""Randomly drawn steps begin on half hours; modelling choice."""

RUNNING: Final = 0
MINIMUM: Final = 1
STOPPED: Final = 2
"""Modes of a pump: runs its program, keeps the catheter open at the minimum rate, or is stopped."""


def rate_ul_h(dose_ug_day: F64, concentration_ug_ml: F64) -> F64:
    """Return the mean rate that gives a daily dose at a concentration."""
    return np.asarray(dose_ug_day / concentration_ug_ml * (1000 / 24))


@dataclass(frozen=True)
class Profiles:
    """Weekly schedules composed of day schedules; any number of pumps may share one.

    `start_s` and `factor`, both (days, `MAX_STEPS`), are the beginning of each step of a day and its factor on the mean
    rate; unused steps begin at the end of the day. `week`, (schedules, 7), is the day schedule of Monday to Sunday.
    The mean of a schedule over the week is 1, so a pump's rate is its mean rate times its schedule.
    """

    start_s: F64
    factor: F64
    week: npt.NDArray[np.intp]

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Number of steps on each schedule's Monday; 1 is a continuous rate."""
        return np.asarray(np.count_nonzero(self.start_s < DAY_S, axis=1)[self.week[:, 0]])

    def mean_factor(self, from_s: float, dt_s: float) -> npt.NDArray[np.float32]:
        """Return the mean factor of each schedule over `dt_s` seconds, from `from_s` seconds after Monday 0:00."""
        return ((self._amount(from_s + dt_s) - self._amount(from_s)) / dt_s).astype(np.float32)

    def add(self, days: Profiles) -> tuple[Profiles, int]:
        """Return these schedules with the one of `days` added unless it is present already, and its number."""
        count = len(self.start_s)
        joined = Profiles(
            np.concatenate([self.start_s, days.start_s]),
            np.concatenate([self.factor, days.factor]),
            np.concatenate([self.week, days.week + count]),
        )
        ours, new = joined.factor[joined.week], days.factor[days.week[0]]
        starts, begin = joined.start_s[joined.week], days.start_s[days.week[0]]
        same = np.all(ours == new, axis=(1, 2)) & np.all(starts == begin, axis=(1, 2))
        first = int(np.argmax(same))
        if first < len(self.week):
            return self, first
        if len(joined.week) > MAX_SCHEDULES:
            raise ValueError(f"the fleet has {MAX_SCHEDULES} different schedules already; use one of them")
        return joined, first

    def _amount(self, until_s: float) -> F64:
        weeks, rest_s = divmod(until_s, DAYS * DAY_S)
        day, rest_s = divmod(rest_s, DAY_S)
        end_s = np.append(self.start_s[:, 1:], np.full((len(self.start_s), 1), DAY_S), axis=1)
        whole = ((end_s - self.start_s) * self.factor).sum(axis=1)
        elapsed = ((np.clip(rest_s, self.start_s, end_s) - self.start_s) * self.factor).sum(axis=1)
        by_day = whole[self.week]
        return np.asarray(
            weeks * by_day.sum(axis=1) + by_day[:, : int(day)].sum(axis=1) + elapsed[self.week[:, int(day)]]
        )


def weekly(days: Sequence[Sequence[tuple[float, float]]]) -> Profiles:
    """Return one schedule of seven days, Monday first, each as for `profile`; rates of all days are in the same unit.

    Raises `ValueError` as `profile` does, and unless there are seven days.
    """
    if len(days) != DAYS:
        raise ValueError(f"a week of {len(days)} days; it has {DAYS}")
    rows = [profile(day) for day in days]
    scale = np.array([mean_rate(day) for day in days])
    factor = np.concatenate([row.factor for row in rows]) * (scale / scale.mean())[:, None]
    return Profiles(np.concatenate([row.start_s for row in rows]), factor, np.arange(DAYS)[None, :])


def periodic(times: int, share: float, over_s: float) -> list[tuple[float, float]]:
    """Return the steps of `times` boluses a day of `over_s` seconds each, which deliver `share` of the daily dose.

    Raises `ValueError` if there are more than a day's steps allow, if they overlap, or if `share` is out of range.
    """
    fits = PERIODIC_BOLUS_S[0] <= over_s <= PERIODIC_BOLUS_S[1] and times * over_s < DAY_S
    if not 1 <= times <= MAX_BOLUSES or not fits or not PERIODIC_SHARE[0] <= share <= PERIODIC_SHARE[1]:
        raise ValueError(
            f"{times} boluses a day of {over_s:g} s with {share:g} of the dose; allowed are 1 to {MAX_BOLUSES} of a "
            f"minute or more that do not overlap, with a share of {PERIODIC_SHARE[0]:g} to {PERIODIC_SHARE[1]:g}"
        )
    bolus, basal = share / (times * over_s), (1 - share) / DAY_S
    begins = [number * DAY_S / times for number in range(times)]
    return [step for begin in begins for step in ((begin, basal + bolus), (begin + over_s, basal))]


def profile(steps: Sequence[tuple[float, float]]) -> Profiles:
    """Return one schedule with these `steps` on every day: pairs of seconds after midnight and rate, in any unit.

    The first step begins at midnight. Raises `ValueError` if there are too many steps, if they are not in order, if a
    rate is negative or if none is positive.
    """
    if not 1 <= len(steps) <= MAX_STEPS:
        raise ValueError(f"{len(steps)} steps in a day profile; allowed are 1 to {MAX_STEPS}")
    starts, rates = np.array(steps, dtype=np.float64).T
    if starts[0] != 0 or np.any(np.diff(starts) <= 0) or starts[-1] >= DAY_S:
        raise ValueError(
            f"steps begin at {starts.tolist()} s; the first must begin at 0, each later than the one before, "
            f"all before {DAY_S:.0f}"
        )
    if np.any(rates < 0) or not np.any(rates > 0):
        raise ValueError(f"steps have the rates {rates.tolist()}; none may be negative and one must be positive")
    mean = mean_rate(steps)
    start_s, factor = np.full((1, MAX_STEPS), DAY_S), np.zeros((1, MAX_STEPS))
    start_s[0, : len(steps)], factor[0, : len(steps)] = starts, rates / mean
    return Profiles(start_s, factor, np.zeros((1, DAYS), dtype=np.intp))


def mean_rate(steps: Sequence[tuple[float, float]]) -> float:
    """Return the mean rate over a day of `steps`, as for `profile`."""
    starts, rates = np.array(steps, dtype=np.float64).T
    return float(np.sum(rates * np.diff(starts, append=DAY_S)) / DAY_S)


def drawn(rng: np.random.Generator) -> Profiles:
    """Return `DRAWN_PROFILES` random schedules: the continuous rate first, then days of 2 to 13 steps.

    Steps differ by up to half of the mean rate from it, and every eighth schedule has another day at weekends;
    modelling choices.
    """
    rows = [profile([(0.0, 1.0)])]
    slots = round(DAY_S / STEP_GRID_S)
    for _ in range(DRAWN_PROFILES - 1):
        count = int(rng.integers(2, MAX_STEPS + 1))
        starts = STEP_GRID_S * np.sort(rng.choice(np.arange(1, slots), count - 1, replace=False))
        rates = rng.uniform(0.5, 1.5, count)
        rows.append(profile(list(zip([0.0, *starts.tolist()], rates.tolist(), strict=True))))
    week = np.repeat(np.arange(DRAWN_PROFILES)[:, None], DAYS, axis=1)
    week[8::8, 5:] -= 1
    start_s, factor = (np.concatenate([getattr(row, name) for row in rows]) for name in ("start_s", "factor"))
    return Profiles(start_s, factor, week)
