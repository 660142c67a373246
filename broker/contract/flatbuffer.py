"""Reader of FlatBuffers tables, bounded and without copies: just what the metadata of an Arrow stream needs."""

from __future__ import annotations

import struct
from typing import Final

_UOFFSET: Final = struct.Struct("<I")
_SOFFSET: Final = struct.Struct("<i")
_SLOT: Final = struct.Struct("<H")


class Table:
    """One table at the position `at` of `data`; a field that is absent has its default value.

    Any read outside of `data` raises `struct.error`: a position that the data gives is never trusted.
    """

    __slots__ = ("_vtable", "_vtable_bytes", "at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self._vtable = at - int(self._unpack(_SOFFSET, at)[0])
        self._vtable_bytes = int(self._unpack(_SLOT, self._vtable)[0])

    def where(self, field: int) -> int | None:
        """Return the position of a field by its number in the schema; None if it is absent."""
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_bytes:
            return None
        offset = int(self._unpack(_SLOT, self._vtable + entry)[0])
        return self.at + offset if offset else None

    def number(self, field: int, form: struct.Struct, default: int = 0) -> int:
        """Return a number."""
        at = self.where(field)
        return default if at is None else int(self._unpack(form, at)[0])

    def table(self, field: int) -> Table | None:
        """Return a table inside this one."""
        at = self.where(field)
        return None if at is None else Table(self.data, self._follow(at))

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Return the position of the first element and the number of elements, each of `width` bytes."""
        at = self.where(field)
        if at is None:
            return 0, 0
        start = self._follow(at)
        count = int(self._unpack(_UOFFSET, start)[0])
        if start + 4 + count * width > len(self.data):
            raise struct.error("a vector ends beyond the data")
        return start + 4, count

    def numbers(self, field: int, per_element: int) -> tuple[int, ...]:
        """Return the 64-bit numbers of a vector whose elements have `per_element` of them."""
        start, count = self.vector(field, 8 * per_element)
        return struct.unpack_from(f"<{count * per_element}q", self.data, start)

    def tables(self, field: int) -> list[Table]:
        """Return the tables of a vector."""
        start, count = self.vector(field, 4)
        return [Table(self.data, self._follow(start + 4 * number)) for number in range(count)]

    def text(self, field: int, most: int) -> str:
        """Return a text, no more than its first `most` bytes; those that are not UTF-8 are replaced."""
        start, count = self.vector(field, 1)
        return self.data[start : start + min(count, most)].decode("utf-8", "replace")

    def _follow(self, at: int) -> int:
        return at + int(self._unpack(_UOFFSET, at)[0])

    def _unpack(self, form: struct.Struct, at: int) -> tuple[int, ...]:
        if at < 0:
            raise struct.error("a position before the data")
        return form.unpack_from(self.data, at)


def root(data: bytes) -> Table:
    """Return the table that the data begins with; raise `struct.error` if there is none."""
    return Table(data, int(_UOFFSET.unpack_from(data)[0]))
