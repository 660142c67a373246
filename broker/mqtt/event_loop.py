"""Paho clients driven by an asyncio event loop: it watches their socket and pings in time; there is no extra thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from broker.mqtt.block_reader import BlockClient

UPKEEP_S: Final = 5.0
"""Interval at which a session checks whether a ping is due; well below the keep-alive."""
RESET_INTERVAL_S: Final = 0.01
"""Between reads of what a connection that was reset had still received."""


class SocketWatch:
    """Reads and writes the socket of one client when the event loop says that it is ready."""

    def __init__(self, client: BlockClient, loop: asyncio.AbstractEventLoop) -> None:
        """Register with a client that is not connected yet."""
        self._client, self._loop = client, loop
        self._upkeep: asyncio.TimerHandle | None = None
        self._paused = False
        client.on_socket_open = lambda _c, _u, sock: self._in_loop(self._watch, sock)
        client.on_socket_close = lambda _c, _u, sock: self._in_loop(self._unwatch, sock)
        client.on_socket_register_write = lambda _c, _u, sock: self._in_loop(self._watch_write, sock)
        client.on_socket_unregister_write = lambda _c, _u, sock: self._in_loop(self._unwatch_write, sock)

    def start_upkeep(self) -> None:
        """Begin to ping; lasts until `stop_upkeep`."""
        self._upkeep = self._loop.call_later(UPKEEP_S, self._keep_up)

    def stop_upkeep(self) -> None:
        """End the pings."""
        if self._upkeep is not None:
            self._upkeep.cancel()

    def pause_reading(self) -> None:
        """Leave what comes in the socket."""
        if not self._paused and (sock := self._client.socket()) is not None:
            self._paused = True
            self._loop.remove_reader(sock)

    def resume_reading(self) -> None:
        """Read the socket again when it is ready."""
        if self._paused and (sock := self._client.socket()) is not None:
            self._paused = False
            self._watch(sock)

    def close_socket(self) -> None:
        """Close the socket without a DISCONNECT."""
        sock = self._client.socket()
        if sock is not None:
            self._unwatch(sock)
            with contextlib.suppress(OSError):
                sock.close()

    def _keep_up(self) -> None:
        self._client.loop_misc()
        self.start_upkeep()

    def _in_loop(self, function: Callable[[Any], None], sock: Any) -> None:
        """Call a function in the event loop: the client connects in another thread."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            function(sock)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, sock)

    def _watch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_reader(sock, self._client.read_block)

    def _unwatch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _watch_write(self, sock: Any) -> None:
        if sock.fileno() < 0:
            return
        try:
            self._loop.add_writer(sock, self._client.loop_write)
        except RuntimeError:
            # After a reset uvloop calls the reader once and watches the socket no more. If there was something left to
            # read, the client has not noticed the end.
            self._unwatch(sock)
            self._loop.call_soon(self._read_to_the_end, sock)

    def _read_to_the_end(self, sock: Any) -> None:
        if self._client.socket() is sock:
            self._client.read_block()
            self._loop.call_later(RESET_INTERVAL_S, self._read_to_the_end, sock)

    def _unwatch_write(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)
