"""Form of a payload by its first bytes: refuses by name what is no JSON text, and takes off what surrounds one."""

from __future__ import annotations

import re
from typing import Final

from broker.contract.payload_limits import PayloadError

_BOM: Final = b"\xef\xbb\xbf"
_FORMS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"{\x00\x00\x00", "UTF-32"),
    (b"[\x00\x00\x00", "UTF-32"),
    (b"\x00\x00\x00{", "UTF-32"),
    (b"\x00\x00\x00[", "UTF-32"),
    (b"{\x00", "UTF-16"),
    (b"[\x00", "UTF-16"),
    (b"\x00{", "UTF-16"),
    (b"\x00[", "UTF-16"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"\x04\x22\x4d\x18", "compressed with LZ4"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"ARROW1", "an Arrow file"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "Avro"),
    (b"\xc3\x01", "Avro"),
    (b"\xd9\xd9\xf7", "CBOR"),
    (b"<", "XML or HTML"),
)
"""First bytes, and what begins with them."""
_REMEDY: Final = {
    "UTF-16": "send UTF-8",
    "UTF-32": "send UTF-8",
    "an Arrow file": "send the Arrow stream format",
}
_OTHERWISE: Final = "send JSON in UTF-8, or an Arrow stream"
_ZLIB_METHOD: Final = 0x78
_WORD: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_MAX_FIELDS: Final = 1000
"""Fields of protobuf that are looked at."""


def text_of(payload: bytes) -> bytes:
    """Return the JSON text in a payload without byte order mark, surrounding white space and trailing NULs.

    Raises `PayloadError` if it is empty, or in another encoding, compressed, or binary.
    """
    form = form_of(payload)
    if form is not None:
        raise PayloadError(f"the payload is {form}; {_REMEDY.get(form, _OTHERWISE)}")
    text = payload.removeprefix(_BOM).rstrip(b"\0 \t\r\n").lstrip(b" \t\r\n")
    if not text:
        what = "empty" if not payload else "only white space or NUL bytes"
        raise PayloadError(f"the payload is {what}; {_OTHERWISE}")
    return text


def form_of(payload: bytes) -> str | None:
    """Return the name of the form that a payload has, None if it may be JSON text."""
    if payload[:1] in {b"{", b"["} and payload[1:2] != b"\0":
        return None
    for first, name in _FORMS:
        if payload.startswith(first):
            return name
    if len(payload) > 2 and payload[0] == _ZLIB_METHOD and int.from_bytes(payload[:2]) % 31 == 0:
        return "compressed with zlib"
    return _binary(payload) or ("protobuf" if _is_protobuf(payload) else None)


def _binary(payload: bytes) -> str | None:
    """Return MessagePack or CBOR if a payload begins with a map, or an array of maps, of one of them.

    Both give a map or a text in the upper half of the bytes, where no JSON begins, but not the same bytes.
    """
    first, second = payload[0] if payload else 0, payload[1] if len(payload) > 1 else 0
    if 0x81 <= first <= 0x8F:
        # A map of MessagePack, whose first key is a word; or an array of CBOR.
        length = second & 0x1F if 0xA1 <= second <= 0xBF else 0
        return "MessagePack" if length and _WORD.fullmatch(payload[2 : 2 + length]) else "CBOR"
    if 0x90 <= first <= 0x9F:
        return "MessagePack" if 0x80 <= second <= 0x8F or second in {0xDE, 0xDF} else "CBOR"
    if first in {0xDC, 0xDD, 0xDE, 0xDF}:
        return "MessagePack"
    return "CBOR" if 0xA0 <= first <= 0xBF else None


def _is_protobuf(payload: bytes) -> bool:
    """Tell whether a payload that is no text has the form of protobuf: fields with a number, a type and a length."""
    if not payload or not re.search(rb"[\x00-\x08\x0e-\x1f\x80-\xff]", payload[:64]) or payload.lstrip()[:1] in b"{[":
        return False
    at = 0
    for _ in range(_MAX_FIELDS):
        if at == len(payload):
            return True
        tag, at = _varint(payload, at)
        kind = tag & 7
        if tag < 8 or kind not in {0, 1, 2, 5}:
            return False
        if kind == 0:
            _, at = _varint(payload, at)
        elif kind == 2:
            length, at = _varint(payload, at)
            at += length
        else:
            at += 8 if kind == 1 else 4
        if at > len(payload):
            return False
    return True


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and the position after it; beyond the end if it has none."""
    value = 0
    for number, byte in enumerate(payload[at : at + 10]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return value, at + number + 1
    return 0, len(payload) + 1
