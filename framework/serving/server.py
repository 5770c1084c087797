"""uvicorn, with aiohttp's way to stop.

aiohttp's order of a shutdown, which this module keeps:

1. accept the connections that the system has queued, and stop listening;
2. let every connection end with the response to its current request, and say so in it (``Connection: close``);
3. run the application's `on_shutdown`;
4. wait for the handlers that still run, for `shutdown_timeout` seconds at most, and close connections that are idle;
5. drop the connections of those that are left, and cancel them;
6. (the caller's part) run the application's `on_cleanup` and the second halves of its `cleanup_ctx`.

uvicorn by itself would run all of the application's part at the end, when the websockets and event streams that
`on_shutdown` is there to close have already been waited for. A websocket that `on_shutdown` leaves open is closed
with code 1012 (service restart) before the wait, as uvicorn does: its handler ends, rather than hold up the exit.

An idle connection is not closed at once. A request may be on its way, and a client that finds its connection closed
instead of an answer cannot know what became of it (RFC 9112, section 9.5). One that was just accepted, or is in the
middle of a request, is given a second for that; one that had a response before a tenth, and is closed only when
nothing of another request has arrived.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

import uvicorn

from framework.request_ids import forget_request_id
from framework.serving.arrivals import accept_all, with_unread
from framework.serving.connections import (
    REQUEST_PATIENCE,
    complete_denial,
    end_with_response,
    make_next_the_last,
    patience,
    socket_of,
)
from framework.serving.upgrades import read_bodies_of_upgrades

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

# How long cancelled handlers may take to clean up after themselves, in seconds; and when somebody has lost patience.
_CANCELLED_GRACE = 5.0
_HURRIED_GRACE = 1.0


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
            self._make_http_protocol, config.http_protocol_class
        )
        super().__init__(config)
        self.lifespan = config.lifespan_class(config)
        self.servers = []
        #: What a handler raised to end the process: SystemExit or KeyboardInterrupt.
        self.exit_reason: BaseException | None = None
        #: How long `shutdown` waits for handlers, in seconds.
        self.shutdown_timeout = shutdown_timeout
        #: Whether connections are kept for a moment for a request that may be on its way. False closes at once those
        #: on which nothing has arrived, for tests, whose clients have said all they have to say.
        self.waits_for_requests = True
        self._app = app
        self._access_log = access_log
        self._on_shutdown = on_shutdown
        #: When the end began, by the monotonic clock.
        self._ending_since: float | None = None
        #: When connections began, by the monotonic clock. Those that still shake hands have no transport.
        self._protocols: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        #: The websockets that were told to close.
        self._told: weakref.WeakSet[Any] = weakref.WeakSet()

    async def _run_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        forget_request_id()
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
        else:
            if scope["type"] == "websocket":
                complete_denial(send)

    def make_protocol(self) -> asyncio.Protocol:
        """The protocol of one connection, for `loop.create_server` and its companions."""
        return self._track(
            self.config.http_protocol_class,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on bound sockets."""
        self.config.http_protocol_class = functools.partial(  # type: ignore[assignment]
            self._track, self.config.http_protocol_class
        )
        await super().startup(sockets)

    def _track(self, make_protocol: Callable[..., Any], **options: Any) -> asyncio.Protocol:
        protocol: asyncio.Protocol = make_protocol(**options)
        self._protocols[protocol] = time.monotonic()
        return protocol

    def _make_http_protocol(self, protocol_class: Callable[..., Any], **options: Any) -> Any:
        protocol = protocol_class(**options)
        protocol.access_log = False
        read_bodies_of_upgrades(protocol)
        if self._ending_since is not None:
            make_next_the_last(protocol)
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as the head of this module says.

        `force_exit`, set at any time, cancels `on_shutdown` and the handlers, and waits no more.
        """
        # What is read from here on belongs to the end.
        self.close_idle()
        try:
            await accept_all(sockets or (), hurry=lambda: self.force_exit)
        finally:
            for server in self.servers:
                server.close()
            for sock in sockets or ():
                sock.close()
        try:
            self.close_idle()
            await self._run_on_shutdown()
        finally:
            await self.finish_requests()

    async def _run_on_shutdown(self) -> None:
        if self.force_exit:
            return
        task = asyncio.ensure_future(self._on_shutdown())
        try:
            while not task.done() and not self.force_exit:
                await asyncio.wait([task], timeout=_TICK)
        finally:
            task.cancel()
        if not task.done():
            logger.error("on_shutdown was cancelled: it was told to hurry")
            await asyncio.wait([task], timeout=_HURRIED_GRACE)
        if task.done() and not task.cancelled():
            task.result()

    async def finish_requests(self) -> None:
        """Steps 4 and 5 of the head of this module."""
        state = self.server_state
        deadline = time.monotonic() + self.shutdown_timeout
        while True:
            self._close_websockets()
            self.close_idle()
            if not self._is_busy() or self.force_exit or time.monotonic() >= deadline:
                break
            await self._wait_for_tasks(min(_TICK, max(0.0, deadline - time.monotonic())))
        if not state.tasks and not state.connections:
            return

        grace = _HURRIED_GRACE if self.force_exit else _CANCELLED_GRACE
        self.force_exit = True
        for connection in list(state.connections):
            connection.transport.abort()
        # The connections hear of their end in the loop's next round, and handlers are cancelled with the client gone.
        await asyncio.sleep(0)
        for task in state.tasks:
            task.cancel()
        # Time for the handlers' own clean-up, before the application's takes away what they use.
        await self._wait_for_tasks(grace)
        if state.tasks:
            logger.error("%d request handlers did not end when they were cancelled", len(state.tasks))

    def _is_busy(self) -> bool:
        """Whether a handler runs, a response is on its way out, or a request on its way in.

        A TLS connection that has sent everything may stay for as long as the client takes to say goodbye (RFC 8446,
        section 6.1); nothing would be lost by dropping it.
        """
        return (
            bool(self.server_state.tasks)
            or not all(
                connection.transport.is_closing() and not connection.transport.get_write_buffer_size()
                for connection in self.server_state.connections
            )
            or self._is_shaking_hands()
        )

    def _is_shaking_hands(self) -> bool:
        """Whether a connection has begun less than a second ago, and its TLS handshake has not come to an end."""
        since = time.monotonic() - REQUEST_PATIENCE
        return any(began > since and protocol.transport is None for protocol, began in list(self._protocols.items()))

    def _ending_for(self) -> float:
        """For how long the end has been going on, in seconds."""
        return 0.0 if self._ending_since is None else time.monotonic() - self._ending_since

    def close_idle(self) -> None:
        """Have each connection end with its next response, and close those that have waited long enough for a request.

        To be called again and again until all connections have gone.
        """
        began = self._ending_since is None
        if began:
            self._ending_since = time.monotonic()
        ending_for = self._ending_for()
        closing = []
        for connection in list(self.server_state.connections):
            if self._is_websocket(connection) or connection.transport.is_closing():
                continue
            if began:
                make_next_the_last(connection)
            seconds = patience(connection)
            if seconds is None:
                end_with_response(connection)
            elif not self.waits_for_requests or ending_for >= min(seconds, self.shutdown_timeout):
                closing.append(connection)
        unread = with_unread(filter(None, map(socket_of, closing)))
        for connection in closing:
            sock = socket_of(connection)
            if sock is None or sock.fileno() not in unread:
                connection.shutdown()

    def _is_websocket(self, connection: Any) -> bool:
        websocket = self.config.ws_protocol_class
        return websocket is not None and isinstance(connection, websocket)

    def _close_websockets(self) -> None:
        for connection in list(self.server_state.connections):
            if (
                self._is_websocket(connection)
                and connection not in self._told
                # A handshake that is being answered is answered first.
                and getattr(connection, "handshake_complete", True)
                # Closed twice, a TLS transport forgets its own state.
                and not connection.transport.is_closing()
            ):
                self._told.add(connection)
                connection.shutdown()

    async def _wait_for_tasks(self, seconds: float) -> None:
        tasks = set(self.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
            # Tasks leave the server's set in a callback of their own.
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(min(seconds, _TICK))


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
