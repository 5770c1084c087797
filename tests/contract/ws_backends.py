"""One WebSocket program, five servers: real aiohttp, and `framework` under uvicorn (with each of its three
implementations of WebSockets) and hypercorn.

All of them are spoken to by aiohttp's own client over a real socket. A test takes the fixture by naming it
(`ws_backend = ws_backends.ws_backend`) and opens one socket with `conversation(ws_backend, talk)`, where `talk(ws)` is
the server's half; or it builds an application of its own and asks with `serving(ws_backend, app)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, NamedTuple

import aiohttp
import hypercorn.asyncio
import hypercorn.config
import pytest

from tests.contract.backends import PATIENCE, Address, AiohttpBackend, SocketBackend, UvicornBackend

#: The server's half of a conversation, given its `WebSocketResponse`.
Talk = Callable[[Any], Awaitable[Any]]


class WsprotoBackend(UvicornBackend):
    name = "wsproto"
    ws = "wsproto"


class LegacyWebsocketsBackend(UvicornBackend):
    name = "websockets"
    ws = "websockets"

    @contextlib.asynccontextmanager
    async def serve(self, app: Any) -> AsyncIterator[Address]:
        with warnings.catch_warnings():
            # The interface of `websockets` that this implementation was written for is deprecated, and so is it.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "The `websockets` implementation is deprecated")
            async with super().serve(app) as address:
                yield address


class HypercornBackend(SocketBackend):
    name = "hypercorn"
    module = "framework.web"

    @contextlib.asynccontextmanager
    async def serve(self, app: Any) -> AsyncIterator[Address]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = listener.getsockname()
            config = hypercorn.config.Config()
            # Listening already: a client that comes before the server has started waits for it.
            config.bind = [f"fd://{listener.detach()}"]
            config.errorlog = None
            config.graceful_timeout = 1.0
        stop = asyncio.Event()
        server = asyncio.ensure_future(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
        try:
            yield host, port
        finally:
            stop.set()
            await server


WS_BACKENDS: tuple[SocketBackend, ...] = (
    AiohttpBackend(),
    UvicornBackend(),
    WsprotoBackend(),
    LegacyWebsocketsBackend(),
    HypercornBackend(),
)


@pytest.fixture(params=WS_BACKENDS, ids=lambda backend: backend.name)
def ws_backend(request: pytest.FixtureRequest) -> SocketBackend:
    """Each server of WebSockets in turn."""
    chosen = request.param
    assert isinstance(chosen, SocketBackend)
    return chosen


@contextlib.asynccontextmanager
async def serving(backend: SocketBackend, app: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the started `app`, with the server's address as its base URL."""
    async with (
        asyncio.timeout(PATIENCE),
        backend.serve(app) as (host, port),
        aiohttp.ClientSession(base_url=f"http://{host}:{port}") as client,
    ):
        yield client


def application(backend: SocketBackend, handler: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
    """An application of `backend` with a single GET route, `/`."""
    app = backend.web.Application(**options)
    app.router.add_get("/", handler)
    return app


class Conversation(NamedTuple):
    """Both ends of an open socket."""

    client: aiohttp.ClientWebSocketResponse[Literal[True]]
    #: What the server's half returned, once it has ended; awaiting it raises what it raised.
    served: asyncio.Future[Any]


def talking(
    backend: SocketBackend, talk: Talk, options: dict[str, Any] | None = None
) -> tuple[Any, asyncio.Future[Any]]:
    """An application whose handler prepares a socket and awaits `talk(ws)`, and the future of what that returns."""
    served: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(request: Any) -> Any:
        ws = backend.web.WebSocketResponse(**(options or {}))
        await ws.prepare(request)
        try:
            result = await talk(ws)
        except (Exception, pytest.fail.Exception) as exc:
            if not served.done():
                served.set_exception(exc)
        else:
            if not served.done():
                served.set_result(result)
        return ws

    return application(backend, handler), served


@contextlib.asynccontextmanager
async def conversation(
    backend: SocketBackend, talk: Talk, *, options: dict[str, Any] | None = None, **connect: Any
) -> AsyncIterator[Conversation]:
    """Open a socket whose handler prepares a `WebSocketResponse(**options)`, awaits `talk(ws)` and returns it.

    `connect` are the options of the client's `ws_connect`. When the caller leaves, the client closes its end.
    """
    app, served = talking(backend, talk, options)
    async with serving(backend, app) as http, http.ws_connect("/", **connect) as client:
        yield Conversation(client, served)
    # A failure of the server's half that nobody has asked for is a failure of the test.
    if served.done():
        served.result()


async def talked(backend: SocketBackend, talk: Talk, *, options: dict[str, Any] | None = None, **connect: Any) -> Any:
    """What `talk(ws)` returns, for a client that says nothing and waits until it has ended."""
    async with conversation(backend, talk, options=options, **connect) as (_, served):
        return await served


# --- A client that may break the protocol ---------------------------------------------------------

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class RawClient:
    """Frames as the test wants them (RFC 6455, section 5.2), for what aiohttp's client would never send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        # A mask of zeros leaves the payload as it is.
        self.writer.write(bytes([final << 7 | reserved << 4 | opcode]) + length + bytes(4) + payload)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Opcode and payload of the server's next frame, which is short."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        return first & 0xF, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        """The code of the server's close; whatever it sends before is skipped."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")


class RawConversation(NamedTuple):
    """A client's connection after the handshake, and the server's half."""

    client: RawClient
    served: asyncio.Future[Any]


@contextlib.asynccontextmanager
async def raw_conversation(
    backend: SocketBackend, talk: Talk, *, options: dict[str, Any] | None = None
) -> AsyncIterator[RawConversation]:
    """As `conversation`, with a client that sends what it is told to. It drops the connection at its end."""
    app, served = talking(backend, talk, options)
    async with asyncio.timeout(PATIENCE), backend.serve(app) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            yield RawConversation(RawClient(reader, writer), served)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    if served.done():
        served.result()
