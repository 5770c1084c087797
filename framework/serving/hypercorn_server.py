"""hypercorn in a running loop, with aiohttp's way to stop (see `framework.serving.server`).

hypercorn's own `serve` waits for every connection before it says a word of the end to the application. Here it has the
connections, one by one, and listening and stopping are done here.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.utils import wrap_app

from framework.serving.arrivals import accept_all
from framework.serving.in_flight import InFlight, StoppedInOrder

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable

    from framework.typedefs import ASGIApp

__all__ = ["HypercornServer"]

_log = logging.getLogger("hypercorn.error")

# How long connections without a request may take to send what they hold, in seconds.
_CLOSING_GRACE = 2.0


class HypercornServer(StoppedInOrder):
    """Serves an ASGI application on bound sockets; starts and stops where its caller says so.

    Args:
        app: the application. Its lifespan is the caller's to run.
        on_shutdown: awaited when listening has ended, before handlers are waited for.
        shutdown_timeout: how long to wait for handlers, in seconds.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        backlog: connections that the system may queue for each socket.
        ssl_context: speak TLS, with exactly this context.
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
        ssl_context: ssl.SSLContext | None,
        access_log: Any,
    ) -> None:
        super().__init__(InFlight(app, access_log))
        self._on_shutdown = on_shutdown
        self._shutdown_timeout = shutdown_timeout
        self._backlog = backlog
        self._ssl_context = ssl_context
        self._config = Config()
        self._config.keep_alive_timeout = keepalive_timeout
        # A logger of its own as it is: for a name, or for "-", hypercorn would replace its handlers.
        self._config.errorlog = _log
        self._config.accesslog = None
        self._app = wrap_app(self._requests, self._config.wsgi_max_body_size, "asgi")  # type: ignore[arg-type]
        self._context = WorkerContext(None)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def startup(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""
        options: dict[str, Any] = {"backlog": self._backlog}
        if self._ssl_context is not None:
            options |= {"ssl": self._ssl_context, "ssl_handshake_timeout": self._config.ssl_handshake_timeout}
        for sock in sockets:
            self._servers.append(await asyncio.start_server(self._serve_connection, sock=sock, **options))

    async def main_loop(self) -> None:
        """Serve, until a handler asks for the end of the process."""
        await self._requests.exit_asked.wait()

    async def shutdown(self, sockets: list[socket.socket]) -> None:
        """Stop, in aiohttp's order. `force_exit` ends the wait for handlers at once."""
        await accept_all(sockets, hurry=lambda: self.force_exit)
        for server in self._servers:
            server.close()
        for sock in sockets:
            sock.close()
        await self._requests.let_connections_end()
        # Idle connections are closed, and the others after their response.
        await self._context.terminated.set()
        try:
            await self._requests.run(self._on_shutdown())
        finally:
            await self._requests.finish(self._shutdown_timeout)
            await self._close_connections()

    async def _close_connections(self) -> None:
        """Let go what has been answered, and drop the rest: half a request, or a TLS client that says no goodbye."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSING_GRACE
        while (
            any(not _is_flushed(writer) for writer in self._connections.values())
            and loop.time() < deadline
            and not self.force_exit
        ):
            await asyncio.wait(self._connections, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        for writer in self._connections.values():
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_CLOSING_GRACE)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (for the type checker: this runs in a coroutine)
        self._connections[task] = writer
        try:
            loop = asyncio.get_running_loop()
            await TCPServer(self._app, loop, self._config, self._context, {}, reader, writer)
        except Exception as exc:
            # What handlers raise hypercorn logs by itself. These are octets that it cannot cope with, and asyncio would
            # show a traceback for each connection.
            _log.warning("hypercorn has given up a connection: %r", exc)
        finally:
            del self._connections[task]


def _is_flushed(writer: asyncio.StreamWriter) -> bool:
    transport = writer.transport
    return transport.is_closing() and not transport.get_write_buffer_size()
