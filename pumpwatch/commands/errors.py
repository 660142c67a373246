"""The exceptions that end a command with one sentence and an exit code."""

from __future__ import annotations

from pumpwatch.supervision.process import REFUSED


class CommandError(Exception):
    """An expected failure; the message is the sentence that the user reads."""

    code = 1


class RefusalError(CommandError):
    """A failure that remains until a person acts; a supervisor does not restart the part."""

    code = REFUSED
