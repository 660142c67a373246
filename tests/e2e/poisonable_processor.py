"""`pumpwatch process`, but taking in a payload with the word POISON ends the process as a segmentation fault would."""

from __future__ import annotations

import os
import signal
from typing import Any

from processor.pipeline import Pipeline
from pumpwatch.__main__ import main

take = Pipeline.take


def deadly(self: Pipeline, messages: Any, *given: Any, **named: Any) -> Any:
    if any(b"POISON" in message.payload for message in messages):
        os.kill(os.getpid(), signal.SIGKILL)
    return take(self, messages, *given, **named)


Pipeline.take = deadly  # type: ignore[method-assign]
main()
