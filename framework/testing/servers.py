"""A real server for a test: uvicorn on a free port, in the test's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.applications import Application
from framework.serving.server import Server
from framework.testing.lifespans import Lifespan
from framework.typedefs import ASGIApp

if TYPE_CHECKING:
    import ssl

__all__ = ("LiveServer", "server")


@dataclass(frozen=True, slots=True)
class LiveServer:
    """Where an application is being served; made by `server`."""

    #: The application.
    app: ASGIApp
    #: ``http`` or ``https``.
    scheme: str
    #: The address.
    host: str
    #: The port.
    port: int
    #: What the application's lifespan has put into its state.
    state: dict[str, Any]

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.url


@asynccontextmanager
async def server(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
    lifespan: bool = True,
    state: dict[str, Any] | None = None,
    shutdown_timeout: float = 5.0,
) -> AsyncIterator[LiveServer]:
    """Serve an application with uvicorn while the block runs.

        async with testing.server(app) as live, httpx.AsyncClient(base_url=live.url) as client:
            response = await client.get("/")

    It is for what only a socket shows: raw bytes, browsers, clients of other languages. It runs in the test's loop;
    a client that blocks belongs into ``asyncio.to_thread``.

    Args:
        app: the application, this framework's or any other one that speaks ASGI 3.
        host: the address to listen at.
        port: the port, 0 for a free one.
        ssl_context: serve HTTPS.
        lifespan: whether to start and stop the application; what its startup raises is raised.
        state: what the lifespan and requests find in ``scope["state"]``.
        shutdown_timeout: seconds that handlers may go on when the block is left, before they are cancelled.
    """
    shared: dict[str, Any] = {} if state is None else state
    running = Lifespan(app, shared) if lifespan else None

    async def on_shutdown() -> None:
        if running is not None and isinstance(app, Application):
            await app.shutdown()

    serving = Server(
        app,
        on_shutdown=on_shutdown,
        shutdown_timeout=shutdown_timeout,
        keepalive_timeout=5.0,
        backlog=128,
        ssl_context=ssl_context,
        access_log=None,
    )
    serving.waits_for_requests = False
    # What uvicorn gives each request a copy of.
    serving.lifespan.state = shared
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        if running is not None:
            await running.startup()
        try:
            await serving.startup([listener])
            # Fills in the headers Date and Server.
            await serving.on_tick(0)
            scheme = "http" if ssl_context is None else "https"
            shown = f"[{host}]" if ":" in host else host
            try:
                yield LiveServer(app, scheme, shown, listener.getsockname()[1], shared)
            finally:
                # A client that was closed just now is heard of in the loop's next rounds.
                for _ in range(20):
                    await asyncio.sleep(0)
                await serving.shutdown([listener])
        finally:
            if running is not None:
                await running.shutdown()
