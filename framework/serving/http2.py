"""HTTP/2 under uvicorn: each connection goes to the protocol that its client speaks.

Over TLS that is settled by ALPN (RFC 7301); without TLS a client that begins with HTTP/2's preface speaks HTTP/2 (RFC
9113, section 3.3), and any other HTTP/1.1. uvicorn's HTTP/2 is that of the package zttp; HTTP/1.1 stays with the
implementation that serves it otherwise.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol

from framework.serving.tls_scope import TLSTeller

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from framework.typedefs import Message, Receive, Scope, Send

__all__ = ["protocol_factory"]

# RFC 9113, section 3.4.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# How much of a response may wait for the client's flow-control window before its handler does, in bytes.
_HIGH_WATER = 65536


def protocol_factory(http1: Callable[..., Any]) -> Callable[..., asyncio.Protocol]:
    """The protocol of a connection of either kind, to be called as uvicorn calls its own.

    Args:
        http1: makes the protocol of a connection that speaks HTTP/1.1.
    """
    return functools.partial(EitherProtocol, http1)


# How long after the last answer GOAWAY is said, in seconds.
_GOODBYE_DELAY = 0.1

# RFC 9113, sections 7 and 6.5, and RFC 8441, section 3.
_REFUSED_STREAM = 0x7
_SETTINGS = 0x4
_SETTINGS_ENABLE_CONNECT_PROTOCOL = (0x8).to_bytes(2)


class HTTP2Protocol(ZttpH2Protocol):
    """uvicorn's, and:

    - back-pressure: a handler that writes waits while its client takes nothing. uvicorn keeps what the client's window
      has no room for and lets the handler go on, without a bound;
    - requests that come after a shutdown has begun are refused so that clients may ask again elsewhere (RFC 9113,
      section 8.7). uvicorn answers 503. GOAWAY is said a moment after the last answer: clients in Python (httpx) take
      no more answers after it, nor those that they have received together with it;
    - it offers no WebSockets over HTTP/2 (RFC 8441), which uvicorn cannot serve and zttp offers: browsers would use
      them, where now they open a connection with HTTP/1.1.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.access_log = False
        self._application = TLSTeller(self, self.app)
        self._progress = asyncio.Event()
        self._flushed = False
        self._goodbye: asyncio.TimerHandle | None = None

    # What uvicorn calls for an idle connection, at the end and before. Where a version calls it otherwise, the end is
    # as uvicorn has it.
    def _close_connection(self) -> None:
        if not self.shutdown_requested:
            super()._close_connection()
        elif self._goodbye is None:
            self._goodbye = asyncio.get_running_loop().call_later(_GOODBYE_DELAY, super()._close_connection)

    def flush(self) -> None:
        if self._flushed:
            super().flush()
            return
        self._flushed = True
        self.transport.write(_without_websockets(self.conn.data_to_send()))

    def handle_request(self, event: Any) -> None:
        if self.shutdown_requested:
            self.conn.stream(event.stream_id).reset(_REFUSED_STREAM)
            return
        self.app = functools.partial(self._run_stream, event.stream_id)
        super().handle_request(event)

    async def _run_stream(self, stream_id: int, scope: Scope, receive: Receive, send: Send) -> None:
        stream = self.conn.stream(stream_id)

        async def bounded_send(message: Message) -> None:
            await send(message)
            while message.get("more_body") and (stream.pending_bytes or 0) > _HIGH_WATER and stream_id in self.cycles:
                self._progress.clear()
                await self._progress.wait()

        await self._application(scope, receive, bounded_send)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Perhaps with more of a window, or the end of a stream.
        self._progress.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._goodbye is not None:
            self._goodbye.cancel()
        self.cycles.clear()
        self._progress.set()


def _without_websockets(first: bytes) -> bytes:
    """The server's first frame without SETTINGS_ENABLE_CONNECT_PROTOCOL; what is none of SETTINGS is left as it is."""
    # RFC 9113, sections 4.1 and 6.5.1: a head of nine octets, the first three of which are the length, and settings of
    # six octets each.
    length = int.from_bytes(first[:3])
    if len(first) < 9 + length or first[3] != _SETTINGS:
        return first
    settings = [first[at : at + 6] for at in range(9, 9 + length, 6)]
    kept = b"".join(setting for setting in settings if setting[:2] != _SETTINGS_ENABLE_CONNECT_PROTOCOL)
    return len(kept).to_bytes(3) + first[3:9] + kept + first[9 + length :]


class EitherProtocol(asyncio.Protocol):
    """Finds out what the client speaks and hands the connection on. For uvicorn it is an idle connection meanwhile."""

    def __init__(
        self,
        http1: Callable[..., Any],
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # uvicorn's protocols have one from here on
        self._http1 = http1
        self._options = {"config": config, "server_state": server_state, "app_state": app_state, "_loop": _loop}
        self._connections: set[Any] = server_state.connections
        self._patience = config.timeout_keep_alive
        self._timer: asyncio.TimerHandle | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            self._hand_on(http2=ssl_object.selected_alpn_protocol() == "h2")
            return
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(self._patience, self.transport.close)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < len(_PREFACE) and _PREFACE.startswith(self._received):
            return
        self._leave()
        self._hand_on(http2=self._received.startswith(_PREFACE))

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def shutdown(self) -> None:
        """Close the connection, on which nobody has asked for anything yet."""
        self.transport.close()

    def _leave(self) -> None:
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_on(self, *, http2: bool) -> None:
        protocol = HTTP2Protocol(**self._options) if http2 else self._http1(**self._options)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if self._received:
            protocol.data_received(self._received)
