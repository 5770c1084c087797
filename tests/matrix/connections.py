"""What the three drivers have in common: a connection carries streams, a stream is one request with its answer.

The drivers show what a server does and mend nothing: no retries, no redirects, no pool. Each is built on the sans-I/O
library of its protocol (h11, h2, aioquic's H3Connection), because httpx shows neither 1xx responses, trailers and
pushes, nor a response before its request is complete, and has no WebSockets over HTTP/2 and 3.
"""

from __future__ import annotations

import abc
import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field

from wsproto import ConnectionType, events
from wsproto.connection import Connection as Frames

__all__ = ("Address", "Answer", "BrokenError", "Connection", "Headers", "NotOfferedError", "Stream", "WebSocket")

Headers = list[tuple[bytes, bytes]]


class BrokenError(Exception):
    """The connection or the stream ended before the answer was complete."""


class NotOfferedError(Exception):
    """The server says that it does not do what is asked for."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, and what the client knows of its certificate.

    Args:
        port: for TCP, and for UDP where it speaks QUIC.
        ca_file: what its certificate is signed with.
        http1, http2: the contexts for TLS that ask for the one protocol or the other (ALPN).
    """

    port: int
    ca_file: str
    http1: ssl.SSLContext
    http2: ssl.SSLContext
    host: str = "127.0.0.1"


@dataclass
class Answer:
    """A complete response."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers
    hints: list[Headers]

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]

    def get(self, name: str) -> str | None:
        """The value of a header, None where it is missing."""
        return next(iter(self.all(name)), None)


@dataclass
class Stream:
    """One request and its answer.

    A driver calls the methods whose names begin with ``feed``.
    """

    connection: Connection
    number: int = 0
    status: int = 0
    headers: Headers = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    #: The headers of each 1xx response.
    hints: list[Headers] = field(default_factory=list)
    _begun: asyncio.Event = field(default_factory=asyncio.Event)
    _pieces: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _ended: bool = False
    _error: str = ""

    def feed_hints(self, headers: Headers) -> None:
        self.hints.append(headers)

    def feed_head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        self._begun.set()

    def feed_data(self, data: bytes) -> None:
        self._pieces.put_nowait(data)

    def feed_trailers(self, headers: Headers) -> None:
        self.trailers = headers

    def feed_end(self) -> None:
        self._ended = True
        self._pieces.put_nowait(None)

    def feed_error(self, error: str) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
            self._begun.set()
            self._pieces.put_nowait(None)

    async def head(self) -> int:
        """The status, once it is known."""
        await self._begun.wait()
        if not self.status:
            raise BrokenError(self._error)
        return self.status

    async def receive(self) -> bytes:
        """The next piece of the body, b"" at its end."""
        await self.head()
        piece = await self._pieces.get()
        if piece is None:
            self._pieces.put_nowait(None)
            if self._error:
                raise BrokenError(self._error)
            return b""
        return piece

    async def receive_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes of the body, or fewer at its end."""
        received = b""
        while len(received) < size and (piece := await self.receive()):
            received += piece
        return received

    async def answer(self) -> Answer:
        """The response, once it is complete."""
        await self.head()
        body = bytearray()
        while piece := await self.receive():
            body += piece
        return Answer(self.status, self.headers, bytes(body), self.trailers, self.hints)

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the request's body."""
        await self.connection.send_data(self, data, end=end)

    async def leave(self) -> None:
        """End it from the client's side without a further word, as a browser does whose tab is closed."""
        await self.connection.abandon(self)


class Connection(abc.ABC):
    """A connection to a server; `connect` makes one."""

    #: Requests that were pushed: path and answer.
    pushed: dict[bytes, Stream]

    @classmethod
    @abc.abstractmethod
    async def connect(cls, address: Address) -> Connection:
        """Open a connection."""

    @abc.abstractmethod
    async def open(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), *, end: bool) -> Stream:
        """Begin a request; its body follows by `Stream.send`, unless ``end``."""

    @abc.abstractmethod
    async def open_websocket(self, path: str, headers: Iterable[tuple[str, str]] = ()) -> Stream:
        """Begin a handshake. Once it is accepted, the stream carries WebSocket frames both ways.

        Raises `NotOfferedError` where the protocol has WebSockets and the server does not offer them.
        """

    @abc.abstractmethod
    async def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None: ...

    @abc.abstractmethod
    async def abandon(self, stream: Stream) -> None: ...

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connection."""

    async def request(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Send a whole request and give its whole answer."""
        if body is None:
            stream = await self.open(method, path, headers, end=True)
        else:
            stream = await self.open(method, path, [*headers, ("content-length", str(len(body)))], end=False)
            # Not awaited before the answer: a server may answer, and stop to read, before it has all of the body.
            sending = asyncio.create_task(stream.send(body, end=True))
            try:
                return await stream.answer()
            finally:
                sending.cancel()
        return await stream.answer()


class WebSocket:
    """A WebSocket over an accepted stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frames = Frames(ConnectionType.CLIENT)
        self._events: list[events.Event] = []

    async def send(self, data: str | bytes) -> None:
        """Send a message, in one frame."""
        event = events.TextMessage(data=data) if isinstance(data, str) else events.BytesMessage(data=data)
        await self._stream.send(self._frames.send(event))

    async def receive(self) -> str | bytes | tuple[int, str | None]:
        """The next message, or code and reason with which the server closes. Fragments are put together."""
        parts: list[str | bytes] = []
        while True:
            while not self._events:
                data = await self._stream.receive()
                if not data:
                    return (1006, None)
                self._frames.receive_data(data)
                self._events = list(self._frames.events())
            event = self._events.pop(0)
            if isinstance(event, events.Message):
                parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
                if event.message_finished:
                    texts = [part for part in parts if isinstance(part, str)]
                    return "".join(texts) if texts else b"".join(part for part in parts if isinstance(part, bytes))
            elif isinstance(event, events.CloseConnection):
                return (event.code, event.reason)
            elif isinstance(event, events.Ping):
                await self._stream.send(self._frames.send(event.response()))

    async def close(self, code: int, reason: str) -> None:
        """Close it as browsers do: by a close frame, which is answered, and the end of what carries it."""
        await self._stream.send(self._frames.send(events.CloseConnection(code=code, reason=reason)))
        while not isinstance(await self.receive(), tuple):
            pass
        await self._stream.send(b"", end=True)
