"""`run_app`: serve an application from the command line until Ctrl+C."""

from __future__ import annotations

import asyncio
import builtins
import inspect
import logging
import signal
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger, access_logger
from framework.serving.import_strings import module_being_imported
from framework.serving.listening import Addresses, announce, announce_wait
from framework.serving.options import check_options
from framework.serving.process import AppOptions, ServingProcess, new_event_loop
from framework.serving.servers import ServerOptions, check_server
from framework.serving.tls import CertificateFiles

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from framework.applications import Application
    from framework.serving.sites import Site
    from framework.typedefs import PathLike

__all__ = ["run_app"]

# How long handlers are waited for when the source has changed, in seconds: nobody wants to wait for an event stream.
_RELOAD_TIMEOUT = 1.0


def run_app(
    app: Application | Awaitable[Application] | str,
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
    workers: int = 1,
    reload: bool = False,
    http2: bool = False,
    server: str = "uvicorn",
    ssl_certfile: PathLike | None = None,
    ssl_keyfile: PathLike | None = None,
    ssl_keyfile_password: str | None = None,
    debug: bool | None = None,
    **kwargs: Any,
) -> None:
    """Serve `app`, and return when it has been told to stop and has shut down cleanly.

    SIGINT (Ctrl+C) and SIGTERM stop it: it stops listening, runs `on_shutdown`, waits for the handlers that still run,
    and runs the cleanup. A second signal ends it at once: handlers are cancelled and get a second to end, and a cleanup
    that takes longer than three is given up. A third does not wait for that either.

    The parameters from `workers` on are not aiohttp's. Workers are processes of their own, and so is the one that
    `reload` starts anew: they load the application by its name, so `app` has to be an import string, and a program
    that calls `run_app` when it is imported has to do so below ``if __name__ == "__main__":``.

    Args:
        app: an application, an awaitable that makes one, which then runs in the same loop, or an import string,
            ``"module:attribute"``, that names an application or a function (also a coroutine function) that makes one.
        host: names or addresses to listen at. Default: all interfaces, unless there is only `path` or `sock`.
        port: default 8080, with TLS 8443; 0 for a free one.
        path: Unix sockets to listen at, beside `host` and `port` if these are given.
        sock: bound sockets to listen on, beside the others. They are closed at the end.
        shutdown_timeout: how long handlers may go on after the signal before they are cancelled, in seconds.
        keepalive_timeout: how long an idle connection stays open, in seconds.
        ssl_context: serve HTTPS, with this context as it is; `http2` sets its ALPN protocols. Not for several
            processes, `reload` or granian.
        print: called with the message that says where it listens, and with others: that requests are waited for at the
            end, that workers are replaced; None for silence.
        backlog: connections that the system may queue for each socket.
        access_log_class: writes the lines of the access log: a subclass of `AbstractAccessLogger`.
        access_log_format: for that class; `AccessLogger` has the atoms.
        access_log: gets a line for each request at level INFO; None for none. In asyncio's debug mode the default
            logger, `framework.access`, prints to stderr if nothing else has been set up.
        handle_signals: False leaves SIGINT and SIGTERM as they are. Needed outside the main thread.
        reuse_address: SO_REUSEADDR. Default: as the system needs it.
        reuse_port: SO_REUSEPORT, to let several processes share a port.
        handler_cancellation: cancel the handler when its client disconnects.
        loop: run in this event loop, which is closed at the end. Default: a new one, uvloop's if it is installed. Not
            with several processes or `reload`.
        workers: how many processes serve. They share the sockets, and each has an application of its own. One that
            dies is replaced; one that does not start ends them all. SIGHUP replaces them one after the other.
        reload: serve in a process that is started anew when a ``*.py`` file below the current directory changes, and
            with `debug`. For development.
        http2: speak HTTP/2 too: over TLS with clients that agree (ALPN), without TLS with those that begin with it.
            With uvicorn it needs ``pip install 'asgi-framework[http2]'``.
        server: ``"uvicorn"``, ``"hypercorn"`` or ``"granian"``.
        ssl_certfile: serve HTTPS, with the certificate (and its chain) in this PEM file.
        ssl_keyfile: its key. Default: the key is in `ssl_certfile` too.
        ssl_keyfile_password: of an encrypted key.
        debug: set the application's `debug`. Default: True with `reload`, else it is left as it is.
        **kwargs: options of aiohttp's own HTTP implementation; they are accepted with a warning that names the
            alternative.

    Raises:
        TypeError: `app` is none of the three, a keyword is unknown, or `app` is no import string and has to be.
        ValueError: options do not go together; what the import string names is not there (`ImportStringError`).
        ImportError: the package of `server` or `http2` is missing; the message says how to install it.
        RuntimeError: called while a loop runs, or from a thread with `handle_signals`.
        OSError: an address cannot be listened at, or a certificate not be read.
        SystemExit: a worker did not start.
        Exception: what the application's startup, shutdown or cleanup raised.
    """
    stray_awaitable = app if inspect.iscoroutine(app) else None
    try:
        check_options("run_app", kwargs)
        _check_caller(handle_signals)
        server_options = ServerOptions(
            server=server,
            http2=http2,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=keepalive_timeout,
            backlog=backlog,
            ssl_context=ssl_context,
            certificate=CertificateFiles.of(ssl_certfile, ssl_keyfile, ssl_keyfile_password, ssl_context),
        )
        check_server(server_options)
        app_options = AppOptions(
            access_log=access_log,
            access_log_class=access_log_class,
            access_log_format=access_log_format,
            handler_cancellation=handler_cancellation,
            debug=True if reload and debug is None else debug,
        )
        addresses = Addresses(host, port, path, sock, backlog, reuse_address, reuse_port)
        if reload or workers != 1:
            import_string = _check_processes(app, workers, reload, ssl_context, loop)
            _run_workers(import_string, workers, reload, addresses, server_options, app_options, print, handle_signals)
            return
        process = _one_process(addresses, server_options, app_options, print, handle_signals)
        if loop is not None and loop.is_closed():
            raise RuntimeError("run_app(loop=...) got an event loop that is closed; leave it out, or make a new one")
        app = _load(app) if isinstance(app, str) else app
        stray_awaitable = None
    finally:
        if stray_awaitable is not None:
            stray_awaitable.close()
    process.run(loop or new_event_loop(), app)


