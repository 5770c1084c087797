"""One process that serves: its event loop, its signals, and the order of its beginning and its end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from typing import TYPE_CHECKING, NamedTuple

from framework.applications import Application
from framework.serving.access_log import make_access_log
from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger, access_logger
from framework.serving.runners import GracefulExit
from framework.serving.servers import make_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from framework.serving.access_log import AccessLog
    from framework.serving.servers import ServerInLoop, ServerOptions
    from framework.serving.sites import Site

__all__ = ["SILENCE", "AppOptions", "ServingProcess", "new_event_loop"]


logger = logging.getLogger("framework.server")

# How long an end may take that was told to hurry, in seconds: the cancelled handlers' part (`framework.serving.server`)
# and the cleanup.
_HURRIED = 3.0

# How long tasks that the program has left may take to end when they are cancelled, in seconds; and in a hurry.
_LAST_GRACE = 5.0
_HURRIED_GRACE = 1.0

#: After what time an end that waits says so, in seconds.
SILENCE = 1.0

# How often a wait looks whether it has been told to hurry, in seconds.
_TICK = 0.05


class AppOptions(NamedTuple):
    """What `run_app` sets of the application, and how its requests are logged."""

    access_log: logging.Logger | None = access_logger
    access_log_class: type[AbstractAccessLogger] = AccessLogger
    access_log_format: str = AccessLogger.LOG_FORMAT
    handler_cancellation: bool = False
    debug: bool | None = None

    def make_access_log(self) -> AccessLog | None:
        """What each request is run by. TypeError for a class that is none of access loggers."""
        return make_access_log(self.access_log, self.access_log_class, self.access_log_format)


class ServingProcess:
    """Serves an application in an event loop until it is told to stop.

    TypeError for an access log's class that is none.

    Args:
        server_options: the server, and how it serves.
        app_options: what is set of the application.
        listen: binds what to listen at, adding to the list that it is given.
        announce: called when the server listens.
        announce_wait: called when the end takes longer than a second.
        signals: the signals that call `stop`.
    """

    def __init__(
        self,
        server_options: ServerOptions,
        app_options: AppOptions,
        *,
        listen: Callable[[list[Site]], Awaitable[None]],
        announce: Callable[[list[Site]], None],
        announce_wait: Callable[[], None] | None = None,
        signals: Iterable[int],
    ) -> None:
        self._server_options = server_options
        self._app_options = app_options
        self._access_log = app_options.make_access_log()
        self._listen = listen
        self._announce = announce
        self._announce_wait = announce_wait
        self._signals = signals
        self._server: ServerInLoop | None = None
        self._main_task: asyncio.Task[None] | None = None
        self._stopped = False
        self._hurried = False
        self._exit_reason: BaseException | None = None

    def run(self, loop: asyncio.AbstractEventLoop, app: Application | Awaitable[Application]) -> None:
        """Serve `app`, and return when it has shut down cleanly. `loop` is closed at the end.

        Raises what startup, listening, shutdown and cleanup raise, and the SystemExit of a handler.
        """
        self._show_log_in_debug_mode(loop)
        asyncio.set_event_loop(loop)
        self._main_task = main_task = loop.create_task(self._main(app))
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
            if self._exit_reason is not None:
                raise self._exit_reason
        except (GracefulExit, KeyboardInterrupt):
            pass
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        finally:
            if inspect.iscoroutine(app):
                # Told to stop before it had begun.
                app.close()
            try:
                _cancel_leftover_tasks(loop, _HURRIED_GRACE if self._hurried else _LAST_GRACE)
                loop.run_until_complete(loop.shutdown_asyncgens())
            finally:
                asyncio.set_event_loop(None)
                loop.close()

    def stop(self) -> None:
        """Shut down; said again, at once; and a third time, without the cleanup.

        At once is: handlers, background tasks and an `on_shutdown` that runs are cancelled and get a second to end, and
        what the cleanup has not done three seconds after this was said is given up.

        For callbacks of the loop.
        """
        if self._stopped and not self._hurried and self._server is not None:
            self._hurried = self._server.force_exit = True
            asyncio.get_running_loop().call_later(_HURRIED, self._give_up)
            return
        if not self._stopped and self._server is not None:
            asyncio.get_running_loop().call_later(SILENCE, self._say_wait)
        self._stopped = True
        self._give_up()

    def _say_wait(self) -> None:
        if self._announce_wait is not None and not self._hurried:
            self._announce_wait()

    def _give_up(self) -> None:
        """End what the main task does now: serving, waiting, or a cleanup that hangs."""
        if self._main_task is not None:
            self._main_task.cancel()

    def _show_log_in_debug_mode(self, loop: asyncio.AbstractEventLoop) -> None:
        # So that a program without a line of logging configuration shows its requests while it is being written.
        if loop.get_debug() and self._app_options.access_log is access_logger:
            if access_logger.level == logging.NOTSET:
                access_logger.setLevel(logging.DEBUG)
            if not access_logger.hasHandlers():
                access_logger.addHandler(logging.StreamHandler())

    async def _main(self, app_or_awaitable: Application | Awaitable[Application]) -> None:
        """Start, serve until cancelled, and stop in the order that `framework.serving.server` describes."""
        signals = self._install_signal_handlers()
        try:
            app = app_or_awaitable
            if not isinstance(app, Application) and inspect.isawaitable(app):
                app = await app
            if not isinstance(app, Application):
                raise TypeError(
                    f"run_app() serves a web.Application, an awaitable that makes one, "
                    f'or an import string such as "module:app", not {app!r}'
                )
            self._configure(app)
            await _start(app)
            try:
                await self._serve(app)
            finally:
                try:
                    await self._finish_background(app)
                finally:
                    await app.close()
        finally:
            loop = asyncio.get_running_loop()
            for number in signals:
                loop.remove_signal_handler(number)

    async def _finish_background(self, app: Application) -> None:
        waiting = asyncio.ensure_future(app.finish_background(self._server_options.shutdown_timeout))
        try:
            while not waiting.done() and not self._hurried:
                await asyncio.wait([waiting], timeout=_TICK)
        finally:
            if not waiting.done():
                waiting.cancel()
                await app.finish_background(0)
        if waiting.done() and not waiting.cancelled():
            waiting.result()

    def _configure(self, app: Application) -> None:
        options = self._app_options
        if options.debug is not None:
            app.debug = options.debug
        if options.handler_cancellation:
            app.handler_cancellation = True

    async def _serve(self, app: Application) -> None:
        self._server = server = make_server(app, self._server_options, self._access_log)
        sites: list[Site] = []
        try:
            try:
                await self._listen(sites)
                await server.startup([sock for site in sites for sock in site.sockets])
                self._announce(sites)
                await server.main_loop()
            finally:
                for site in sites:
                    site.hold_back()
                await server.shutdown([sock for site in sites for sock in site.sockets])
        finally:
            for site in sites:
                site.close()
        self._exit_reason = server.exit_reason

    def _install_signal_handlers(self) -> list[int]:
        loop = asyncio.get_running_loop()
        installed: list[int] = []
        for number in self._signals:
            try:
                loop.add_signal_handler(number, self.stop)
            except NotImplementedError:
                # Windows: Ctrl+C arrives as KeyboardInterrupt.
                continue
            installed.append(number)
        return installed


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _cancel_leftover_tasks(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    tasks = asyncio.all_tasks(loop)
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    ended, stubborn = loop.run_until_complete(asyncio.wait(tasks, timeout=seconds))
    if stubborn:
        logger.error("%d tasks did not end when they were cancelled: %s", len(stubborn), stubborn)
    for task in ended:
        if not task.cancelled() and (exc := task.exception()) is not None:
            loop.call_exception_handler(
                {"message": "a task failed when run_app() cancelled it at its end", "exception": exc, "task": task}
            )


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
