"""Runners where they are more than aiohttp's, or other than they."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.asyncio.client import connect

from framework import web
from framework.typedefs import ASGIApp, Receive, Scope, Send
from tests.serving.program import PATIENCE, Program

unix_only = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")


def saying(text: str = "hello") -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/", handler)
    return app


def logging_app(log: list[str]) -> web.Application:
    async def start(app: web.Application) -> None:
        log.append("startup")

    async def shut_down(app: web.Application) -> None:
        log.append("shutdown")

    async def clean_up(app: web.Application) -> None:
        log.append("cleanup")

    app = saying()
    app.on_startup.append(start)
    app.on_shutdown.append(shut_down)
    app.on_cleanup.append(clean_up)
    return app


async def start(runner: web.BaseRunner) -> str:
    """The URL of a new site at a free port."""
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return site.name


@contextlib.asynccontextmanager
async def running(app: web.Application, **options: Any) -> AsyncIterator[tuple[web.AppRunner, str]]:
    """A runner with a site, and its URL."""
    runner = web.AppRunner(app, **options)
    await runner.setup()
    try:
        yield runner, await start(runner)
    finally:
        await runner.cleanup()


def client(**options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE, **options)


async def text_at(url: str) -> str:
    async with client() as http:
        return (await http.get(url)).text


# Life


async def test_a_second_setup_does_nothing() -> None:
    log: list[str] = []
    async with running(logging_app(log)) as (runner, url):
        server = runner.server
        await runner.setup()
        assert runner.server is server
        assert await text_at(url) == "hello"
    assert log == ["startup", "shutdown", "cleanup"]


async def test_a_second_cleanup_does_nothing() -> None:
    log: list[str] = []
    async with running(logging_app(log)) as (runner, _):
        await runner.cleanup()
        await runner.cleanup()
    assert log == ["startup", "shutdown", "cleanup"]


async def test_contexts_are_left_where_startup_fails() -> None:
    log: list[str] = []

    async def context(app: web.Application) -> AsyncIterator[None]:
        log.append("enter")
        yield
        log.append("leave")

    async def fail(app: web.Application) -> None:
        raise ValueError

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    with pytest.raises(ValueError, match="^$"):  # noqa: RUF043
        await web.AppRunner(app).setup()
    assert log == ["enter", "leave"]


async def test_a_shutdown_that_fails_does_not_keep_cleanup_from_running() -> None:
    log: list[str] = []

    async def fail(app: web.Application) -> None:
        raise ValueError("not now")

    app = logging_app(log)
    app.on_shutdown.append(fail)
    runner = web.AppRunner(app)
    await runner.setup()
    url = await start(runner)
    with pytest.raises(ValueError, match="not now"):
        await runner.cleanup()
    assert log == ["startup", "shutdown", "cleanup"]
    assert runner.server is None
    with pytest.raises(httpx.ConnectError):
        await text_at(url)


async def test_a_cleanup_that_is_cancelled_cleans_up() -> None:
    """Ctrl+C during the wait for a handler: asyncio.run cancels the cleanup."""
    log: list[str] = []
    entered, shut = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("handler")
        return web.Response()

    async def shut_down(app: web.Application) -> None:
        shut.set()

    app = logging_app(log)
    app.router.add_get("/wait", handler)
    app.on_shutdown.append(shut_down)
    runner = web.AppRunner(app)
    await runner.setup()
    url = await start(runner)
    async with client() as http:
        request = asyncio.create_task(http.get(f"{url}/wait"))
        await entered.wait()
        cleanup = asyncio.create_task(runner.cleanup())
        await shut.wait()
        cleanup.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cleanup
        assert log == ["startup", "shutdown", "handler", "cleanup"]
        with pytest.raises(httpx.TransportError):
            await request


async def test_the_lifespan_of_asgi_middlewares_runs_once() -> None:
    log: list[str] = []

    def observing(app: ASGIApp) -> ASGIApp:
        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            async def observed() -> Any:
                message = await receive()
                log.append(message["type"])
                return message

            await app(scope, observed if scope["type"] == "lifespan" else receive, send)

        return run

    app = saying()
    app.add_asgi_middleware(observing)
    async with running(app) as (_, url):
        assert await text_at(url) == "hello"
        assert log == ["lifespan.startup"]
    assert log == ["lifespan.startup", "lifespan.shutdown"]


async def test_background_tasks_are_waited_for_before_cleanup() -> None:
    log: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        log.append("work")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work)
        return web.Response(text="soon")

    app = logging_app(log)
    app.router.add_get("/work", handler)
    async with running(app) as (_, url):
        assert await text_at(f"{url}/work") == "soon"
    assert log == ["startup", "shutdown", "work", "cleanup"]


async def test_background_tasks_are_cancelled_after_the_timeout(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("work")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(work)
        return web.Response()

    app = logging_app(log)
    app.router.add_get("/work", handler)
    async with running(app, shutdown_timeout=0.05) as (_, url):
        await text_at(f"{url}/work")
    assert log == ["startup", "shutdown", "work", "cleanup"]
    assert "1 background tasks did not end within 0.05 s" in caplog.text


async def test_websockets_are_closed_as_going_away() -> None:
    log: list[str] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("open")
        async for _ in ws:
            pass
        log.append("handler")
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    async with running(app) as (_, url):
        ws = await connect(url.replace("http", "ws"), proxy=None)
        assert await ws.recv() == "open"
    await ws.wait_closed()
    assert ws.close_code == 1001
    assert log == ["handler"]


async def test_idle_tls_connections_do_not_hold_up_the_cleanup() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    runner = web.AppRunner(saying())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    async with client(verify=trusting) as http:
        for _ in range(2):
            assert (await http.get(site.name)).text == "hello"
        async with asyncio.timeout(PATIENCE / 2):
            await runner.cleanup()


async def test_one_application_on_two_runners() -> None:
    """It starts once; what one runner has closed, a request to the other starts again."""
    log: list[str] = []
    app = logging_app(log)
    async with running(app) as (_, url):
        async with running(app) as (_, other):
            assert [await text_at(each) for each in (url, other)] == ["hello", "hello"]
        assert log == ["startup", "shutdown", "cleanup"]
        assert await text_at(url) == "hello"
    assert log == ["startup", "shutdown", "cleanup"] * 2


async def test_no_task_is_left_when_the_cleanup_returns() -> None:
    before = asyncio.all_tasks()
    async with running(saying()) as (_, url):
        await text_at(url)
    assert asyncio.all_tasks() == before


async def test_the_first_response_has_server_and_date() -> None:
    async with running(saying()) as (_, url), client() as http:
        assert {"server", "date"} <= set((await http.get(url)).headers)


# Sites


async def test_a_site_cannot_start_after_the_cleanup() -> None:
    runner = web.AppRunner(saying())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await runner.cleanup()
    with pytest.raises(RuntimeError, match=r"runner\.setup\(\)"):
        await site.start()
    assert runner.sites == set()
    await runner.setup()
    await site.start()
    assert await text_at(site.name) == "hello"
    await runner.cleanup()


@unix_only
async def test_a_unix_path_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with running(saying()) as (runner, _):
        site = web.UnixSite(runner, path)
        await site.start()
        assert path.is_socket()
        await site.stop()
        assert not path.exists()
        await site.start()
        assert path.is_socket()
    assert not path.exists()


async def test_named_pipes_are_refused() -> None:
    async with running(saying()) as (runner, _):
        with pytest.raises(RuntimeError, match=r"uvicorn has no named pipes; use TCPSite"):
            web.NamedPipeSite(runner, r"\\.\pipe\name")


# Options


def test_an_unknown_keyword() -> None:
    with pytest.raises(TypeError, match=r"AppRunner\(\) got unexpected keyword arguments: prot"):
        web.AppRunner(saying(), prot=80)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"tcp_keepalive": False}, "SO_KEEPALIVE"),
        ({"max_line_size": 1}, "limits"),
    ],
)
@pytest.mark.parametrize("made", [web.AppRunner, web.Server])
async def test_what_uvicorn_cannot_do_is_a_warning(made: Any, options: dict[str, Any], advice: str) -> None:
    with pytest.warns(RuntimeWarning, match=advice) as caught:
        made(saying(), **options)
    assert caught[0].filename == __file__
    assert str(caught[0].message).startswith(made.__name__)


async def test_keepalive_timeout() -> None:
    async with running(saying(), keepalive_timeout=0.05) as (runner, _):
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), PATIENCE)).endswith(b"hello")
        writer.close()


async def test_uvicorns_access_logger_stays_as_it_is() -> None:
    records: list[logging.LogRecord] = []
    logger = logging.getLogger("uvicorn.access")
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    propagate = logger.propagate
    try:
        async with running(saying()) as (_, url):
            assert await text_at(url) == "hello"
        assert handler in logger.handlers
        assert logger.propagate == propagate
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    # The access log is framework.access.
    assert records == []


# web.Server


def test_only_servers() -> None:
    app: Any = saying()
    with pytest.raises(TypeError, match=r"runs a web\.Server, not <Application"):
        web.ServerRunner(app)


def test_a_servers_request_factory() -> None:
    factory: Any = web.Request
    with pytest.raises(TypeError, match="made from ASGI scopes"):
        web.Server(saying(), request_factory=factory)


async def test_a_server_of_an_application() -> None:
    log: list[str] = []
    runner = web.ServerRunner(web.Server(logging_app(log)))
    await runner.setup()
    assert await text_at(await start(runner)) == "hello"
    await runner.cleanup()
    assert log == ["startup", "shutdown", "cleanup"]


async def test_a_server_counts_over_its_runners() -> None:
    server = web.Server(saying())
    for count in (1, 2):
        runner = web.ServerRunner(server)
        await runner.setup()
        await text_at(await start(runner))
        await runner.cleanup()
        assert server.requests_count == count


async def test_a_servers_shutdown_cancels_after_its_timeout() -> None:
    entered = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        entered.set()
        await asyncio.Event().wait()
        return web.Response()

    server = web.Server(handler)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with client() as http:
        request = asyncio.create_task(http.get(f"http://127.0.0.1:{port}/"))
        await entered.wait()
        listener.close()
        await server.shutdown(0.05)
        with pytest.raises(httpx.TransportError):
            await request
    assert server.connections == []


async def test_a_shutdown_without_connections() -> None:
    server = web.Server(saying())
    server.pre_shutdown()
    await server.shutdown()
    assert server.requests_count == 0


# Processes

PROGRAM = """
    import asyncio
    from framework import web

    async def handler(request):
        if request.path == "/exit":
            raise SystemExit(3)
        return web.Response(text="hello")

    async def clean_up(app):
        print("cleaned up", flush=True)

    async def main():
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        app.on_cleanup.append(clean_up)
        runner = web.AppRunner(app, handle_signals=HANDLE)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            print("Running on", site.name)
            print("CTRL+C")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