def _check_caller(handle_signals: bool) -> None:
    if (module := module_being_imported()) is not None:
        raise RuntimeError(
            f"{module} calls run_app() while it is imported, and is imported to be served already; "
            'call it below `if __name__ == "__main__":`'
        )
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


def _one_process(
    addresses: Addresses,
    server_options: ServerOptions,
    app_options: AppOptions,
    print: Callable[..., None] | None,
    handle_signals: bool,
) -> ServingProcess:
    async def listen(sites: list[Site]) -> None:
        await addresses.bind(sites, _default_port(server_options))

    def say(sites: list[Site]) -> None:
        if print is not None:
            print(announce(sites, server_options.scheme))

    def say_wait() -> None:
        if print is not None:
            print(announce_wait(server_options.shutdown_timeout))

    return ServingProcess(
        server_options,
        app_options,
        listen=listen,
        announce=say,
        announce_wait=say_wait,
        signals=(signal.SIGINT, signal.SIGTERM) if handle_signals else (),
    )


def _check_processes(app: object, workers: int, reload: bool, ssl_context: object, loop: object) -> str:
    option = "reload=True" if reload else f"workers={workers}"
    if workers < 1:
        raise ValueError(f"run_app({option}): at least one process has to serve")
    if not isinstance(app, str):
        raise TypeError(
            f"run_app({option}) starts processes, which load the application by its name. Name it, and call run_app() "
            f"only in the program that is started:\n\n"
            f'    if __name__ == "__main__":\n'
            f'        web.run_app("module:app", {option})\n\n'
            f'"module:app" is the application `app` in module.py, or a function that makes one'
        )
    if ssl_context is not None:
        raise ValueError(
            f"run_app({option}) cannot hand an ssl_context to other processes; give the files instead, "
            f"ssl_certfile='cert.pem', ssl_keyfile='key.pem'"
        )
    if loop is not None:
        raise ValueError(f"run_app({option}) runs in a loop of each process; leave loop= out")
    return app


def _default_port(options: ServerOptions) -> int:
    return 8080 if options.scheme == "http" else 8443


def _load(import_string: str) -> Application | Awaitable[Application]:
    from framework.serving.import_strings import load_application

    return load_application(import_string)


def _run_workers(
    import_string: str,
    workers: int,
    reload: bool,
    addresses: Addresses,
    server_options: ServerOptions,
    app_options: AppOptions,
    print: Callable[..., None] | None,
    handle_signals: bool,
) -> None:
    # multiprocessing is for those who need it.
    from framework.serving.worker import WorkerTask
    from framework.serving.workers import Supervisor, check_task, is_worker

    if is_worker():
        raise RuntimeError(
            "run_app() was called again in one of the processes that it has started, which import the program anew; "
            'call it below `if __name__ == "__main__":`'
        )
    if reload:
        timeout = min(server_options.shutdown_timeout, _RELOAD_TIMEOUT)
        server_options = server_options._replace(shutdown_timeout=timeout)
    # What is wrong with it is better said once, and here.
    app_options.make_access_log()
    task = WorkerTask(import_string, server_options, app_options, keep_stdin=reload and workers == 1)
    check_task(task)
    sites: list[Site] = []
    try:
        asyncio.run(addresses.bind(sites, _default_port(server_options)))

        def say() -> None:
            if print is not None:
                remarks = [f"{workers} workers"] * (workers > 1) + ["reload"] * reload
                print(announce(sites, server_options.scheme, f" ({', '.join(remarks)})"))

        Supervisor(
            task,
            workers,
            sites,
            announce=say,
            print=print,
            reload_from=Path.cwd() if reload else None,
            handle_signals=handle_signals,
        ).run()
    finally:
        for site in sites:
            site.close()
