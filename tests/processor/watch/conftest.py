"""Assertion rewriting for the helper of the self-monitoring tests, so that a failed check shows both sides."""

import pytest

pytest.register_assert_rewrite("tests.processor.watch.monitored_processor")
