"""uvicorn, with aiohttp's way to stop.

aiohttp's order of a shutdown, which this module keeps:

1. stop listening;
2. close idle connections, and let the busy ones end with their current response;
3. run the application's `on_shutdown`;
4. wait for the handlers that still run, for `shutdown_timeout` seconds at most;
5. drop the connections of those that are left, and cancel them;
6. (the caller's part) run the application's `on_cleanup` and the second halves of its `cleanup_ctx`.

uvicorn by itself would run all of the application's part at the end, when the websockets and event streams that
`on_shutdown` is there to close have already been waited for. A websocket that `on_shutdown` leaves open is closed
with code 1012 (service restart) before the wait, as uvicorn does: its handler ends, rather than hold up the exit.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable

    from framework.serving.access_log import AccessLog
    from framework.typedefs import ASGIApp, Receive, Scope, Send

__all__ = ["Server"]

logger = logging.getLogger("framework.server")

# How often a waiting server looks whether it has been told to hurry, in seconds.
_TICK = 0.05

# How long cancelled handlers may take to clean up after themselves, in seconds.
_CANCELLED_GRACE = 5.0


class Server(uvicorn.Server):
    """Serves an ASGI application on bound sockets; starts and stops where its caller says so, in a running loop.

    Args:
        app: the application. Its lifespan is the caller's to run.
        on_shutdown: awaited when listening has ended, before handlers are waited for.
        shutdown_timeout: how long to wait for handlers, in seconds.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        backlog: connections that the system may queue for each socket.
        ssl_context: speak TLS, with exactly this context.
        access_log: runs each request and logs it; None for none.
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
        access_log: AccessLog | None,
    ) -> None:
        config = uvicorn.Config(
            self._run_request,
            interface="asgi3",
            lifespan="off",
            # What recent versions of uvicorn choose by themselves; older ones choose a deprecated API of websockets.
            ws="websockets-sansio",
            # Logging belongs to the program: uvicorn's loggers stay as it has set them up. access_log=False would take
            # the handlers of one of them away.
            log_config=None,
            backlog=backlog,
            timeout_keep_alive=keepalive_timeout,  # type: ignore[arg-type]  # given to call_later, which takes a float
            # A forwarded address is believed only by a program that asks for it, as in aiohttp.
            proxy_headers=False,
            # One process, whatever WEB_CONCURRENCY says.
            workers=1,
        )
        config.load()
        config.ssl = ssl_context
        # The access log is ours.
        config.http_protocol_class = functools.partial(  # type: ignore[assignment]
            _without_access_log, config.http_protocol_class
        )
        super().__init__(config)
        self.lifespan = config.lifespan_class(config)
        self.servers = []
        #: What a handler raised to end the process: SystemExit or KeyboardInterrupt.
        self.exit_reason: BaseException | None = None
        #: How long `shutdown` waits for handlers, in seconds.
        self.shutdown_timeout = shutdown_timeout
        self._app = app
        self._access_log = access_log
        self._on_shutdown = on_shutdown

    async def _run_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._access_log is not None and self._access_log.enabled:
                await self._access_log.run(self._app, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except asyncio.CancelledError:
            # By the shutdown below, when the connection has gone: nobody is left to answer, nothing is to be logged.
            if not self.force_exit:
                raise
        except (SystemExit, KeyboardInterrupt) as exc:
            # uvicorn would answer 500 and go on.
            self.exit_reason = exc
            self.should_exit = True
            await _answer_unavailable(scope, send)

    def make_protocol(self) -> asyncio.Protocol:
        """The protocol of one connection, for `loop.create_server` and its companions."""
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as the head of this module says.

        `force_exit`, set at any time, ends the wait of step 4 at once.
        """
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        try:
            self.close_idle()
            await self._on_shutdown()
        finally:
            await self.finish_requests()

    async def finish_requests(self) -> None:
        """Steps 4 and 5 of the head of this module."""
        state = self.server_state
        for connection in list(state.connections):
            # Websockets; for HTTP it is what close_idle did. Closed twice, a TLS transport forgets its own state.
            if not connection.transport.is_closing():
                connection.shutdown()
        deadline = time.monotonic() + self.shutdown_timeout
        while self._is_busy() and not self.force_exit and time.monotonic() < deadline:
            # Connections that were being accepted when listening ended come late.
            self.close_idle()
            await self._wait_for_tasks(min(_TICK, max(0.0, deadline - time.monotonic())))
        if not state.tasks and not state.connections:
            return

        self.force_exit = True
        for connection in list(state.connections):
            connection.transport.abort()
        # The connections hear of their end in the loop's next round, and handlers are cancelled with the client gone.
        await asyncio.sleep(0)
        for task in state.tasks:
            task.cancel()
        # Time for the handlers' own clean-up, before the application's takes away what they use.
        await self._wait_for_tasks(_CANCELLED_GRACE)
        if state.tasks:
            logger.error("%d request handlers did not end when they were cancelled", len(state.tasks))

    def _is_busy(self) -> bool:
        """Whether a handler runs, or a response is on its way out.

        A TLS connection that has sent everything may stay for as long as the client takes to say goodbye (RFC 8446,
        section 6.1); nothing would be lost by dropping it.
        """
        return bool(self.server_state.tasks) or not all(
            connection.transport.is_closing() and not connection.transport.get_write_buffer_size()
            for connection in self.server_state.connections
        )

    def close_idle(self) -> None:
        """Close the connections that wait for a request, and have the others close after their response."""
        websocket = self.config.ws_protocol_class
        for connection in list(self.server_state.connections):
            is_websocket = websocket is not None and isinstance(connection, websocket)
            if not is_websocket and not connection.transport.is_closing():
                connection.shutdown()

    async def _wait_for_tasks(self, seconds: float) -> None:
        tasks = set(self.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
            # Tasks leave the server's set in a callback of their own.
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(min(seconds, _TICK))


def _without_access_log(protocol_class: Callable[..., Any], **options: Any) -> Any:
    protocol = protocol_class(**options)
    protocol.access_log = False
    return protocol


async def _answer_unavailable(scope: Scope, send: Send) -> None:
    try:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1012})
            return
        await send(
            {
                "type": "http.response.start",
                "status": 503,
                "headers": [(b"content-length", b"0"), (b"connection", b"close")],
            }
        )
        await send({"type": "http.response.body"})
    except Exception:
        # The response had begun. The server closes its connection.
        logger.debug("a handler ended the process in the middle of its response", exc_info=True)
