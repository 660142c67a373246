"""Payloads of strangers: what devices send that are not quite exact, and what becomes of it. A row is a payload.

To add one: name it as a user would, write its bytes, say how many samples are accepted, what their values are and which
words the reasons of the rejections contain, in order. `test_codec_with_strangers.py` plays the table to the codec,
`test_system_with_strangers.py` to a running system.
"""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import timedelta
from decimal import Decimal
from typing import Final

import polars as pl

from tests.strangers.rows import ISO, MOMENT, PUMP, Payload, T, arrow, arrow_file, at, latin_1, of_text, sample, series

ONE: Final = sample(flow_ul_h=8.1).encode()
LATER: Final = [sample(time=T + 1000 * number, seq=number) for number in range(6)]
IN_ORDER: Final = {"time": [T + 1000 * number for number in range(6)], "seq": list(range(6))}
UNKNOWN: Final = {"flow_ul_h": [None]}
FLOW: Final = {"flow_ul_h": [8.1]}
SEQ: Final = {"seq": [3]}
NOW: Final = {"time": [T]}
SECOND: Final = {"time": [T, T + 1000]}
CASE_OF_200: Final = ",".join(
    sample(time=T + number, flow_ul_h=8.1)
    if number != 77
    else sample(time=T + number).replace("}", ',"flow_ul_h":NaN}')
    for number in range(200)
)

