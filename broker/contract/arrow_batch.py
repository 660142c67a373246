"""Arrow payloads of a batch, decoded together: what they have in common is checked once, not once for each payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.codec_arrow import checked, decode_arrow, read_plain
from broker.contract.sample_checks import Decoded, doubtful

MAX_KNOWN: Final = 100_000
"""Sources whose pumps are remembered, as many as there may be gateways."""


@dataclass
class ArrowBatches:
    """Decoder of batches; each payload is decoded exactly as `codec.decode` does.

    A gateway sends the same pumps in frame after frame: a column of serial numbers that is equal to the last one of
    its source needs no checks.
    """

    _known: dict[str, pl.Series] = field(default_factory=dict)

    def decode(self, payloads: Sequence[tuple[str, bytes]]) -> list[Decoded]:
        """Decode payloads, each with its source, such as its topic; never raises."""
        decoded: list[Decoded | None] = []
        unchecked: dict[int, pl.DataFrame] = {}
        for at, (source, payload) in enumerate(payloads):
            frame = read_plain(payload)
            decoded.append(decode_arrow(payload) if frame is None else self._decode(source, frame))
            if frame is not None and decoded[at] is None:
                unchecked[at] = frame
        for (at, frame), right in zip(unchecked.items(), _clean(list(unchecked.values())), strict=True):
            decoded[at] = Decoded(frame) if right else checked(frame)
        return [each for each in decoded if each is not None]

    def _decode(self, source: str, frame: pl.DataFrame) -> Decoded | None:
        """Return the content of a frame; None if nothing but the ranges of its values has to be checked."""
        pumps = frame["pump"]
        known = self._known.get(source)
        if known is not None and known.equals(pumps):
            return None
        decoded = checked(frame)
        if decoded.samples.height == frame.height and pumps.n_unique() == frame.height:
            if source not in self._known and len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[source] = pumps
        return decoded


def _clean(frames: list[pl.DataFrame]) -> list[bool]:
    """Tell for each frame whether all its values are within their ranges."""
    if not frames:
        return []
    wrong = doubtful(pl.concat(frames, rechunk=False))
    if wrong is None:
        return [True] * len(frames)
    clean, end = [], 0
    for frame in frames:
        clean.append(not wrong[end : end + frame.height].any())
        end += frame.height
    return clean
