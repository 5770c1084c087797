"""Requests that offer to go on in another protocol (Upgrade), under uvicorn over httptools.

A server may ignore the offer, and then answers the request as any other (RFC 9110, section 7.8). Clients make it with
whatever they ask: Java's HttpClient and `curl --http2` offer h2c. httptools takes such a request to be without a
body, and what follows to be another protocol's; uvicorn, which stays with HTTP/1.1, would read the body as the next
request. So a client of a proxy that passes Upgrade on could have requests answered which the proxy has never seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

if TYPE_CHECKING:
    from array import array

__all__ = ["read_bodies_of_upgrades"]


def read_bodies_of_upgrades(protocol: Any) -> None:
    """Have a protocol of uvicorn's read the body of a request whose offer it ignores; one not over httptools does."""
    if isinstance(getattr(protocol, "parser", None), httptools.HttpRequestParser):
        protocol.parser = _parser(protocol, protocol)


class _Parser(httptools.HttpRequestParser):
    """httptools' parser, which goes on with HTTP/1.1 behind an offer that is ignored."""

    protocol: Any

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Parse octets.

        Raises httptools.HttpParserError for what is not HTTP/1.1.
        """
        parser = self
        while True:
            try:
                super(_Parser, parser).feed_data(data)
                return
            except httptools.HttpParserUpgrade as exc:
                protocol = self.protocol
                # uvicorn leaves the path out of the scope of a request which goes to its implementation of WebSockets.
                if "path" not in protocol.scope:
                    _go_over_to_websockets(protocol)
                    return
                data = memoryview(data)[exc.args[0] :]
            framing = [
                (name, value) for name, value in protocol.headers if name in {b"content-length", b"transfer-encoding"}
            ]
            if framing:
                # Nobody has read what uvicorn was told of the body: its task begins when the loop goes on.
                protocol.cycle.more_body = True
                protocol.cycle.message_event.clear()
                protocol.parser = parser = _behind_head(protocol, framing)
            if not data:
                return


def _go_over_to_websockets(protocol: Any) -> None:
    """Give a connection to uvicorn's implementation of WebSockets, and refuse a handshake that it cannot read.

    The package websockets takes no body, and bounds the length of a line and the number of headers. uvicorn would never
    answer, and the connection hold up the exit.
    """
    protocol.handle_websocket_upgrade()
    if not getattr(protocol.transport.get_protocol(), "handshake_initiated", True):
        message = "Invalid WebSocket handshake, or too large."
        protocol.logger.warning(message)
        protocol.send_400_response(message)


class _BehindHead:
    """The receiver of what a parser finds, which keeps it from the protocol until it is told to begin."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._begun = False

    def begin(self) -> None:
        """Pass everything on from here."""
        self._begun = True

    def on_message_begin(self) -> None:
        if self._begun:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._begun:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._begun:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._begun:
            self._protocol.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        self._protocol.on_message_complete()


def _behind_head(protocol: Any, framing: list[tuple[bytes, bytes]]) -> _Parser:
    """A parser that has read the head of a request without its offer, and goes on with the body."""
    receiver = _BehindHead(protocol)
    parser = _parser(receiver, protocol)
    head = [b"POST / HTTP/1.1\r\n", *(name + b": " + value + b"\r\n" for name, value in framing), b"\r\n"]
    parser.feed_data(b"".join(head))
    receiver.begin()
    return parser


def _parser(receiver: Any, protocol: Any) -> _Parser:
    parser = _Parser(receiver)
    parser.protocol = protocol
    # As uvicorn makes its own: of requests sent behind one another, all but the first are let through to it, which
    # answers none behind one with Connection: close.
    if hasattr(parser, "set_dangerous_leniencies"):
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
