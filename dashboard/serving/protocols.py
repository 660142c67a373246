"""HTTP and WebSocket protocols of uvicorn with deadlines: what does not come or is not read in time is closed."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from dashboard.serving.connections import Connections, Peer, peer_of

LATE: Final = {
    "headers": "no complete request headers within {seconds:g} s",
    "body": "no complete request body within {seconds:g} s",
    "reading": "nothing of the response read within {seconds:g} s",
}


class _Deadline:
    """The one deadline of a phase of a connection; a phase that goes on does not get a new one."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._phase = ""
        self._timer: asyncio.TimerHandle | None = None

    def set(self, phase: str, transport: asyncio.Transport, seconds: float) -> None:
        if phase != self._phase:
            self.clear()
            self._phase = phase
            self._timer = asyncio.get_running_loop().call_later(seconds, self._missed, transport, seconds)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._phase, self._timer = "", None

    def _missed(self, transport: asyncio.Transport, seconds: float) -> None:
        peer, late = peer_of(transport), LATE.get(self._phase)
        if late is not None:
            text = f"Connection from {peer[0] if peer else 'a client'} closed: {late.format(seconds=seconds)}"
            self._connections.log.note(self._phase, text)
        transport.abort()


class LimitedHttp(H11Protocol):
    """HTTP with deadlines for headers, body and reading; h11 bounds the size of the headers."""

    def __init__(self, connections: Connections, config: Config, state: ServerState, app_state: dict[str, Any]) -> None:
        """Serve one connection, which has been counted in `connections`."""
        super().__init__(config=config, server_state=state, app_state=app_state)
        self._connections = connections
        self._peer: Peer | None = None
        self._sending = _Deadline(connections)
        self._reading = _Deadline(connections)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the headers must arrive in time."""
        super().connection_made(transport)
        self._peer = peer_of(transport)
        self._sending.set("headers", transport, self._connections.limits.header_s)

    def data_received(self, data: bytes) -> None:
        """Take in data, then set the deadline of what is still to come."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body that was refused."""
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand over to the WebSocket."""
        self._sending.clear()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """Close the connection if the client does not go on reading in time."""
        super().pause_writing()
        self._reading.set("reading", self.transport, self._connections.limits.reading_s)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._reading.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and count it no longer."""
        super().connection_lost(exc)
        self._sending.clear()
        self._reading.clear()
        if self._peer is not None:
            self._connections.leave(self._peer)

    def _watch(self) -> None:
        limits = self._connections.limits
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._sending.clear()
        elif self.conn.their_state is h11.SEND_BODY:
            # After a response, the rest of the body is discarded for a moment: a client that sends does not read.
            late = self.cycle is not None and self.cycle.response_complete
            self._sending.set(
                *("rest", self.transport, limits.rest_s) if late else ("body", self.transport, limits.body_s)
            )
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._sending.set("headers", self.transport, limits.header_s)
        else:
            self._sending.clear()


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """WebSocket whose client must read what it is sent."""

    def __init__(self, connections: Connections, config: Config, state: ServerState, app_state: dict[str, Any]) -> None:
        """Serve one connection, which has been counted in `connections`."""
        super().__init__(config=config, server_state=state, app_state=app_state)
        self._connections = connections
        self._peer: Peer | None = None
        self._reading = _Deadline(connections)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with the request that asked for it."""
        super().connection_made(transport)
        self._peer = peer_of(transport)

    def pause_writing(self) -> None:
        """Close the connection if the client does not go on reading in time."""
        super().pause_writing()
        self._reading.set("reading", self.transport, self._connections.limits.reading_s)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._reading.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and count it no longer."""
        super().connection_lost(exc)
        self._reading.clear()
        if self._peer is not None:
            self._connections.leave(self._peer)
