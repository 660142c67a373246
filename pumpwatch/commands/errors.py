"""This file is the one exception that ends a command with a sentence and exit code 1."""

from __future__ import annotations


class CommandError(Exception):
    """Something expected went wrong; the text is the sentence that the person reads."""
