"""Which faults an alarm rule is about, as the processor publishes it for scoring."""

from __future__ import annotations

import msgspec


class RuleTargets(msgspec.Struct, frozen=True):
    """Faults of one rule: those whose correct cause its alarm gives, and those it detects under another name."""

    identifies: tuple[str, ...] = ()
    detects: tuple[str, ...] = ()
