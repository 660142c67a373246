"""Decoding in a process of its own, which may die of it, and whose memory is measured."""

from __future__ import annotations

import subprocess
import sys
import textwrap

DECODE = """
    import sys
    from pathlib import Path
    from broker.contract.codec import decode

    def peak_kb():
        # Of this program alone: what getrusage counts began in the process that started it.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    while length := int.from_bytes(sys.stdin.buffer.read(8), "little"):
        payload = sys.stdin.buffer.read(length)
        before = peak_kb()
        decoded = decode(payload)
        print(peak_kb() - before, decoded.samples.height, *decoded.rejected)
"""


def decoded_elsewhere(*payloads: bytes) -> list[tuple[float, str]]:
    """Decode in another process; return by how many MB its memory peaked for each payload, and what came of it."""
    data = b"".join(len(payload).to_bytes(8, "little") + payload for payload in payloads)
    program = [sys.executable, "-c", textwrap.dedent(DECODE)]
    done = subprocess.run(program, input=data, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    results = (line.partition(" ") for line in done.stdout.decode().splitlines())
    return [(int(memory) / 1024, result) for memory, _, result in results]
