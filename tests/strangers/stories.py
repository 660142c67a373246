"""How many random stories of strangers are played: the same few in the default run, new ones by `make chaos`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_COUNT = os.environ.get("CHAOS_STORIES")
STORIES = settings(
    max_examples=int(_COUNT or 6),
    derandomize=_COUNT is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
