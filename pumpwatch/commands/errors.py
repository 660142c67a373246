"""The exception that ends a command with one sentence and exit code 1."""

from __future__ import annotations


class CommandError(Exception):
    """An expected failure; the message is the sentence that the user reads."""
