"""`run_app`: serve an application from the command line until Ctrl+C."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import inspect
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from framework.applications import Application
from framework.serving.access_log import AbstractAccessLogger, AccessLogger, access_logger, make_access_log
from framework.serving.options import check_options
from framework.serving.runners import GracefulExit
from framework.serving.sites import Site, bind_path, bind_tcp, given_socket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from framework.serving.server import Server
    from framework.typedefs import PathLike

__all__ = ["run_app"]


def run_app(
    app: Application | Awaitable[Application],
    *,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    path: PathLike | Iterable[PathLike] | None = None,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    shutdown_timeout: float = 60.0,
    keepalive_timeout: float = 75.0,
    ssl_context: ssl.SSLContext | None = None,
    print: Callable[..., None] | None = builtins.print,
    backlog: int = 128,
    access_log_class: type[AbstractAccessLogger] = AccessLogger,
    access_log_format: str = AccessLogger.LOG_FORMAT,
    access_log: logging.Logger | None = access_logger,
    handle_signals: bool = True,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    handler_cancellation: bool = False,
    loop: asyncio.AbstractEventLoop | None = None,
    **kwargs: Any,
) -> None:
    """Serve `app` with uvicorn, and return when it has been told to stop and has shut down cleanly.

    SIGINT (Ctrl+C) and SIGTERM stop it: it stops listening, runs `on_shutdown`, waits for the handlers that still run,
    and runs the cleanup. A second signal cancels these handlers without waiting, a third gives up the cleanup.

    Args:
        app: an application, or an awaitable that makes one, which then runs in the same loop.
        host: names or addresses to listen at. Default: all interfaces, unless there is only `path` or `sock`.
        port: default 8080, with `ssl_context` 8443; 0 for a free one.
        path: Unix sockets to listen at, beside `host` and `port` if these are given.
        sock: bound sockets to listen on, beside the others. They are closed at the end.
        shutdown_timeout: how long handlers may go on after the signal before they are cancelled, in seconds.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        ssl_context: serve HTTPS, with this context as it is.
        print: called with the message that says where it listens; None for silence.
        backlog: connections that the system may queue for each socket.
        access_log_class: writes the lines of the access log: a subclass of `AbstractAccessLogger`.
        access_log_format: for that class; `AccessLogger` has the atoms.
        access_log: gets a line for each request at level INFO; None for none. In asyncio's debug mode the default
            logger, `framework.access`, prints to stderr if nothing else has been set up.
        handle_signals: False leaves SIGINT and SIGTERM as they are. Needed outside the main thread.
        reuse_address: SO_REUSEADDR. Default: as the system needs it.
        reuse_port: SO_REUSEPORT, to let several processes share a port.
        handler_cancellation: cancel the handler when its client disconnects. Not done yet: True is a warning.
        loop: run in this event loop, which is closed at the end. Default: a new one, uvloop's if it is installed.
        **kwargs: options of aiohttp's own HTTP implementation; they are accepted with a warning that names the
            alternative.

    Raises:
        TypeError: `app` is neither of the two, or a keyword is unknown.
        RuntimeError: called while a loop runs, or from a thread with `handle_signals`.
        OSError: an address cannot be listened at.
        Exception: what the application's startup, shutdown or cleanup raised.
    """
    stray_awaitable = app if inspect.iscoroutine(app) else None
    try:
        check_options(
            "run_app",
            kwargs,
            handler_cancellation=handler_cancellation,
        )
        log = make_access_log(access_log, access_log_class, access_log_format)
        _check_caller(handle_signals)
        if loop is None:
            loop = _new_event_loop()
        elif loop.is_closed():
            raise RuntimeError("run_app(loop=...) got an event loop that is closed; leave it out, or make a new one")
        stray_awaitable = None
    finally:
        if stray_awaitable is not None:
            stray_awaitable.close()

    if loop.get_debug() and access_log is access_logger:
        # So that a program without a line of logging configuration shows its requests while it is being written.
        if access_log.level == logging.NOTSET:
            access_log.setLevel(logging.DEBUG)
        if not access_log.hasHandlers():
            access_log.addHandler(logging.StreamHandler())

    run = _Run(
        print=print,
        handle_signals=handle_signals,
        scheme="http" if ssl_context is None else "https",
        server_options={
            "shutdown_timeout": shutdown_timeout,
            "keepalive_timeout": keepalive_timeout,
            "backlog": backlog,
            "ssl_context": ssl_context,
            "access_log": log,
        },
        host=host,
        port=port,
        path=path,
        sock=sock,
        reuse_address=reuse_address,
        reuse_port=reuse_port,
    )
    _run_until_stopped(loop, run, app)


def _check_caller(handle_signals: bool) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(
            "run_app() cannot be called while an event loop is running; call it outside of coroutines, "
            "or serve with web.AppRunner(app) in this loop"
        )
    if handle_signals and threading.current_thread() is not threading.main_thread():
        raise RuntimeError("run_app() can handle signals only in the main thread; pass handle_signals=False")


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _run_until_stopped(loop: asyncio.AbstractEventLoop, run: _Run, app: Application | Awaitable[Application]) -> None:
    asyncio.set_event_loop(loop)
    main_task = loop.create_task(run.main(app))
    try:
        try:
            loop.run_until_complete(main_task)
        except (SystemExit, KeyboardInterrupt):
            # Raised in a callback or in another task, or by Ctrl+C where loops have no signal handlers (Windows).
            if not main_task.done():
                main_task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    loop.run_until_complete(main_task)
            raise
        if run.exit_reason is not None:
            raise run.exit_reason
    except (GracefulExit, KeyboardInterrupt):
        pass
    except asyncio.CancelledError:
        if not run.interrupted:
            raise
    finally:
        try:
            _cancel_leftover_tasks(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_leftover_tasks(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    for task in tasks:
        if not task.cancelled() and (exc := task.exception()) is not None:
            loop.call_exception_handler(
                {"message": "a task failed when run_app() cancelled it at its end", "exception": exc, "task": task}
            )


class _Run:
    """One call of `run_app`, from the side of its event loop."""

    def __init__(
        self,
        *,
        print: Callable[..., None] | None,
        handle_signals: bool,
        scheme: str,
        server_options: dict[str, Any],
        host: str | Iterable[str] | None,
        port: int | None,
        path: PathLike | Iterable[PathLike] | None,
        sock: socket.socket | Iterable[socket.socket] | None,
        reuse_address: bool | None,
        reuse_port: bool | None,
    ) -> None:
        #: Whether a signal has ended the run.
        self.interrupted = False
        #: What a handler raised to end the process: SystemExit or KeyboardInterrupt.
        self.exit_reason: BaseException | None = None
        self._print = print
        self._handle_signals = handle_signals
        self._scheme = scheme
        self._server_options = server_options
        self._host = host
        self._port = port if port is not None else (8080 if scheme == "http" else 8443)
        self._port_given = port is not None
        self._path = path
        self._sock = sock
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port
        self._server: Server | None = None

    async def main(self, app_or_awaitable: Application | Awaitable[Application]) -> None:
        """Start, serve until cancelled, and stop in the order that `framework.serving.server` describes."""
        # uvicorn takes as long to import as the rest of the framework, and only programs that get here need it.
        from framework.serving.server import Server

        signals = self._install_signal_handlers()
        try:
            app = app_or_awaitable
            if not isinstance(app, Application) and inspect.isawaitable(app):
                app = await app
            if not isinstance(app, Application):
                raise TypeError(f"run_app() serves a web.Application, or an awaitable that makes one, not {app!r}")
            await _start(app)
            self._server = server = Server(app, on_shutdown=app.shutdown, **self._server_options)
            sites: list[Site] = []
            try:
                try:
                    await self._listen(server, sites)
                    await server.main_loop()
                finally:
                    await server.shutdown([sock for site in sites for sock in site.sockets])
                    for site in sites:
                        site.close()
            finally:
                try:
                    await app.finish_background(self._server_options["shutdown_timeout"])
                finally:
                    await app.close()
            self.exit_reason = server.exit_reason
        finally:
            loop = asyncio.get_running_loop()
            for number in signals:
                loop.remove_signal_handler(number)

    async def _listen(self, server: Server, sites: list[Site]) -> None:
        """Bind everything, adding to `sites` as it goes, then accept connections and say so."""
        backlog = server.config.backlog
        for host in self._hosts():
            site = await bind_tcp(
                host, self._port, backlog, reuse_address=self._reuse_address, reuse_port=self._reuse_port
            )
            sites.append(site)
        # One by one, so that what is bound is closed again when the next one fails.
        for path in _listed(self._path, (str, os.PathLike)):
            sites.append(bind_path(path, backlog))  # noqa: PERF401
        sites.extend(given_socket(sock) for sock in _listed(self._sock, socket.socket))
        await server.startup([sock for site in sites for sock in site.sockets])
        if self._print is not None:
            where = ", ".join(sorted(f"{self._scheme}://{site.authority}" for site in sites))
            self._print(f"======== Running on {where} ========\n(Press CTRL+C to quit)")

    def _hosts(self) -> Iterable[str | None]:
        if self._host is not None:
            return _listed(self._host, str)
        if (self._path is None and self._sock is None) or self._port_given:
            return [None]
        return []

    def _install_signal_handlers(self) -> list[int]:
        if not self._handle_signals:
            return []
        loop = asyncio.get_running_loop()
        main_task = asyncio.current_task()
        assert main_task is not None  # noqa: S101 (for the type checker: this runs in a coroutine)

        def stop() -> None:
            if self.interrupted and self._server is not None and not self._server.force_exit:
                self._server.force_exit = True
                return
            # The first signal, or one for a cleanup that hangs.
            self.interrupted = True
            main_task.cancel()

        installed: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, stop)
            except NotImplementedError:
                # Windows: Ctrl+C arrives as KeyboardInterrupt.
                continue
            installed.append(number)
        return installed


async def _start(app: Application) -> None:
    try:
        await app.start()
    except BaseException:
        # What had been entered of cleanup_ctx is left again.
        try:
            await app.cleanup()
        except Exception:
            app.logger.exception("Cleanup after a failed startup failed")
        raise


def _listed(value: Any, single: type | tuple[type, ...]) -> list[Any]:
    """The items of a parameter that takes one or several."""
    if value is None:
        return []
    return [value] if isinstance(value, single) else list(value)
