"""`AppRunner`, `ServerRunner` and their sites: an application started and stopped in a loop of the program's own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
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

from tests.contract.backends import PATIENCE, SocketBackend

unix_only = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")


@pytest.fixture
def web(socket_backend: SocketBackend) -> Any:
    """`aiohttp.web` and `framework.web` in turn."""
    return socket_backend.web


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def saying(web: Any, text: str = "hello") -> Any:
    """An application that answers every GET with `text`."""

    async def handler(request: Any) -> Any:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/", handler)
    return app


def logging_app(web: Any, log: list[str]) -> Any:
    """An application that writes down the parts of its life."""
    app = saying(web)
    for name in ("on_startup", "on_shutdown", "on_cleanup"):

        async def receiver(app: Any, name: str = name) -> None:
            log.append(name)

        getattr(app, name).append(receiver)
    return app


@contextlib.asynccontextmanager
async def running(web: Any, app: Any, **options: Any) -> AsyncIterator[Any]:
    """A runner that is set up, and cleaned up at the end."""
    runner = web.AppRunner(app, **{"access_log": None, "shutdown_timeout": PATIENCE, **options})
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


def client(**options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE, **options)


async def text_at(url: str, **options: Any) -> str:
    async with client(**options) as http:
        return (await http.get(url)).text


async def is_refused(site: Any) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


# Life


def test_nothing_before_setup(web: Any) -> None:
    app = web.Application()
    runner = web.AppRunner(app)
    assert runner.app is app
    assert runner.server is None
    assert runner.addresses == []
    assert runner.sites == set()


async def test_setup_runs_startup_and_freezes(web: Any) -> None:
    log: list[str] = []
    app = logging_app(web, log)
    async with running(web, app) as runner:
        assert log == ["on_startup"]
        assert app.frozen
        assert isinstance(runner.server, web.Server)
        assert runner.addresses == []


async def test_cleanup_runs_the_end_and_leaves_nothing(web: Any) -> None:
    log: list[str] = []
    async with running(web, logging_app(web, log)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
    assert log == ["on_startup", "on_shutdown", "on_cleanup"]
    assert (runner.server, runner.addresses, runner.sites) == (None, [], set())
    assert await is_refused(site)


async def test_cleanup_without_setup_does_nothing(web: Any) -> None:
    log: list[str] = []
    await web.AppRunner(logging_app(web, log)).cleanup()
    assert log == []


async def test_setup_after_cleanup_begins_again(web: Any) -> None:
    log: list[str] = []
    runner = web.AppRunner(logging_app(web, log), access_log=None)
    for _ in range(2):
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert await text_at(site.name) == "hello"
        await runner.cleanup()
    assert log == ["on_startup", "on_shutdown", "on_cleanup"] * 2


async def test_startup_that_fails(web: Any) -> None:
    """The program gets the exception itself, and can go on."""
    log: list[str] = []

    async def context(app: Any) -> AsyncIterator[None]:
        log.append("enter")
        yield
        log.append("leave")

    async def fail(app: Any) -> None:
        raise ValueError("no database")

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    runner = web.AppRunner(app)
    with pytest.raises(ValueError, match="no database"):
        await runner.setup()
    assert runner.server is None
    await runner.cleanup()
    assert log == ["enter", "leave"]


async def test_shutdown_that_fails(web: Any) -> None:
    async def fail(app: Any) -> None:
        raise ValueError("not now")

    app = web.Application()
    app.on_shutdown.append(fail)
    runner = web.AppRunner(app)
    await runner.setup()
    with pytest.raises(ValueError, match="not now"):
        await runner.cleanup()


@pytest.mark.parametrize("thing", [None, 42, object])
def test_only_applications(web: Any, thing: Any) -> None:
    with pytest.raises(TypeError, match=r"web\.Application"):
        web.AppRunner(thing)


async def test_base_classes_are_abstract(web: Any) -> None:
    with pytest.raises(TypeError, match="abstract"):
        web.BaseRunner()
    async with running(web, web.Application()) as runner:
        with pytest.raises(TypeError, match="abstract"):
            web.BaseSite(runner)
    assert inspect.isabstract(web.BaseRunner)
    assert inspect.isabstract(web.BaseSite)


async def test_signals_stay_as_they_are(web: Any) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await text_at(site.name)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_logging_stays_as_it_is(web: Any) -> None:
    def setup() -> list[Any]:
        loggers = [logging.getLogger(name) for name in (None, "uvicorn", "uvicorn.error", "uvicorn.access")]
        return [(logger.level, list(logger.handlers), logger.propagate, logger.disabled) for logger in loggers]

    before = setup()
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await text_at(site.name)
        assert setup() == before


async def test_no_task_is_left(web: Any) -> None:
    before = asyncio.all_tasks()
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await text_at(site.name)
    for _ in range(20):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_requests_are_logged(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "test.access")
    async with running(web, saying(web), access_log=logging.getLogger("test.access")) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await text_at(site.name)
    [record] = [record for record in caplog.records if record.name == "test.access"]
    assert '"GET / HTTP/1.1" 200' in record.getMessage()


# Sites


async def test_no_site_before_setup(web: Any) -> None:
    with pytest.raises(RuntimeError, match=r"runner\.setup\(\)"):
        web.TCPSite(web.AppRunner(web.Application()))


async def test_no_site_after_cleanup(web: Any) -> None:
    async with running(web, web.Application()) as runner:
        pass
    with pytest.raises(RuntimeError, match=r"runner\.setup\(\)"):
        web.TCPSite(runner)


async def test_a_free_port(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        assert (site.name, site.port) == ("http://127.0.0.1:0", 0)
        await site.start()
        assert site.port != 0
        assert site.name == f"http://127.0.0.1:{site.port}"
        assert runner.addresses == [("127.0.0.1", site.port)]
        assert await text_at(site.name) == "hello"


async def test_names(web: Any, server_context: ssl.SSLContext) -> None:
    async with running(web, web.Application()) as runner:
        assert web.TCPSite(runner).name == "http://0.0.0.0:8080"
        assert web.TCPSite(runner, "").name == "http://0.0.0.0:8080"
        assert web.TCPSite(runner, ssl_context=server_context).name == "https://0.0.0.0:8443"
        assert web.TCPSite(runner, "localhost", 8000).name == "http://localhost:8000"
        assert web.TCPSite(runner, "::1", 8000).name == "http://[::1]:8000"


async def test_the_port_of_the_scheme_goes_without_saying(web: Any, server_context: ssl.SSLContext) -> None:
    async with running(web, web.Application()) as runner:
        assert web.TCPSite(runner, "localhost", 80).name == "http://localhost"
        assert web.TCPSite(runner, "localhost", 443).name == "http://localhost:443"
        assert web.TCPSite(runner, "localhost", 443, ssl_context=server_context).name == "https://localhost"
        assert web.TCPSite(runner, "::1", 80).name == "http://[::1]"


async def test_all_interfaces(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, port=0)
        await site.start()
        families = {len(address) for address in runner.addresses}
        assert families <= {2, 4}
        [port] = [address[1] for address in runner.addresses if len(address) == 2]
        assert await text_at(f"http://127.0.0.1:{port}") == "hello"


async def test_several_sites(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        sites = [web.TCPSite(runner, "127.0.0.1", 0) for _ in range(3)]
        for site in sites:
            await site.start()
        assert runner.sites == set(sites)
        assert runner.addresses == [("127.0.0.1", site.port) for site in sites]
        assert [await text_at(site.name) for site in sites] == ["hello"] * 3


async def test_sites_is_a_copy(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runner.sites.clear()
        assert runner.sites == {site}


async def test_stopping_one_site(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        first, second = (web.TCPSite(runner, "127.0.0.1", 0) for _ in range(2))
        await first.start()
        await second.start()
        await first.stop()
        assert runner.sites == {second}
        assert runner.addresses == [("127.0.0.1", second.port)]
        assert await is_refused(first)
        assert await text_at(second.name) == "hello"
        assert runner.server is not None


async def test_open_connections_outlive_their_site(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with client() as http:
            await http.get(site.name)
            await site.stop()
            assert (await http.get(site.name)).text == "hello"


async def test_a_stopped_site_can_start_again(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await site.stop()
        await site.start()
        assert await text_at(site.name) == "hello"


async def test_starting_twice(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        with pytest.raises(RuntimeError, match="is already registered in runner"):
            await site.start()
        assert await text_at(site.name) == "hello"


async def test_stopping_what_was_not_started(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        with pytest.raises(RuntimeError, match="is not registered in runner"):
            await site.stop()


async def test_stopping_twice(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await site.stop()
        with pytest.raises(RuntimeError, match="is not registered in runner"):
            await site.stop()


async def test_a_port_in_use(web: Any) -> None:
    """The program learns of it; the site is the runner's until it is stopped, and the first one goes on."""
    async with running(web, saying(web)) as runner:
        first = web.TCPSite(runner, "127.0.0.1", 0)
        await first.start()
        second = web.TCPSite(runner, "127.0.0.1", first.port)
        with pytest.raises(OSError, match="address already in use") as caught:
            await second.start()
        assert caught.value.errno == errno.EADDRINUSE
        assert runner.sites == {first, second}
        assert runner.addresses == [("127.0.0.1", first.port)]
        await second.stop()
        assert await text_at(first.name) == "hello"


