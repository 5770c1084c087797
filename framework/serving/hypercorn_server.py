"""hypercorn in a running loop, with aiohttp's way to stop (see `framework.serving.server`)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import hypercorn.asyncio
from hypercorn.config import Config, Sockets

from framework.serving.in_flight import InFlight

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable

    from framework.typedefs import ASGIApp, Receive, Scope, Send

__all__ = ["HypercornServer"]

# How long connections without a request may take to end, in seconds.
_CLOSING_GRACE = 2.0


class HypercornServer:
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
        self._requests = InFlight(app, access_log)
        self._on_shutdown = on_shutdown
        self._shutdown_timeout = shutdown_timeout
        self._config = config = _BoundConfig(ssl_context)
        config.backlog = backlog
        config.keep_alive_timeout = keepalive_timeout
        # `shutdown` keeps the time, from the moment on_shutdown has run.
        config.graceful_timeout = 1e6
        # A logger of its own as it is: for a name, or for "-", hypercorn would replace its handlers.
        config.errorlog = logging.getLogger("hypercorn.error")
        config.accesslog = None
        self._listening = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def exit_reason(self) -> BaseException | None:
        """What a handler raised to end the process: SystemExit or KeyboardInterrupt."""
        return self._requests.exit_reason

    @property
    def force_exit(self) -> bool:
        """Whether `shutdown` waits no more; can be set at any time."""
        return self._requests.hurry.is_set()

    @force_exit.setter
    def force_exit(self, value: bool) -> None:
        if value:
            self._requests.hurry.set()

    async def startup(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""
        self._config.listeners = sockets
        self._task = asyncio.create_task(
            hypercorn.asyncio.serve(
                self._answer,  # type: ignore[arg-type]  # hypercorn's messages are TypedDicts
                self._config,
                shutdown_trigger=self._wait_for_stop,
                mode="asgi",
            )
        )
        await _first(self._task, self._listening.wait())

    async def main_loop(self) -> None:
        """Serve, until a handler asks for the end of the process."""
        if self._task is not None:
            await _first(self._task, self._requests.exit_asked.wait())

    async def shutdown(self, sockets: list[socket.socket]) -> None:
        """Stop, in aiohttp's order. `force_exit` ends the wait for handlers at once."""
        self._stop.set()
        # hypercorn closes them, and tells idle connections, as soon as it has heard of it.
        for _ in range(100):
            if all(sock.fileno() == -1 for sock in sockets):
                break
            await asyncio.sleep(0)
        for sock in sockets:
            sock.close()
        try:
            await self._on_shutdown()
        finally:
            await self._requests.finish(self._shutdown_timeout)
            if self._task is not None:
                # What has been answered is on its way out, and clients that send half a request are not waited for.
                done, _ = await asyncio.wait([self._task], timeout=_CLOSING_GRACE)
                self._task.cancel()
                await asyncio.wait([self._task], timeout=_CLOSING_GRACE)
                if done and not self._task.cancelled():
                    self._task.result()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._requests(scope, receive, send)
            return
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})

    async def _wait_for_stop(self) -> None:
        # hypercorn calls it when everything listens.
        self._listening.set()
        await self._stop.wait()


class _BoundConfig(Config):
    """A configuration with sockets that are bound, and a context that is made."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        super().__init__()
        self.listeners: list[socket.socket] = []
        self._context = ssl_context

    @property
    def ssl_enabled(self) -> bool:
        return self._context is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self._context

    def create_sockets(self) -> Sockets:
        if self.ssl_enabled:
            return Sockets(self.listeners, [], [])
        return Sockets([], self.listeners, [])


async def _first(server: asyncio.Task[None], event: Any) -> None:
    """Wait for the event; what ends the server before is raised."""
    waiting = asyncio.ensure_future(event)
    try:
        await asyncio.wait([server, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if server.done():
        server.result()
        raise RuntimeError("hypercorn has ended by itself")
