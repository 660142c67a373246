"""The dashboard behind its sign-in."""

from __future__ import annotations

import pytest

from dashboard.access.middleware import Access
from dashboard.app import build
from dashboard.settings import Settings


@pytest.fixture
def dashboard(settings: Settings) -> Access:
    return build(settings)
