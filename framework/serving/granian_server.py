"""granian in a running loop, with aiohttp's way to stop (see `framework.serving.server`).

granian's own embedded server listens at one address; here there is one of them for each bound socket. Its parts that
take a socket are not documented: they are those of granian 2.8.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server as EmbeddedServer

from framework.serving.arrivals import accept_all
from framework.serving.in_flight import InFlight, StoppedInOrder

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from framework.serving.tls import CertificateFiles
    from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

__all__ = ["GranianServer"]

# How long the connections may take to end when no request is left, in seconds.
_CLOSING_GRACE = 2.0

# With it granian sets the level of its own loggers and leaves all other logging alone.
_LEVELS_ONLY = {"incremental": True, "formatters": {}, "handlers": {}, "loggers": {}}


class GranianServer(StoppedInOrder):
    """Serves an ASGI application on bound sockets; starts and stops where its caller says so.

    Args:
        app: the application. Its lifespan is the caller's to run.
        on_shutdown: awaited when listening has ended, before handlers are waited for.
        shutdown_timeout: how long to wait for handlers, in seconds.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        backlog: connections that the system may queue for each socket.
        certificate: speak TLS with it.
        http2: speak HTTP/2 with clients that can.
        access_log: writes a line for each request; None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        on_shutdown: Callable[[], Awaitable[None]],
        shutdown_timeout: float,
        keepalive_timeout: float,
        backlog: int,
        certificate: CertificateFiles | None,
        http2: bool,
        access_log: Any,
    ) -> None:
        super().__init__(InFlight(_ClosableSockets(app), access_log))
        self._on_shutdown = on_shutdown
        self._shutdown_timeout = shutdown_timeout
        self._options: dict[str, Any] = {
            "interface": Interfaces.ASGINL,
            "http": HTTPModes.auto if http2 else HTTPModes.http1,
            # Its clock for the head of a request runs while it waits for one.
            "http1_settings": HTTP1Settings(header_read_timeout=max(1, round(keepalive_timeout * 1000))),
            "backlog": backlog,
            # By default, one connection in `backlog` at a time.
            "backpressure": 1 << 16,
            "log_level": LogLevels.error,
            "log_dictconfig": _LEVELS_ONLY,
        }
        if certificate is not None:
            self._options |= {
                "ssl_cert": Path(certificate.certfile),
                # Without a key it would serve plain HTTP.
                "ssl_key": Path(certificate.keyfile or certificate.certfile),
                "ssl_key_password": certificate.password,
                "ssl_protocol_min": SSLProtocols.tls12,
            }
        self._servers: list[_BoundServer] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""
        for sock in sockets:
            server = _BoundServer(self._requests, sock, self._options)
            self._servers.append(server)
            self._tasks.append(asyncio.create_task(server.serve()))
        # What it refuses it refuses in the first steps of the task.
        for _ in range(3):
            await asyncio.sleep(0)
        for task in self._tasks:
            if task.done():
                task.result()

    async def main_loop(self) -> None:
        """Serve, until a handler asks for the end of the process."""
        asked = asyncio.ensure_future(self._requests.exit_asked.wait())
        try:
            await asyncio.wait([asked, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        for task in self._tasks:
            if task.done():
                task.result()
                raise RuntimeError("granian has ended by itself; its log says why")

    async def shutdown(self, sockets: list[socket.socket]) -> None:
        """Stop, in aiohttp's order but for one thing: on_shutdown runs first. `force_exit` ends the wait for handlers.

        When granian stops listening it drops its WebSockets, which could not be closed then.
        """
        try:
            await self._requests.run(self._on_shutdown())
        finally:
            await self._requests.let_connections_end()
            await accept_all(sockets, hurry=lambda: self.force_exit)
            for server in self._servers:
                server.stop()  # type: ignore[no-untyped-call]
            for sock in sockets:
                sock.close()
            await self._requests.finish(self._shutdown_timeout)
            if self._tasks:
                _, waiting = await asyncio.wait(self._tasks, timeout=_CLOSING_GRACE)
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)


class _ClosableSockets:
    """Has a WebSocket closed while its handler receives.

    granian's close waits for a pending receive to end, which it never does unless the client sends something.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        pending: Any = None
        closing: asyncio.Event | None = None
        code = 1005

        async def receive_until_close() -> Message:
            nonlocal pending
            if closing is None:
                # One of granian's own futures.
                pending = receive()
                try:
                    return await pending  # type: ignore[no-any-return]
                except asyncio.CancelledError:
                    if closing is None:
                        raise
                finally:
                    pending = None
            await closing.wait()
            return {"type": "websocket.disconnect", "code": code}

        async def close_at_once(message: Message) -> None:
            nonlocal closing, code
            if message["type"] != "websocket.close" or closing is not None:
                await send(message)
                return
            closing = asyncio.Event()
            code = message.get("code") or 1000
            if pending is not None:
                pending.cancel()
            try:
                await send(message)
            finally:
                closing.set()

        try:
            await self._app(scope, receive_until_close, close_at_once)
        finally:
            if closing is not None:
                # The end of the handler would close the socket without the code.
                await closing.wait()


class _BoundServer(EmbeddedServer):
    """granian's embedded server on a socket that is bound already."""

    def __init__(self, app: ASGIApp, sock: socket.socket, options: dict[str, Any]) -> None:
        super().__init__(app, **options)
        # granian closes what it is given.
        self._listener = os.dup(sock.fileno())
        self._is_path = sock.family.name == "AF_UNIX"

    def _init_shared_socket(self) -> None:
        self._shd = SocketHolder(self._listener, self._is_path, self.backlog)  # type: ignore[assignment, call-arg]
