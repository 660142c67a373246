"""The dashboard behind its sign-in."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from dashboard.access import passwords
from dashboard.access.middleware import Access
from dashboard.app import build
from dashboard.settings import Settings


@pytest.fixture
def dashboard(settings: Settings) -> Access:
    return build(settings)


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in a millisecond, in tests that are about something else."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", hasher)
    monkeypatch.setattr(passwords, "_UNKNOWN", hasher.hash("unknown"))
