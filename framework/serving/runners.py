"""Runners: an application started and stopped in a loop that the program runs itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from framework.applications import Application
from framework.serving.access_log import make_access_log
from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger, access_logger
from framework.serving.low_level import Server
from framework.serving.options import check_options

if TYPE_CHECKING:
    from framework.serving.runner_sites import BaseSite

__all__ = ["AppRunner", "BaseRunner", "GracefulExit", "ServerRunner"]


class GracefulExit(SystemExit):
    """Raised anywhere in the loop, ends `run_app` as Ctrl+C does: requests are finished and cleanup runs."""

    code = 1


class BaseRunner(ABC):
    """What runners share: setup, sites to listen at, and the order of the cleanup.

    Args:
        handle_signals: have SIGINT and SIGTERM raise `GracefulExit` in the loop, from `setup` to `cleanup`. Only in
            the main thread. Without it signals stay as they are.
        shutdown_timeout: how long handlers may go on at the cleanup before they are cancelled, in seconds.
        **kwargs: for subclasses.
    """

    def __init__(self, *, handle_signals: bool = False, shutdown_timeout: float = 60.0, **kwargs: Any) -> None:
        #: How long handlers may go on at the cleanup, in seconds.
        self.shutdown_timeout = shutdown_timeout
        self._handle_signals = handle_signals
        self._kwargs = kwargs
        self._server: Server | None = None
        self._sites: list[BaseSite] = []
        self._signals: list[int] = []

    @property
    def server(self) -> Server | None:
        """The server, from `setup` to `cleanup`; else None."""
        return self._server

    @property
    def addresses(self) -> list[Any]:
        """Where the started sites listen: ``(host, port, …)`` of a TCP socket, the path of a Unix socket."""
        return [sock.getsockname() for site in self._sites for sock in site.sockets]

    @property
    def sites(self) -> set[BaseSite]:
        """The sites that were started and not stopped."""
        return set(self._sites)

    def add_site(self, site: BaseSite) -> None:
        """Have the cleanup stop ``site``; what a site calls when it starts.

        Raises RuntimeError for one that is there already, and before `setup` or after `cleanup`.
        """
        self.find_server()
        if site in self._sites:
            raise RuntimeError(f"Site {site} is already registered in runner {self}: it was started before")
        self._sites.append(site)

    def check_site(self, site: BaseSite) -> None:
        """RuntimeError unless ``site`` was started and not stopped."""
        if site not in self._sites:
            raise RuntimeError(f"Site {site} is not registered in runner {self}: start it first")

    def remove_site(self, site: BaseSite) -> None:
        """Forget ``site``; what a site calls when it has stopped. Raises as `check_site`."""
        self.check_site(site)
        self._sites.remove(site)

    def find_server(self) -> Server:
        """The server; RuntimeError where there is none."""
        if self._server is None:
            raise RuntimeError(f"await runner.setup() before sites are made or started: {self} has no server")
        return self._server

    async def setup(self) -> None:
        """Make the server ready; sites can be made and started then. Does nothing when that was done.

        Raises what the application's startup raises, and RuntimeError or ValueError for `handle_signals` outside of
        the main thread.
        """
        if self._server is not None:
            return
        if self._handle_signals:
            self._add_signal_handlers()
        try:
            self._server = await self._make_server()
        except BaseException:
            self._remove_signal_handlers()
            raise

    @abstractmethod
    async def shutdown(self) -> None:
        """Tell what is served that the end is near, while connections are still open; a part of `cleanup`."""

    async def cleanup(self) -> None:
        """Stop, in aiohttp's order.

        The sites are stopped, idle connections closed, `shutdown` runs; handlers have `shutdown_timeout` seconds to
        end before they are cancelled; then comes the cleanup of what is served, also where something failed before.
        A cleanup that is cancelled itself cancels the handlers, and waits no more.

        Afterwards `setup` can begin again.
        """
        try:
            for site in list(self._sites):
                await site.stop()
        finally:
            server = self._server
            try:
                if server is not None:
                    # Connections that the system has just handed over get to their protocols.
                    await asyncio.sleep(0)
                    server.pre_shutdown()
                    try:
                        await self.shutdown()
                    finally:
                        await server.shutdown(self.shutdown_timeout)
            finally:
                self._server = None
                try:
                    await self._cleanup_server()
                finally:
                    self._remove_signal_handlers()

    @abstractmethod
    async def _make_server(self) -> Server:
        """Start what is served; the subclass's part of `setup`."""

    @abstractmethod
    async def _cleanup_server(self) -> None:
        """Clean up what was served; the subclass's part of `cleanup`, which may come without a setup."""

    def _add_signal_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows: Ctrl+C arrives as KeyboardInterrupt.
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, _raise_graceful_exit)
                self._signals.append(number)

    def _remove_signal_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        while self._signals:
            loop.remove_signal_handler(self._signals.pop())