ENCODINGS: Final = (
    Payload("a plain sample", ONE, values=FLOW),
    Payload("a byte order mark", b"\xef\xbb\xbf" + ONE, values=FLOW),
    Payload("a byte order mark before an array", b"\xef\xbb\xbf[" + ONE + b"]", values=FLOW),
    Payload("a trailing NUL of a C program", ONE + b"\0", values=FLOW),
    Payload("a buffer filled up with NULs", ONE + b"\0" * 200, values=FLOW),
    Payload("UTF-16 with a byte order mark", ONE.decode().encode("utf-16"), 0, rejected=("UTF-16; send UTF-8",)),
    Payload("UTF-16 without one", ONE.decode().encode("utf-16-le"), 0, rejected=("UTF-16; send UTF-8",)),
    Payload("UTF-16, big-endian", ONE.decode().encode("utf-16-be"), 0, rejected=("UTF-16; send UTF-8",)),
    Payload("UTF-32", ONE.decode().encode("utf-32"), 0, rejected=("UTF-32; send UTF-8",)),
    Payload("Latin-1", ONE.replace(b"MY", b"M\xfc"), 0, rejected=("byte 0xFC at 10 is not UTF-8; send UTF-8",)),
    Payload("Latin-1 in a field that nobody reads", of_text('"ward":"S?d"').replace(b"?", b"\xfc")),
    Payload("only NULs", b"\0" * 8, 0, rejected=("only white space or NUL bytes",)),
    Payload("nothing", b"", 0, rejected=("the payload is empty; send JSON in UTF-8",)),
    Payload("gzip", gzip.compress(ONE), 0, rejected=("compressed with gzip; send JSON",)),
    Payload("zlib", zlib.compress(ONE), 0, rejected=("compressed with zlib; send JSON",)),
    Payload("Zstandard", b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello", 0, rejected=("compressed with Zstandard",)),
    Payload(
        "MessagePack", b"\x82\xa4pump\xa4MY-1\xa4time\xcf\x00\x00\x01\x9b", 0, rejected=("MessagePack; send JSON",)
    ),
    Payload("CBOR", b"\xa2\x64pump\x64MY-1\x64time\x1b\x00\x00\x01\x9b", 0, rejected=("CBOR; send JSON",)),
    Payload("protobuf", b"\x08\x80\xc0\xa7\xd9\xb7\x33\x12\x06\x0a\x04MY-1", 0, rejected=("protobuf; send JSON",)),
    Payload("an Arrow file", arrow_file(), 0, rejected=("an Arrow file; send the Arrow stream format",)),
    Payload("Parquet", b"PAR1\x15\x04\x15", 0, rejected=("a Parquet file; send JSON",)),
    Payload("XML", b"<sample pump='MY-1'/>", 0, rejected=("XML or HTML; send JSON",)),
)

FORMS: Final = (
    Payload("an array", f"[{','.join(LATER)}]".encode(), 6, IN_ORDER),
    Payload("an array, newest first", f"[{','.join(reversed(LATER))}]".encode(), 6, IN_ORDER),
    Payload("lines", "\n".join(LATER).encode(), 6, IN_ORDER),
    Payload("lines of Windows", "\r\n".join([*LATER, ""]).encode(), 6, IN_ORDER),
    Payload("lines, newest first", "\n".join(reversed(LATER)).encode(), 6, IN_ORDER),
    Payload("objects without a separator", "".join(LATER).encode(), 6, IN_ORDER),
    Payload(
        "indented objects after each other", "\n".join(json.dumps(json.loads(s), indent=2) for s in LATER).encode(), 6
    ),
    Payload("one NaN in an array of 200", f"[{CASE_OF_200}]".encode(), 200),
    Payload("one wrong sample in an array", f"[{LATER[0]},7,{LATER[1]}]".encode(), 2, SECOND, ("sample 2: ",)),
    Payload("an array that is not closed", f"[{LATER[0]},{LATER[1]}".encode(), 2, SECOND, ("truncated",)),
    Payload("a truncated last sample", f"[{LATER[0]},{LATER[1]},{LATER[2][:-4]}".encode(), 2, SECOND, ("truncated",)),
    Payload("a trailing comma in an array", f"[{LATER[0]},{LATER[1]},]".encode(), 2, SECOND, ("a comma too many",)),
    Payload("a trailing comma in a sample", of_text('"seq":1,'), 0, rejected=("a trailing comma; remove it",)),
    Payload("single quotes", ONE.replace(b'"', b"'"), 0, rejected=("single quotes; JSON needs double quotes",)),
    Payload("names without quotes", b"{pump:1}", 0, rejected=("a name without double quotes",)),
    Payload("None of Python", of_text('"seq":None'), 0, rejected=("None is not JSON; send null",)),
    Payload("a comment", of_text("//"), 0, rejected=("JSON has no comments",)),
    Payload("a truncated sample", ONE[:-5], 0, rejected=("it is truncated",)),
    Payload(
        "a key that is there twice", of_text('"seq":1,"seq":2'), 0, rejected=("'seq' is there twice; send it once",)
    ),
    Payload("a pump that is there twice", of_text('"pump":"MY-2"'), 0, rejected=("'pump' is there twice",)),
    Payload("a time twice, one as an escape", of_text(f'"t\\u0069me":{T}'), 0, rejected=("'time' is there twice",)),
    Payload("a null, then a value", of_text('"seq":null,"seq":2'), 0, rejected=("'seq' is there twice",)),
    Payload("names in capitals", b'{"Pump":"A","Time":1}', 0, rejected=("no pump; its fields are 'Pump', 'Time'",)),
    Payload("samples inside an object", b'{"samples":[' + ONE + b"]}", 0, rejected=("its fields are 'samples'",)),
    Payload("commas between objects", ONE + b"," + ONE, 0, rejected=("send an array or one sample per line",)),
    Payload("a wrong character in an array", f"[{LATER[0]},{{@}},{LATER[1]}]".encode(), 2, SECOND, ("sample 2: ",)),
    Payload("more fields", of_text('"ward":{"floor":[1,2]},"mood":":)"'), 1),
    Payload("a nested field", of_text('"x":' + "[" * 9999 + "]" * 9999), 0, rejected=("nested more than 64 deep",)),
    Payload("too many samples", b"[" + b",".join([b"{}"] * 70_000) + b"]", 0, rejected=("the limit is 65,536",)),
)

TIMES: Final = (
    Payload("fractions of milliseconds", at(f"{T + 123}.456"), values={"time": [T + 123]}),
    Payload("milliseconds as text", at(f'"{T}"'), values=NOW),
    Payload("ISO 8601", at(f'"{ISO}"'), values=NOW),
    Payload("lower-case ISO 8601", at(f'"{ISO.lower()}"'), values=NOW),
    Payload("nanoseconds in ISO 8601", at(f'"{ISO[:-1]}.123456789Z"'), values={"time": [T + 123]}),
    Payload(
        "another time zone",
        at(f'"{(MOMENT + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S")}+02:00"'),
        values=NOW,
    ),
    Payload("a leap second", at('"2016-12-31T23:59:60Z"'), values={"time": [1_483_228_800_000]}, of_now=False),
    Payload(
        "a leap second of Tokyo",
        at('"2017-01-01T08:59:60.5+09:00"'),
        values={"time": [1_483_228_800_500]},
        of_now=False,
    ),
    Payload("a second 60 at noon", at('"2016-12-31T12:00:60Z"'), 0, rejected=("a leap second only at 23:59:60 UTC",)),
    Payload("no time zone", at(f'"{ISO[:-1]}"'), 0, rejected=("has no time zone; write Z for UTC",)),
    Payload("seconds", at(str(T // 1000)), 0, rejected=(f"looks like seconds since 1970: send milliseconds ({T})",)),
    Payload("seconds with a fraction", at(f"{T // 1000}.5"), 0, rejected=("looks like seconds since 1970",)),
    Payload("seconds as text", at(f'"{T // 1000}"'), 0, rejected=("looks like seconds since 1970",)),
    Payload("microseconds", at(str(T * 1000)), 0, rejected=("looks like microseconds since 1970",)),
    Payload("nanoseconds", at(str(T * 1_000_000)), 0, rejected=("looks like nanoseconds since 1970",)),
    Payload("time is null", at("null"), 0, rejected=("it has no time",)),
    Payload("time is NaN", at("NaN"), 0, rejected=("it has no time",)),
    Payload("time is true", at("true"), 0, rejected=("time is the truth value true",)),
    Payload("time is far too large", at("1" * 5000), 0, rejected=("time is inf",)),
    Payload("sent in seconds", of_text(f'"sent":{T // 1000}'), 0, rejected=("sent is",)),
    Payload("sent is empty", of_text('"sent":""'), values={"sent": [None]}),
)

VALUES: Final = (
    Payload("a number as text", of_text('"flow_ul_h":"8.1"'), values=FLOW),
    Payload("a count as text", of_text('"seq":"3"'), values=SEQ),
    Payload("a count with a point", of_text('"seq":3.0'), values=SEQ),
    Payload("null", of_text('"flow_ul_h":null'), values=UNKNOWN),
    Payload("NaN", of_text('"flow_ul_h":NaN'), values=UNKNOWN),
    Payload("NaN as text", of_text('"flow_ul_h":"nan"'), values=UNKNOWN),
    Payload("an empty text", of_text('"flow_ul_h":""'), values=UNKNOWN),
    Payload("Infinity", of_text('"flow_ul_h":Infinity'), 0, rejected=("flow_ul_h is inf; send a number, or null",)),
    Payload("a decimal comma", of_text('"flow_ul_h":"8,1"'), 0, rejected=("write a decimal point",)),
    Payload("a unit", of_text('"flow_ul_h":"8.1 ul/h"'), 0, rejected=("flow_ul_h is text ('8.1 ul/h')",)),
    Payload("true as a number", of_text('"flow_ul_h":true'), 0, rejected=("flow_ul_h is the truth value true",)),
    Payload("an object as a number", of_text('"flow_ul_h":{}'), 0, rejected=("flow_ul_h is an array or an object",)),
    Payload("half a count", of_text('"seq":3.5'), 0, rejected=("seq is 3.5; allowed are whole numbers",)),
    Payload("a count beyond all", of_text('"seq":18446744073709551616'), 0, rejected=("seq is 18446744073709551616",)),
    Payload("a flow beyond all", of_text('"flow_ul_h":"1e300"'), 0, rejected=("flow_ul_h is 1e+300; allowed is -100",)),
    Payload("a number as a pump", b'{"pump":7,"time":1}', 0, rejected=("pump is 7; send the serial number as text",)),
)

COLUMNS: Final = (
    Payload("Arrow", arrow(flow_ul_h=[8.1]), values=FLOW),
    Payload("microseconds in UTC", arrow(time=series([MOMENT], pl.Datetime("us", "UTC"))), values=NOW),
    Payload("nanoseconds in a zone", arrow(time=series([MOMENT], pl.Datetime("ns", "Asia/Tokyo"))), values=NOW),
    Payload("microseconds, no zone", arrow(time=series([T * 1000], pl.Int64).cast(pl.Datetime("us"))), values=NOW),
    Payload("milliseconds, no zone", arrow(time=series([T], pl.Int64).cast(pl.Datetime("ms"))), values=NOW),
    Payload("whole microseconds", arrow(time=[T * 1000]), 0, rejected=("looks like microseconds since 1970",)),
    Payload("whole seconds", arrow(time=series([T // 1000], pl.Int32)), 0, rejected=("looks like seconds since 1970",)),
    Payload("float milliseconds", arrow(time=[T + 0.75]), values=NOW),
    Payload("Float32 times", arrow(time=series([T], pl.Float32)), 0, rejected=("exact to minutes only",)),
    Payload("times as text", arrow(time=[ISO, "yesterday"]), 1, NOW, ("time 'yesterday' is neither",)),
    Payload("dates", arrow(time=[MOMENT.date()]), 0, rejected=("column time is Date",)),
    Payload("one seq is negative", arrow(seq=[3, -1]), 1, SEQ, ("seq is -1; allowed is 0 to",)),
    Payload("one seq is beyond all", arrow(seq=series([3, 2**64 - 1], pl.UInt64)), 1, SEQ, ("seq is 18446744073",)),
    Payload("one seq is a half", arrow(seq=[3.0, 3.5]), 1, SEQ, ("seq is 3.5; allowed are whole numbers",)),
    Payload("one seq is text", arrow(seq=["3", "x"]), 1, SEQ, ("seq is text ('x')",)),
    Payload("small whole numbers", arrow(seq=series([3], pl.UInt8), flow_ul_h=series([8], pl.Int16)),
            values={"seq": [3], "flow_ul_h": [8.0]}),
    Payload("decimals", arrow(flow_ul_h=[Decimal("8.1")], seq=[Decimal(3)]), values={**FLOW, **SEQ}),
    Payload("NaN in Arrow", arrow(flow_ul_h=[float("nan"), 8.1]), 2, {"flow_ul_h": [None, 8.1]}),
    Payload("infinity in Arrow", arrow(flow_ul_h=[float("inf"), 8.1]), 1, FLOW, ("flow_ul_h is inf",)),
    Payload("all nulls", arrow(flow_ul_h=series([None], pl.Null)), values=UNKNOWN),
    Payload("readings as text", arrow(flow_ul_h=["8.1"]), values=FLOW),
    Payload("true as a reading", arrow(flow_ul_h=[True]), 0, rejected=("column flow_ul_h is Boolean",)),
    Payload("lists", arrow(flow_ul_h=[[8.1]]), 0, rejected=("column flow_ul_h is List",)),
    Payload("pumps as categories", arrow(pump=series([PUMP, PUMP], pl.Categorical)), 2, SECOND),
    Payload("pumps as an enumeration", arrow(pump=series([PUMP], pl.Enum([PUMP])))),
    Payload("pumps as numbers", arrow(pump=[7]), 0, rejected=("column pump is Int64; allowed is text",)),
    Payload("a null pump", arrow(pump=[PUMP, None]), 1, NOW, ("pump is None; allowed is 1 to 64",)),
    Payload("a pump in Latin-1", latin_1(pump=[PUMP, "M?"]), 1, NOW, ("pump is None; allowed",)),
    Payload("a seq in Latin-1", latin_1(seq=["3", "M?"]), 1, SEQ, ("seq is text ('not UTF-8",)),
    Payload("missing columns", arrow("battery_v", "seq", flow_ul_h=[8.1]), values=FLOW),
    Payload("no time column", arrow("time"), 0, rejected=("the Arrow frame has no column time",)),
    Payload("Arrow, newest first", arrow(time=[T + 2000, T + 1000, T], seq=[2, 1, 0]), 3,
            {"time": [T, T + 1000, T + 2000], "seq": [0, 1, 2]}),
    Payload("two streams in one", arrow() + arrow(), 0, rejected=("send one stream in each message",)),
    Payload("a truncated stream", arrow()[:-40], 0, rejected=("truncated",)),
    Payload("only its mark", b"\xff" * 4, 0, rejected=("damaged or truncated",)),
)  # fmt: skip

PAYLOADS: Final = (*ENCODINGS, *FORMS, *TIMES, *VALUES, *COLUMNS)
