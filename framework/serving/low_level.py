"""`web.Server`: a handler, or an application, as the protocols of connections."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any

from framework.applications import Application
from framework.serving.access_log import make_access_log
from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger, access_logger
from framework.serving.options import check_options

if TYPE_CHECKING:
    from framework.serving.server import Server as UvicornServer
    from framework.typedefs import Handler

__all__ = ["Server"]


async def _nothing() -> None: ...


class Server:
    """Answers all that comes over its connections, over uvicorn; `AppRunner` makes one, `ServerRunner` is given one.

    It can be called for the protocol of a connection: ``await loop.create_server(server, "127.0.0.1", 8080)``. Then it
    is for the caller to await `shutdown` at the end.

    Args:
        handler: called with each request, whatever its method and path; or an application.
        request_factory: only None. Requests are made from ASGI scopes.
        handler_cancellation: True sets `Application.handler_cancellation`, which has to be before the application
            starts.
        loop: not used.
        access_log: gets a line for each request at level INFO; None for none.
        access_log_class: writes them: a subclass of `AbstractAccessLogger`.
        access_log_format: for that class; `AccessLogger` has the atoms.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        **kwargs: options of aiohttp's own HTTP implementation; accepted with a warning that names the alternative.

    Raises:
        TypeError: a keyword is unknown, `request_factory` is given, or `access_log_class` is none.
        KeyError: `access_log_format` has an atom ``%{X}e``.
    """

    def __init__(
        self,
        handler: Handler | Application,
        *,
        request_factory: None = None,
        handler_cancellation: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        access_log: logging.Logger | None = access_logger,
        access_log_class: type[AbstractAccessLogger] = AccessLogger,
        access_log_format: str = AccessLogger.LOG_FORMAT,
        keepalive_timeout: float = 75.0,
        **kwargs: Any,
    ) -> None:
        check_options("Server", kwargs)
        if request_factory is not None:
            raise TypeError(
                "Server(request_factory=...) is not possible: requests are made from ASGI scopes; "
                "wrap the request at the head of the handler"
            )
        if isinstance(handler, Application):
            app = handler
        else:
            app = Application()
            app.router.add_route("*", "/{path:.*}", handler)
        #: What was given as `handler`.
        self.request_handler = handler
        if handler_cancellation:
            app.handler_cancellation = True
        self.handler_cancellation = app.handler_cancellation
        self._app = app
        self._access_log = make_access_log(access_log, access_log_class, access_log_format)
        if self._access_log is not None:
            self._access_log.prepare(app)
        self._keepalive_timeout = keepalive_timeout
        self._uvicorn: UvicornServer | None = None
        self._ticks: asyncio.Task[None] | None = None
        self._earlier_requests = 0

    @property
    def app(self) -> Application:
        """The application that answers: the one that was given, or one whose only handler was."""
        return self._app

    @property
    def connections(self) -> list[Any]:
        """The protocols of the open connections, objects of uvicorn's."""
        return [] if self._uvicorn is None else list(self._uvicorn.server_state.connections)

    @property
    def requests_count(self) -> int:
        """How many requests have been answered or are being answered."""
        now = 0 if self._uvicorn is None else self._uvicorn.server_state.total_requests
        return self._earlier_requests + now

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        if self._uvicorn is None:
            self._uvicorn = self._make_uvicorn()
        if self._ticks is None:
            # It runs before the connection's first octets are read, and fills in the Date and Server headers.
            self._ticks = asyncio.get_running_loop().create_task(_tick(self._uvicorn))
        return self._uvicorn.make_protocol()

    def _make_uvicorn(self) -> UvicornServer:
        # As long to import as the rest of the framework, and not everybody who makes a runner gets here.
        from framework.serving.server import Server as UvicornServer
        from framework.serving.tls_scope import tell_of_tls

        server = UvicornServer(
            self._app,
            on_shutdown=_nothing,
            shutdown_timeout=math.inf,
            keepalive_timeout=self._keepalive_timeout,
            # Those of each site, which listens by itself.
            backlog=128,
            ssl_context=None,
            access_log=self._access_log,
        )
        # Whether there is TLS is a matter of each site.
        tell_of_tls(server.config)
        return server

    def pre_shutdown(self) -> None:
        """Close the connections that wait for a request, and have the others close after their response."""
        if self._uvicorn is not None:
            self._uvicorn.close_idle()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Wait for the handlers that still run, cancel them after ``timeout`` seconds, and drop the connections.

        None waits for as long as they take. Listening is ended by who began it, before.

        Raises SystemExit or KeyboardInterrupt where a handler did during the wait.
        """
        server, self._uvicorn = self._uvicorn, None
        ticks, self._ticks = self._ticks, None
        if server is None or ticks is None:
            return
        self._earlier_requests += server.server_state.total_requests
        server.shutdown_timeout = math.inf if timeout is None else timeout
        try:
            await server.finish_requests()
        except asyncio.CancelledError:
            # Whoever waits has lost patience. The handlers must end all the same, before what they use is cleaned up.
            server.force_exit = True
            await server.finish_requests()
            raise
        finally:
            ticks.cancel()
            await asyncio.wait([ticks])
        if server.exit_reason is not None and ticks.cancelled():
            # A handler has asked for the end of the process while this was waiting for it.
            raise server.exit_reason
        if not ticks.cancelled():
            # What has ended the loop already: else asyncio complains that nobody has seen it.
            ticks.exception()


async def _tick(server: UvicornServer) -> None:
    """Keep the Date header right, and end the loop when a handler asks for the end of the process."""
    await server.main_loop()
    if server.exit_reason is not None:
        # asyncio lets these two, and no others, out of a task and of the loop.
        raise server.exit_reason
