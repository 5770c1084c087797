"""One application, three ways to serve it: real aiohttp, `framework` in-process, `framework` under uvicorn.

A contract test builds its application from `backend.web` and asks with `backend.client(app)`; the assertions are the
same whichever backend runs. `backend.serve(app)` gives the address alone, for tests that write raw HTTP/1.1 bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import uvicorn

from framework import testing

Address = tuple[str, int]

#: Seconds after which a request or a shutdown that hangs fails its test instead of stalling the run.
PATIENCE = 10.0


class Backend:
    """A server for applications written against `aiohttp.web` or, with the same names, `framework.web`."""

    name: str
    module: str

    @property
    def web(self) -> Any:
        return importlib.import_module(self.module)

    def client(self, app: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """An httpx client of the started `app`; leaving it stops the application and runs its cleanup."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"


class SocketBackend(Backend):
    """A backend with a listening socket."""

    def serve(self, app: Any) -> AbstractAsyncContextManager[Address]:
        """Serve `app` on a free port of 127.0.0.1 and give `(host, port)`."""
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def client(self, app: Any) -> AsyncIterator[httpx.AsyncClient]:
        async with (
            self.serve(app) as (host, port),
            httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=PATIENCE, trust_env=False) as client,
        ):
            yield client


class AiohttpBackend(SocketBackend):
    name = "aiohttp"
    module = "aiohttp.web"

    @contextlib.asynccontextmanager
    async def serve(self, app: Any) -> AsyncIterator[Address]:
        runner = self.web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self.web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            yield host, port
        finally:
            await runner.cleanup()


class UvicornBackend(SocketBackend):
    name = "uvicorn"
    module = "framework.web"
    #: Which of its implementations of WebSockets the server loads.
    ws = "websockets-sansio"

    @contextlib.asynccontextmanager
    async def serve(self, app: Any) -> AsyncIterator[Address]:
        config = uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            access_log=False,
            ws=self.ws,
            timeout_graceful_shutdown=1,
        )
        config.load()
        server = _InLoopServer(config)
        server.lifespan = config.lifespan_class(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host, port = listener.getsockname()
            try:
                await server.startup(sockets=[listener])
            except SystemExit as exc:
                raise RuntimeError("the application did not start") from exc
            try:
                await server.on_tick(0)  # fills in the Date and Server headers
                yield host, port
            finally:
                await server.shutdown(sockets=[listener])


class AsgiBackend(Backend):
    name = "asgi"
    module = "framework.web"

    def client(self, app: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return testing.client(app, base_url="http://127.0.0.1:8080", raise_app_exceptions=False, timeout=PATIENCE)


class _InLoopServer(uvicorn.Server):
    """uvicorn inside the test's loop: `Server.shutdown` without its fixed pause of 0.1 seconds."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections or self.server_state.tasks:
            # The client has closed its side; the transports and handlers hear of it in the loop's next rounds.
            for _ in range(20):
                await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
            await server.wait_closed()
        for sock in sockets or []:
            sock.close()
        await self.lifespan.shutdown()


async def exchange(address: Address, data: bytes) -> bytes:
    """Send raw bytes on one connection and return everything until the server closes it.

    The request says `Connection: close`, or the server closes for a reason of its own.
    """
    host, port = address
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


BACKENDS: tuple[Backend, ...] = (AiohttpBackend(), AsgiBackend(), UvicornBackend())
SOCKET_BACKENDS: tuple[SocketBackend, ...] = (AiohttpBackend(), UvicornBackend())
