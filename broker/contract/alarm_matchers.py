"""Matchers: which alarms a notification route or a silence is about, by site, gateway, model, lot, rule, priority, …

A matcher is a table in TOML or JSON, such as `{site = ["Bern", "Thun*"], priority = "high", min_age = "10m"}`. Every
field that it names must match; a field matches if one of its patterns does. In a pattern, `*` stands for any
characters and `?` for one; case counts. An alarm without a value in a field, such as the site of an alarm about a
gateway, matches no pattern of that field.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.cohorts import NAMED
from broker.contract.ranges import MAX_LABEL

FIELDS: Final = ("site", "gateway", "model", "lot", "rule", "priority", "pump", "state", "subject", "alarm")
"""What patterns are compared with: texts of an alarm, each null if unknown.

`subject` is what the alarm is about (`broker.contract.subjects`), `alarm` its id.
"""
AGE: Final = "age_s"
"""The field that `min_age` is compared with: wall seconds since the alarm was raised."""
PRIORITIES: Final = ("high", "medium", "low")
STATES: Final = (
    *("unacknowledged", "acknowledged", "returned", "latched", "shelved", "suppressed", "out_of_service", "normal"),
)
MAX_PATTERNS: Final = 200
"""In one field."""
MAX_PATTERN: Final = MAX_LABEL
MAX_AGE_S: Final = 30 * 86_400.0
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {"priority": PRIORITIES, "state": STATES}
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_AGE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?([smhd])", re.ASCII)


class MatcherError(ValueError):
    """A matcher is not valid; the text says what is wrong and what is allowed."""


class AlarmMatcher(msgspec.Struct, frozen=True, dict=True, omit_defaults=True, forbid_unknown_fields=True):
    """Patterns by field; a field without patterns matches every alarm. `min_age_s` is wall seconds since raised."""

    site: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    lot: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    pump: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    alarm: tuple[str, ...] = ()
    min_age_s: float = 0.0

    @cached_property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The fields that have patterns, with them."""
        return {name: patterns for name in FIELDS if (patterns := getattr(self, name))}

    @cached_property
    def _compiled(self) -> dict[str, re.Pattern[str]]:
        return {name: _python(patterns) for name, patterns in self.named.items()}

    @property
    def matches_all(self) -> bool:
        """Whether it matches every alarm, because it names nothing."""
        return not self.named and self.min_age_s <= 0

    def may_match(self, field: str, value: str) -> bool:
        """Return whether an alarm with this value in a field could match, whatever its other fields are."""
        return field not in self._compiled or self._compiled[field].fullmatch(value) is not None

    def matches(self, alarm: Mapping[str, Any]) -> bool:
        """Return whether an alarm with these `FIELDS` matches; missing ones are unknown. `AGE` is seconds."""
        age = alarm.get(AGE)
        if self.min_age_s > 0 and (age is None or age < self.min_age_s):
            return False
        return all(
            isinstance(value := alarm.get(name), str) and pattern.fullmatch(value) is not None
            for name, pattern in self._compiled.items()
        )

    def expression(self) -> pl.Expr:
        """Return the same condition as `matches` on a frame with the columns `FIELDS` and `AGE`; never null."""
        conditions = [
            pl.col(name).str.contains(_polars(patterns)).fill_null(False) for name, patterns in self.named.items()
        ]
        if self.min_age_s > 0:
            conditions.append((pl.col(AGE) >= self.min_age_s).fill_null(False))
        return pl.all_horizontal(pl.lit(True), *conditions)

    def as_table(self) -> dict[str, Any]:
        """Return what `read` reads: patterns by field, a single one as a text."""
        table: dict[str, Any] = {
            name: patterns[0] if len(patterns) == 1 else list(patterns) for name, patterns in self.named.items()
        }
        return table | ({"min_age": f"{self.min_age_s:g}s"} if self.min_age_s > 0 else {})

    def text(self) -> str:
        """Return it for people: "site Bern or Thun*; priority high"."""
        parts = [f"{name} {' or '.join(patterns)}" for name, patterns in self.named.items()]
        parts += [f"open for at least {self.min_age_s:g} s"] if self.min_age_s > 0 else []
        return "; ".join(parts) or "every alarm"


def read(table: Mapping[str, Any], where: str = "match") -> AlarmMatcher:
    """Return the matcher of a table from TOML or JSON; `where` names the table in errors. Raises `MatcherError`."""
    if not isinstance(table, Mapping):
        raise MatcherError(f"{where} is {_shown(table)}; write a table, such as {{ site = 'Bern', priority = 'high' }}")
    known = (*FIELDS, "min_age")
    if unknown := [str(name) for name in table if name not in known]:
        raise MatcherError(f"{where} has the field {_shown(unknown[0])}; allowed are {', '.join(known)}")
    found: dict[str, Any] = {
        name: _patterns(table[name], name, f"{where}.{name}") for name in FIELDS if table.get(name) is not None
    }
    if table.get("min_age") is not None:
        found["min_age_s"] = _age_s(table["min_age"], f"{where}.min_age")
    return AlarmMatcher(**found)


def cohort_fields(subject: str, subject_kind: str) -> dict[str, str]:
    """Return model or lot of an alarm about such a cohort, by its subject: "lot B07" is of lot B07."""
    if subject_kind != "cohort":
        return {}
    return {kind: subject.removeprefix(f"{kind} ") for kind in NAMED if subject.startswith(f"{kind} ")}


def _patterns(given: Any, field: str, where: str) -> tuple[str, ...]:
    values: Sequence[Any] = [given] if isinstance(given, str) else given
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise MatcherError(f"{where} is {_shown(given)}; write a text or a list of texts")
    if len(values) > MAX_PATTERNS:
        raise MatcherError(f"{where} has {len(values):,} patterns; allowed are up to {MAX_PATTERNS}")
    for value in values:
        if not 1 <= len(value) <= MAX_PATTERN or not value.isprintable():
            raise MatcherError(
                f"{where} has the pattern {_shown(value)}; allowed are 1 to {MAX_PATTERN} printable characters"
            )
        allowed = _ALLOWED.get(field, ())
        if allowed and not any(_python([value]).fullmatch(one) for one in allowed):
            raise MatcherError(f"{where} is {_shown(value)}, which matches none of {', '.join(allowed)}")
    return tuple(dict.fromkeys(values))


def _age_s(given: Any, where: str) -> float:
    found = _AGE.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None or not 0 <= (age_s := float(found[1]) * _UNITS[found[2]]) <= MAX_AGE_S:
        raise MatcherError(f"{where} is {_shown(given)}; write a duration of up to 30d, such as '90s', '10m' or '2h'")
    return age_s


def _python(patterns: Sequence[str]) -> re.Pattern[str]:
    # The standard library translates a pattern so that matching does not backtrack. Brackets are ordinary characters.
    return re.compile("|".join(fnmatch.translate(pattern.replace("[", "[[]")) for pattern in patterns))


def _polars(patterns: Sequence[str]) -> str:
    """Return the regular expression of polars, whose engine needs linear time and knows fewer constructs."""
    return "|".join(f"^(?s:{''.join(_part(part) for part in pattern)})$" for pattern in patterns)


def _part(character: str) -> str:
    wildcard = {"*": ".*", "?": "."}.get(character)
    return wildcard or (f"\\{character}" if character in r"\.+()|[]{}^$" else character)


def _shown(value: Any) -> str:
    return repr(value)[:60]
