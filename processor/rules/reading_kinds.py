"""Kinds of readings: what Pumpwatch measures about itself (`processor.watch.readings`) and its rules score."""

from __future__ import annotations

from typing import Final

TROUBLE: Final = "trouble"
FULLNESS: Final = "fullness"
LAG: Final = "lag"
LOST: Final = "lost"
DROPPED: Final = "dropped"
REFUSED: Final = "refused"
CAME: Final = "came"
RESENT: Final = "resent"
FORGED: Final = "forged"
CLAIMED: Final = "claimed"
