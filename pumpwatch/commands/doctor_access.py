"""Checks of `pumpwatch doctor` on access: rights on files, the secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from broker.display.instants import timestamp
from broker.store import private_files, secret_files

MAX_NAMED: Final = 5


class Finding(msgspec.Struct):
    """One check; `failed` prevents operation, `note` does not."""

    what: str
    state: Literal["ok", "note", "failed"]
    text: str


def endings(data: Path, now: int) -> Iterator[Finding]:
    """Check when the certificates of authority, broker and dashboard end; `now` is wall ms."""
    from broker.access.certificates import SOON_DAYS, certificates

    for certificate in certificates(data):
        left, name = certificate.days_left(now), f"certificate of {certificate.what}"
        if left > SOON_DAYS:
            yield Finding(name, "ok", f"valid until {timestamp(certificate.expires)}, {left:,} d")
        else:
            yield Finding(name, "note" if left >= 0 else "failed", certificate.text(now))


def permissions(data: Path) -> Iterator[Finding]:
    """Check that no other user of this machine can read the data directory or the secrets."""
    if not data.is_dir():
        return
    open_to_others = private_files.exposed(data)
    if open_to_others:
        names = ", ".join(path.name for path in open_to_others[:MAX_NAMED])
        text = f"other users can read {names} in {data}; run: chmod -R go= {data}"
        yield Finding("permissions", "failed", text)
    else:
        yield Finding("permissions", "ok", f"only their owner can read the files in {data}")
    if secret_files.path(data).exists():
        try:
            yield Finding("secrets", "ok", str(secret_files.directory(data).resolve()))
        except OSError as error:
            yield Finding("secrets", "failed", str(error))
