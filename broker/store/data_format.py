"""Format of a data directory: a file that says which version of Pumpwatch can read it.

Journal, history and checkpoint have formats of their own, and are migrated by their readers. This one changes if the
layout of the directory does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from broker.store import durable_write

FILE: Final = "format.json"
FORMAT: Final = 1
"""0 is a directory without this file, as earlier versions wrote it: everything is where it was."""
MIGRATIONS: Final[Mapping[int, Callable[[Path], None]]] = {0: lambda _: None}
"""What brings a directory of each older format to the next one."""


class DataFormatError(Exception):
    """This version cannot use the data directory; the text says what to do."""


class _Written(msgspec.Struct):
    """Content of the file."""

    format: int


def of(data: Path) -> int:
    """Return the format of a data directory, 0 if no file says it. Raises `DataFormatError` if it cannot be read."""
    path = data / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Written).format
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, msgspec.DecodeError) as error:
        raise DataFormatError(
            f"{path} cannot be read ({error}); restore it from a backup, or remove it if no newer version of Pumpwatch "
            "has used this directory"
        ) from error


def check(data: Path) -> int:
    """Return the format of a data directory that this version can use; raises `DataFormatError` for a newer one."""
    found = of(data)
    if not 0 <= found <= FORMAT:
        raise DataFormatError(
            f"{data} has format {found}, and this version of Pumpwatch reads up to {FORMAT}; use the version that "
            "wrote it, restore a backup made by this one, or give another --data"
        )
    return found


def bring_up_to_date(data: Path) -> None:
    """Migrate a data directory to the present format and note that; one that does not exist yet stays so.

    Only one process may do that at a time. Raises `DataFormatError`, or `OSError` if it cannot be written.
    """
    found = check(data)
    if found == FORMAT or not data.is_dir():
        return
    for number in range(found, FORMAT):
        MIGRATIONS[number](data)
    write(data)


def write(data: Path, number: int = FORMAT) -> None:
    """Note which format a data directory has. Raises `OSError`."""
    content = msgspec.json.encode(_Written(number)) + b"\n"
    durable_write.replace(data / FILE, lambda fresh: fresh.write_bytes(content))