class AppRunner(BaseRunner):
    """Runs an application in the running loop, over uvicorn: startup in `setup`, its end in `cleanup`.

        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 8080).start()
        ...
        await runner.cleanup()

    One runner has any number of sites, one loop any number of runners, each with an application of its own. Logging
    is left as the program has set it up.

    Args:
        app: the application.
        handle_signals: have SIGINT and SIGTERM raise `GracefulExit` in the loop. Only in the main thread.
        access_log_class: writes the lines of the access log: a subclass of `AbstractAccessLogger`.
        shutdown_timeout: how long handlers may go on at the cleanup before they are cancelled, in seconds.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        access_log: gets a line for each request at level INFO; None for none.
        access_log_format: for that class; `AccessLogger` has the atoms.
        handler_cancellation: True sets `Application.handler_cancellation`.
        **kwargs: options of aiohttp's own HTTP implementation; accepted with a warning that names the alternative.

    Raises:
        TypeError: `app` is no application, or a keyword is unknown.
    """

    def __init__(
        self,
        app: Application,
        *,
        handle_signals: bool = False,
        access_log_class: type[AbstractAccessLogger] = AccessLogger,
        shutdown_timeout: float = 60.0,
        keepalive_timeout: float = 75.0,
        access_log: logging.Logger | None = access_logger,
        access_log_format: str = AccessLogger.LOG_FORMAT,
        handler_cancellation: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(app, Application):
            raise TypeError(f"AppRunner() runs a web.Application, not {app!r}")
        check_options("AppRunner", kwargs)
        super().__init__(handle_signals=handle_signals, shutdown_timeout=shutdown_timeout)
        self._app = app
        self._access_log_options: dict[str, Any] = {
            "access_log": access_log,
            "access_log_class": access_log_class,
            "access_log_format": access_log_format,
        }
        # What is wrong with them shows in the program's own line.
        make_access_log(**self._access_log_options)
        self._keepalive_timeout = keepalive_timeout
        if handler_cancellation:
            app.handler_cancellation = True

    @property
    def app(self) -> Application:
        """The application."""
        return self._app

    async def shutdown(self) -> None:
        """Send the application's ``on_shutdown``, and close the WebSockets that it left open with code 1001."""
        if self._app.started:
            await self._app.shutdown()

    async def _make_server(self) -> Server:
        await self._app.start()
        return Server(self._app, keepalive_timeout=self._keepalive_timeout, **self._access_log_options)

    async def _cleanup_server(self) -> None:
        await _close(self._app, self.shutdown_timeout)


class ServerRunner(BaseRunner):
    """Runs a `Server`: a handler without routes.

    Args:
        web_server: the server.
        handle_signals: have SIGINT and SIGTERM raise `GracefulExit` in the loop. Only in the main thread.
        shutdown_timeout: how long handlers may go on at the cleanup before they are cancelled, in seconds.
        **kwargs: accepted, as in aiohttp; what tunes the server is given to the server.
    """

    def __init__(
        self, web_server: Server, *, handle_signals: bool = False, shutdown_timeout: float = 60.0, **kwargs: Any
    ) -> None:
        if not isinstance(web_server, Server):
            raise TypeError(f"ServerRunner() runs a web.Server, not {web_server!r}")
        super().__init__(handle_signals=handle_signals, shutdown_timeout=shutdown_timeout, **kwargs)
        self._web_server = web_server

    async def shutdown(self) -> None:
        """Close the WebSockets that handlers hold open, with code 1001."""
        if self._web_server.app.started:
            await self._web_server.app.shutdown()

    async def _make_server(self) -> Server:
        await self._web_server.app.start()
        return self._web_server

    async def _cleanup_server(self) -> None:
        await _close(self._web_server.app, self.shutdown_timeout)


async def _close(app: Application, timeout: float) -> None:
    try:
        await app.finish_background(timeout)
    except asyncio.CancelledError:
        await app.finish_background(0)
        raise
    finally:
        await app.close()


def _raise_graceful_exit() -> NoReturn:
    raise GracefulExit
