"""Guard around the pipeline: a message that causes an unforeseen error is quarantined, and the processor goes on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.codec import Decoded
from broker.mqtt.link import Message
from processor.batch_result import BatchResult
from processor.pipeline import Pipeline

log = logging.getLogger("processor")

ERRORS: Final = (Exception, pl.exceptions.PanicException)
"""What may be raised by a message that nobody foresaw; a panic of Polars is no `Exception`."""


def describe(error: BaseException) -> str:
    """Return an unforeseen error in one sentence."""
    text = (str(error).splitlines() or [""])[0]
    return f"unforeseen error, please report it: {type(error).__name__}: {text[:200]}"


@dataclass
class GuardedPipeline:
    """Takes messages into the pipeline. `errors` counts the unforeseen errors, `latest` describes the last one."""

    pipeline: Pipeline
    errors: int = 0
    latest: str = ""

    def take(
        self,
        messages: list[Message],
        now: int,
        *,
        listening: bool,
        readings: pl.DataFrame | None,
        current: bool = True,
        decoded: Sequence[Decoded | None] | None = None,
    ) -> list[BatchResult]:
        """Take in messages (see `Pipeline.take`); return the results, more than one if a message had to be isolated.

        After an error, the messages are taken again in halves until the one that causes it is alone: taking a message
        twice changes nothing. That one is quarantined. If there is an error without any message, only Pumpwatch itself
        is judged, so that its alarm is raised.
        """
        waiting = self.pipeline.backlog.waiting
        try:
            return [
                self.pipeline.take(
                    messages, now, listening=listening, current=current, readings=readings, decoded=decoded
                )
            ]
        except ERRORS as error:
            self._count(error)
            self.pipeline.backlog.waiting = waiting
            if not messages and waiting.is_empty():
                return self._system_alone(readings, now)
            half = len(messages) // 2
        if not messages:
            self.pipeline.quarantine_backlog(now, self.latest)
            return self.take([], now, listening=listening, current=current, readings=readings)
        if not half:
            self.pipeline.quarantine_message(messages[0], now, self.latest)
            return self.take([], now, listening=listening, current=current, readings=readings)
        parts = [slice(half), slice(half, None)]
        frames = [None if decoded is None else decoded[part] for part in parts]
        return [
            result
            for part, own in zip(parts, frames, strict=True)
            for result in self.take(
                messages[part], now, listening=listening, current=current, readings=readings, decoded=own
            )
        ]

    def _system_alone(self, readings: pl.DataFrame | None, now: int) -> list[BatchResult]:
        try:
            return [self.pipeline.take_system(readings, now)]
        except ERRORS as error:
            self._count(error)
            return []

    def _count(self, error: BaseException) -> None:
        self.errors += 1
        before, self.latest = self.latest, describe(error)
        if self.latest != before:
            log.error("processing: %s", self.latest, exc_info=error if self.errors == 1 else None)