"""
RUN = "    asyncio.run(main())\n"


def program(*, handle_signals: bool = False, run: str = RUN) -> Program:
    return Program(PROGRAM.replace("HANDLE", str(handle_signals)) + run)


def test_a_handler_that_ends_the_process() -> None:
    with program() as process:
        url = process.url()
        assert process.client.get(f"{url}/exit").status_code == 503
        assert process.finish() == 3
    assert "cleaned up" in process.lines
    assert "never retrieved" not in process.stderr()


async def test_a_handler_that_ends_the_process_during_the_cleanup() -> None:
    """The cleanup is finished first."""
    log: list[str] = []
    entered, shut = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        entered.set()
        await shut.wait()
        raise web.GracefulExit

    async def shut_down(app: web.Application) -> None:
        shut.set()

    app = logging_app(log)
    app.router.add_get("/exit", handler)
    app.on_shutdown.append(shut_down)
    runner = web.AppRunner(app)
    await runner.setup()
    url = await start(runner)
    async with client() as http:
        request = asyncio.create_task(http.get(f"{url}/exit"))
        await entered.wait()
        with pytest.raises(web.GracefulExit):
            await runner.cleanup()
        assert (await request).status_code == 503
    assert log == ["startup", "shutdown", "cleanup"]
    assert runner.server is None


def test_a_loop_without_asyncio_run() -> None:
    """`run_until_complete` and `run_forever`, as in programs older than asyncio.run."""
    run = """
    async def serve():
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        app.on_cleanup.append(clean_up)
        runner = web.AppRunner(app, handle_signals=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print("Running on", site.name)
        print("CTRL+C")
        return runner
    loop = asyncio.new_event_loop()
    runner = loop.run_until_complete(serve())
    try:
        loop.run_forever()
    except web.GracefulExit:
        print("stopped")
    finally:
        loop.run_until_complete(runner.cleanup())
        loop.close()
"""
    with program(run=run) as process:
        assert process.client.get(process.url()).text == "hello"
        process.send(signal.SIGTERM)
        assert process.finish() == 0
    assert process.lines[-2:] == ["stopped", "cleaned up"]
    assert process.stderr() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handle_signals(number: int) -> None:
    with program(handle_signals=True) as process:
        assert process.client.get(process.url()).text == "hello"
        process.send(number)
        assert process.finish() == 1
    assert "cleaned up" in process.lines


def test_ctrl_c_is_the_loops_matter() -> None:
    with program() as process:
        assert process.client.get(process.url()).text == "hello"
        process.send(signal.SIGINT)
        process.finish()
        assert "KeyboardInterrupt" in process.stderr()
    assert "cleaned up" in process.lines


def test_handle_signals_in_another_thread() -> None:
    """Refused before anything has started."""
    run = """
    import threading
    def work():
        try:
            asyncio.run(main())
        except (RuntimeError, ValueError) as exc:
            print("refused", exc)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""
    with program(handle_signals=True, run=run) as process:
        assert "main thread" in process.read_until("refused")
        assert process.finish() == 0
    assert "cleaned up" not in process.lines


def test_what_a_runner_loads() -> None:
    """uvicorn is imported when a connection needs it."""
    source = """
        import asyncio, sys
        from framework import web
        async def main():
            runner = web.AppRunner(web.Application())
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            print("uvicorn" in sys.modules)
            await runner.cleanup()
        asyncio.run(main())
    """
    with Program(source) as process:
        assert process.finish() == 0
    assert process.lines == ["False"]