async def test_cleanup_after_a_start_that_failed(web: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with running(web, saying(web)) as runner:
            with pytest.raises(OSError, match="in use"):
                await web.TCPSite(runner, "127.0.0.1", taken.getsockname()[1]).start()
        assert runner.sites == set()


async def test_a_port_that_is_none(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        with pytest.raises(OverflowError, match="0-65535"):
            await web.TCPSite(runner, "127.0.0.1", 99999).start()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="the system has no SO_REUSEPORT")
async def test_reuse_port_shares_a_port(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        first = web.TCPSite(runner, "127.0.0.1", 0, reuse_port=True)
        await first.start()
        await web.TCPSite(runner, "127.0.0.1", first.port, reuse_port=True).start()
        assert runner.addresses == [("127.0.0.1", first.port)] * 2


async def test_tls_beside_plain_http(web: Any, server_context: ssl.SSLContext, authority: trustme.CA) -> None:
    async def handler(request: Any) -> Any:
        return web.Response(text=f"{request.scheme} {request.secure}")

    app = web.Application()
    app.router.add_get("/", handler)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with running(web, app) as runner:
        plain = web.TCPSite(runner, "127.0.0.1", 0)
        secure = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context)
        await plain.start()
        await secure.start()
        assert secure.name == f"https://127.0.0.1:{secure.port}"
        assert await text_at(plain.name) == "http False"
        assert await text_at(secure.name, verify=trusting) == "https True"


async def test_shutdown_timeout_of_a_site_is_deprecated(web: Any) -> None:
    """It becomes the runner's: the handler does not hold up the cleanup."""
    entered = asyncio.Event()
    log: list[str] = []

    async def handler(request: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    app = web.Application()
    app.router.add_get("/", handler)
    async with client() as http:
        async with running(web, app) as runner:
            with pytest.warns(DeprecationWarning, match="shutdown_timeout"):
                site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1)
            await site.start()
            request = asyncio.create_task(http.get(site.name))
            await entered.wait()
        assert log == ["cancelled"]
        with pytest.raises(httpx.TransportError):
            await request


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@unix_only
async def test_a_unix_site(web: Any, path: Path) -> None:
    async with running(web, saying(web)) as runner:
        site = web.UnixSite(runner, path)
        assert site.name == f"http://unix:{path}:"
        await site.start()
        assert runner.addresses == [str(path)]
        assert await text_at("http://localhost/", transport=httpx.AsyncHTTPTransport(uds=str(path))) == "hello"


@unix_only
async def test_a_unix_socket_left_behind_is_replaced(web: Any, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(path))
    async with running(web, saying(web)) as runner:
        await web.UnixSite(runner, str(path)).start()
        assert await text_at("http://localhost/", transport=httpx.AsyncHTTPTransport(uds=str(path))) == "hello"


@unix_only
async def test_a_unix_site_in_place_of_a_file(web: Any, path: Path) -> None:
    path.write_text("precious")
    async with running(web, saying(web)) as runner:
        with pytest.raises(OSError, match="already in use") as caught:
            await web.UnixSite(runner, path).start()
        assert caught.value.errno == errno.EADDRINUSE
    assert path.read_text() == "precious"


@unix_only
async def test_a_unix_site_in_no_folder(web: Any, path: Path) -> None:
    async with running(web, saying(web)) as runner:
        with pytest.raises(FileNotFoundError):
            await web.UnixSite(runner, path / "socket").start()


async def test_a_socket_of_ones_own(web: Any) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    async with running(web, saying(web)) as runner:
        site = web.SockSite(runner, sock)
        assert site.name == f"http://127.0.0.1:{sock.getsockname()[1]}"
        await site.start()
        assert runner.addresses == [sock.getsockname()]
        assert await text_at(site.name) == "hello"
    assert sock.fileno() == -1


@unix_only
async def test_a_unix_socket_of_ones_own(web: Any, path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    async with running(web, saying(web)) as runner:
        site = web.SockSite(runner, sock)
        assert site.name == f"http://unix:{path}:"
        await site.start()
        assert await text_at("http://localhost/", transport=httpx.AsyncHTTPTransport(uds=str(path))) == "hello"


async def test_a_socket_of_datagrams(web: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        async with running(web, saying(web)) as runner:
            with pytest.raises(ValueError, match="Stream Socket"):
                await web.SockSite(runner, sock).start()


async def test_a_closed_socket(web: Any) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    async with running(web, saying(web)) as runner:
        site = web.SockSite(runner, sock)
        sock.close()
        with pytest.raises(OSError, match=r"Bad file descriptor|bad file descriptor"):
            await site.start()


# Several runners


async def test_several_runners_in_one_loop(web: Any) -> None:
    async with running(web, saying(web, "one")) as first, running(web, saying(web, "two")) as second:
        sites = [web.TCPSite(runner, "127.0.0.1", 0) for runner in (first, second)]
        for site in sites:
            await site.start()
        assert [await text_at(site.name) for site in sites] == ["one", "two"]
        assert (first.sites, second.sites) == ({sites[0]}, {sites[1]})
        await first.cleanup()
        assert await is_refused(sites[0])
        assert await text_at(sites[1].name) == "two"


# The order of a shutdown


async def test_on_shutdown_runs_while_requests_are_open(web: Any) -> None:
    """Listening has ended by then; the request that was there gets its response, and cleanup waits for it."""
    log: list[str] = []
    entered, released = asyncio.Event(), asyncio.Event()

    async def handler(request: Any) -> Any:
        entered.set()
        await released.wait()
        log.append("answered")
        return web.Response(text="late")

    async def shut_down(app: Any) -> None:
        log.append("refused" if await is_refused(site) else "listening")
        released.set()

    async def clean_up(app: Any) -> None:
        log.append("cleanup")

    app = web.Application()
    app.router.add_get("/", handler)
    app.on_shutdown.append(shut_down)
    app.on_cleanup.append(clean_up)
    async with client() as http:
        async with running(web, app) as runner:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            request = asyncio.create_task(http.get(site.name))
            await entered.wait()
        assert (await request).text == "late"
    assert log == ["refused", "answered", "cleanup"]


async def test_handlers_are_cancelled_before_cleanup(web: Any) -> None:
    log: list[str] = []
    entered = asyncio.Event()

    async def handler(request: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("handler")

    async def clean_up(app: Any) -> None:
        log.append("cleanup")

    app = web.Application()
    app.router.add_get("/", handler)
    app.on_cleanup.append(clean_up)
    async with client() as http:
        async with running(web, app, shutdown_timeout=0.1) as runner:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            request = asyncio.create_task(http.get(site.name))
            await entered.wait()
        with pytest.raises(httpx.TransportError):
            await request
    assert log == ["handler", "cleanup"]


async def test_idle_connections_are_closed(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"hello")
        assert len(runner.server.connections) == 1
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()


async def test_websockets_closed_by_on_shutdown(web: Any) -> None:
    log: list[Any] = []
    opened: list[Any] = []

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        opened.append(ws)
        async for _ in ws:
            pass
        log.append("handler")
        return ws

    async def shut_down(app: Any) -> None:
        for ws in opened:
            await ws.close(code=1001, message=b"until tomorrow")

    app = web.Application()
    app.router.add_get("/", handler)
    app.on_shutdown.append(shut_down)
    async with running(web, app) as runner:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ws = await connect(f"ws://127.0.0.1:{site.port}/", proxy=None)
        while not opened:
            await asyncio.sleep(0.01)
    await ws.wait_closed()
    assert (ws.close_code, ws.close_reason) == (1001, "until tomorrow")
    assert log == ["handler"]


# web.Server


@contextlib.asynccontextmanager
async def serving(web: Any, handler: Any) -> AsyncIterator[tuple[Any, str]]:
    """A server run by `ServerRunner`, and its URL."""
    server = web.Server(handler, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        assert runner.server is server
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield server, site.name
    finally:
        await runner.cleanup()
        assert runner.server is None


@pytest.mark.parametrize(("method", "target"), [("GET", "/"), ("POST", "/a/b?c=d"), ("PURGE", "/%20")])
async def test_a_server_gives_every_request_to_its_handler(web: Any, method: str, target: str) -> None:
    async def handler(request: Any) -> Any:
        assert isinstance(request, web.BaseRequest)
        return web.Response(text=f"{request.method} {request.path_qs} {await request.text()}")

    async with serving(web, handler) as (server, url), client() as http:
        response = await http.request(method, url + target, content=b"body")
    assert response.text == f"{method} {target} body"
    assert server.requests_count == 1
    assert server.request_handler is handler


async def test_what_a_servers_handler_raises(web: Any) -> None:
    async def handler(request: Any) -> Any:
        if request.path == "/teapot":
            raise web.HTTPConflict(text="short and stout")
        raise ValueError

    async with serving(web, handler) as (_, url), client() as http:
        response = await http.get(url + "/teapot")
        assert (response.status_code, response.text) == (409, "short and stout")
        assert (await http.get(url + "/")).status_code == 500


async def test_a_server_knows_its_connections(web: Any) -> None:
    async def handler(request: Any) -> Any:
        return web.Response(text=str(len(server.connections)))

    async with serving(web, handler) as (server, url):
        assert server.connections == []
        assert await text_at(url) == "1"


async def test_a_server_makes_protocols(web: Any) -> None:
    """What `loop.create_server` takes, for programs that listen by themselves."""

    async def handler(request: Any) -> Any:
        return web.Response(text="by hand")

    server = web.Server(handler, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    assert await text_at(f"http://127.0.0.1:{port}/any") == "by hand"
    listener.close()
    server.pre_shutdown()
    await server.shutdown(PATIENCE)
    assert server.connections == []


async def test_a_runners_server_makes_protocols(web: Any) -> None:
    async with running(web, saying(web)) as runner:
        listener = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        assert await text_at(f"http://127.0.0.1:{port}/") == "hello"
        listener.close()


# Subclasses


async def test_a_runner_of_ones_own(web: Any) -> None:
    log: list[str] = []

    async def handler(request: Any) -> Any:
        return web.Response(text="own")

    class Runner(web.BaseRunner):  # type: ignore[misc]
        async def _make_server(self) -> Any:
            log.append("make")
            return web.Server(handler, access_log=None)

        async def shutdown(self) -> None:
            log.append("shutdown")

        async def _cleanup_server(self) -> None:
            log.append("cleanup")

    runner = Runner()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert await text_at(site.name) == "own"
    await runner.cleanup()
    assert log == ["make", "shutdown", "cleanup"]


async def test_a_runner_that_does_more_at_the_shutdown(web: Any) -> None:
    log: list[str] = []

    class Runner(web.AppRunner):  # type: ignore[misc]
        async def shutdown(self) -> None:
            log.append("before")
            await super().shutdown()

    runner = Runner(logging_app(web, log))
    await runner.setup()
    await runner.cleanup()
    assert log == ["on_startup", "before", "on_shutdown", "on_cleanup"]


async def test_a_site_of_ones_own(web: Any) -> None:
    class Site(web.BaseSite):  # type: ignore[misc]
        @property
        def name(self) -> str:
            return "localhost"

        async def start(self) -> None:
            await super().start()
            self._server = await asyncio.get_running_loop().create_server(self._runner.server, "127.0.0.1", 0)

    async with running(web, saying(web)) as runner:
        site = Site(runner)
        await site.start()
        [(host, port)] = runner.addresses
        assert await text_at(f"http://{host}:{port}/") == "hello"
        await site.stop()
        assert runner.addresses == []
