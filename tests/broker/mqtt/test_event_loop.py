"""A connection that ends in whatever way is noticed, and takes nothing else down."""

from __future__ import annotations

import asyncio
import socket
import struct

import uvloop

from broker.mqtt.event_loop import SocketWatch

RESET = struct.pack("ii", 1, 0)
"""Value of SO_LINGER with which a connection is reset instead of closed."""


class OneByteClient:
    """A client that takes one byte each time its socket is readable."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._gone = sock, False
        self.read = b""
        self.ended = ""

    def socket(self) -> socket.socket | None:
        return None if self._gone else self._sock

    def read_block(self) -> None:
        try:
            self.read += self._sock.recv(1)
        except OSError as error:
            self.ended = type(error).__name__
            self.on_socket_close(None, None, self._sock)  # type: ignore[attr-defined]
            self._sock.close()
            self._gone = True

    def loop_write(self) -> None:
        if not self.ended:
            self.on_socket_unregister_write(None, None, self._sock)  # type: ignore[attr-defined]


async def reset_with_something_left_to_read() -> OneByteClient:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours, theirs = socket.create_connection(server.getsockname()), server.accept()[0]
    ours.setblocking(False)
    client = OneByteClient(ours)
    SocketWatch(client, asyncio.get_running_loop())  # type: ignore[arg-type]
    theirs.send(b"ack")
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    theirs.close()
    client.on_socket_open(None, None, ours)  # type: ignore[attr-defined]
    while not client.read:
        await asyncio.sleep(0.01)
    # What the next publish does.
    client.on_socket_register_write(None, None, ours)  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        while not client.ended:
            await asyncio.sleep(0.01)
    return client


def test_a_connection_that_is_reset_before_all_was_read_ends_and_no_write_fails() -> None:
    client = uvloop.run(reset_with_something_left_to_read())
    assert (client.read, client.ended) == (b"ack", "ConnectionResetError")
