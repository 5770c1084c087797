"""The access log: formats, records, and classes of the program's own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import httpx
import pytest

import framework.web
from tests.contract.backends import PATIENCE

LOGGER = logging.getLogger("tests.contract.access")

#: All that can be compared: what `%b` counts is in docs/differences.md.
EVERYTHING = '%a|%t|%P|%r|%s|%T|%Tf|%D|%{X-Asked}i|%{User-Agent}i|%{Nothing}i|%{Content-Type}o|%{Nothing}o|"%z"'

MARK = {web: web.RequestKey("mark", str) for web in (aiohttp.web, framework.web)}


@pytest.fixture(params=[aiohttp.web, framework.web], ids=["aiohttp", "framework"])
def web(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextlib.asynccontextmanager
async def serving(web: Any, app: Any, **options: Any) -> AsyncIterator[str]:
    """The base URL of a runner's site."""
    runner = web.AppRunner(app, **{"access_log": LOGGER, "shutdown_timeout": PATIENCE, **options})
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def client(base_url: str) -> httpx.AsyncClient:
    headers = {"User-Agent": "tester/1.0"}
    return httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False, timeout=PATIENCE)


def saying(web: Any, text: str = "hello") -> Any:
    async def handler(request: Any) -> Any:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/", handler)
    app.router.add_get("/users/{id}", handler)
    return app


async def record_of(
    web: Any, caplog: pytest.LogCaptureFixture, path: str = "/", headers: Any = None, **options: Any
) -> Any:
    """The one record that a GET leaves."""
    caplog.set_level(logging.INFO, LOGGER.name)
    async with serving(web, saying(web), **options) as url, client(url) as http:
        await http.get(path, headers=headers)
    [record] = [record for record in caplog.records if record.name == LOGGER.name]
    return record


class Noting:
    """Makes access log classes that write down what they are told."""

    def __init__(self, web: Any) -> None:
        noted = self.noted = []  # type: list[tuple[Any, Any, float]]
        made = self.made = []  # type: list[tuple[logging.Logger, str]]

        class Noted(web.AbstractAccessLogger):  # type: ignore[misc]
            def __init__(self, logger: logging.Logger, log_format: str) -> None:
                super().__init__(logger, log_format)
                made.append((logger, log_format))

            def log(self, request: Any, response: Any, time: float) -> None:
                noted.append((request, response, time))

        self.cls = Noted


# Formats


async def test_the_default_format(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    record = await record_of(web, caplog, "/users/7?a=%20b", {"Referer": "https://a.example/"})
    pattern = (
        r"127\.0\.0\.1 \[\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /users/7\?a=%20b HTTP/1.1" 200 \d+ "https://a.example/" "tester/1.0"'
    )
    assert re.fullmatch(pattern, record.getMessage())
    assert record.levelno == logging.INFO
    assert record.args == ()


async def test_every_atom(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    record = await record_of(web, caplog, headers={"X-Asked": "this"}, access_log_format=EVERYTHING)
    address, begun, process, line, status, seconds, fraction, micro, *headers = record.getMessage().split("|")
    assert (address, process, line, status, seconds) == ("127.0.0.1", f"<{os.getpid()}>", "GET / HTTP/1.1", "200", "0")
    assert re.fullmatch(r"\[.{26}\]", begun)
    assert re.fullmatch(r"0\.\d{6}", fraction)
    assert re.fullmatch(r"\d+", micro)
    assert headers == ["this", "tester/1.0", "-", "text/plain; charset=utf-8", "-", '"%z"']


async def test_the_values_are_attributes_of_the_record(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    record = await record_of(web, caplog, headers={"X-Asked": "this"}, access_log_format=EVERYTHING)
    assert (record.remote_address, record.first_request_line) == ("127.0.0.1", "GET / HTTP/1.1")
    assert (record.response_status, record.process_id) == (200, f"<{os.getpid()}>")
    assert [type(value) for value in (record.request_time, record.request_time_frac, record.request_time_micro)] == [
        str,
        str,
        str,
    ]
    assert record.request_header == {"X-Asked": "this", "User-Agent": "tester/1.0", "Nothing": "-"}
    assert record.response_header == {"Content-Type": "text/plain; charset=utf-8", "Nothing": "-"}
    assert record.request_start_time.startswith("[")


@pytest.mark.parametrize(
    "text",
    ["", "no atoms", "100%", "%z", "%5s %>s", "%d", "%{}i", "%{a b}i", "%{X}t", "%(levelname)s {} {0}", "é ü", "%x%"],
)
async def test_other_text_stays_as_it_is(web: Any, caplog: pytest.LogCaptureFixture, text: str) -> None:
    record = await record_of(web, caplog, access_log_format=f"{text}|%s")
    assert record.getMessage() == f"{text}|200"


@pytest.mark.parametrize(("text", "line"), [("%Ts", "0s"), ("%s%s", "200200"), ("%sx%{Nothing}i%%"[:-2], "200x-")])
async def test_atoms_side_by_side(web: Any, caplog: pytest.LogCaptureFixture, text: str, line: str) -> None:
    record = await record_of(web, caplog, access_log_format=text)
    assert record.getMessage() == line


def test_the_environment_is_refused(web: Any) -> None:
    with pytest.raises(KeyError, match="e"):
        web.AccessLogger(LOGGER, "%s %{HOME}e")


async def test_the_first_header_of_several(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    headers = [("X-Asked", "one"), ("X-Asked", "two")]
    record = await record_of(web, caplog, headers=headers, access_log_format="%{x-asked}i")
    assert record.getMessage() == "one"
    assert record.request_header == {"x-asked": "one"}


def test_what_it_is_made_of(web: Any) -> None:
    log = web.AccessLogger(LOGGER)
    assert isinstance(log, web.AbstractAccessLogger)
    assert (log.logger, log.LOG_FORMAT) == (LOGGER, '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"')


def test_enabled_follows_the_logger(web: Any) -> None:
    logger = LOGGER.getChild("of_its_own")
    logger.setLevel(logging.WARNING)
    log = web.AccessLogger(logger)
    assert not log.enabled
    logger.setLevel(logging.INFO)
    assert log.enabled


# Whether anything is logged


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
async def test_the_level_of_the_logger(web: Any, caplog: pytest.LogCaptureFixture, level: int) -> None:
    caplog.set_level(level, LOGGER.name)
    async with serving(web, saying(web)) as url, client(url) as http:
        await http.get("/")
    assert len([record for record in caplog.records if record.name == LOGGER.name]) == (level == logging.INFO)


async def test_a_class_that_is_not_enabled(web: Any) -> None:
    noting = Noting(web)

    class Silent(noting.cls):  # type: ignore[name-defined,misc]
        @property
        def enabled(self) -> bool:
            return False

    async with serving(web, saying(web), access_log_class=Silent) as url, client(url) as http:
        assert (await http.get("/")).text == "hello"
    assert noting.noted == []


# Classes


async def test_a_class_gets_logger_and_format(web: Any) -> None:
    noting = Noting(web)
    options = {"access_log_class": noting.cls, "access_log_format": "what % you like"}
    async with serving(web, saying(web), **options) as url, client(url) as http:
        await http.get("/")
    assert noting.made[0] == (LOGGER, "what % you like")


@pytest.mark.parametrize("cls", [object, logging.Logger])
async def test_what_is_no_access_logger(web: Any, cls: type) -> None:
    with pytest.raises(TypeError, match=r"access_log_class must be (a )?subclass of"):
        await web.AppRunner(saying(web), access_log_class=cls).setup()


def test_the_abstract_class_cannot_be_made(web: Any) -> None:
    with pytest.raises(TypeError, match="abstract"):
        web.AbstractAccessLogger(LOGGER, "")


def answering_app(web: Any, tmp_path: Path) -> Any:
    """An application with an answer of every kind."""
    (tmp_path / "file.txt").write_text("of a file", encoding="utf-8")

    @web.middleware  # type: ignore[untyped-decorator]
    async def mark(request: Any, handler: Any) -> Any:
        request[MARK[web]] = "middleware"
        return await handler(request)

    async def plain(request: Any) -> Any:
        request[MARK[web]] += " and handler"
        return web.Response(text="hello", headers={"X-Answer": "42"})

    async def created(request: Any) -> Any:
        return web.json_response({}, status=201)

    async def forbidden(request: Any) -> Any:
        raise web.HTTPForbidden(text="no")

    async def redirect(request: Any) -> Any:
        raise web.HTTPFound("/plain")

    async def failing(request: Any) -> Any:
        raise ZeroDivisionError

    async def nothing(request: Any) -> Any:
        return None

    async def streamed(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"abc")
        return response

    async def file(request: Any) -> Any:
        return web.FileResponse(tmp_path / "file.txt")

    app = web.Application(middlewares=[mark])
    for handler in (plain, created, forbidden, redirect, failing, nothing, streamed, file):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_get("/users/{id}", plain)
    return app


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/plain", 200, "Response"),
        ("/created", 201, "Response"),
        ("/users/7", 200, "Response"),
        ("/missing", 404, "HTTPNotFound"),
        ("/forbidden", 403, "HTTPForbidden"),
        ("/redirect", 302, "HTTPFound"),
        ("/failing", 500, "StreamResponse"),
        ("/nothing", 500, "StreamResponse"),
        ("/streamed", 200, "StreamResponse"),
        ("/file", 200, "FileResponse"),
    ],
)
async def test_a_class_gets_request_and_response(web: Any, tmp_path: Path, path: str, status: int, kind: str) -> None:
    noting = Noting(web)
    async with serving(web, answering_app(web, tmp_path), access_log_class=noting.cls) as url, client(url) as http:
        answer = await http.get(path)
    [(request, response, time)] = noting.noted
    assert (request.method, request.path, request[MARK[web]].split()[0]) == ("GET", path, "middleware")
    assert (request.remote, request.headers["User-Agent"]) == ("127.0.0.1", "tester/1.0")
    assert isinstance(request, web.Request)
    assert isinstance(response, getattr(web, kind))
    assert response.status == answer.status_code == status
    assert response.prepared
    assert response.headers["Content-Type"] == answer.headers["Content-Type"]
    assert response.headers.get("Content-Length") == answer.headers.get("Content-Length")
    assert response.body_length >= len(answer.content)
    assert type(time) is float


async def test_what_handlers_have_put_into_the_request(web: Any, tmp_path: Path) -> None:
    noting = Noting(web)
    async with serving(web, answering_app(web, tmp_path), access_log_class=noting.cls) as url, client(url) as http:
        await http.get("/users/7?a=b")
    [(request, response, _)] = noting.noted
    assert (request.match_info["id"], request.query["a"]) == ("7", "b")
    assert request[MARK[web]] == "middleware and handler"
    assert request.match_info.route.resource.canonical == "/users/{id}"
    assert response.headers["X-Answer"] == "42"


async def test_a_wrong_method(web: Any, tmp_path: Path) -> None:
    noting = Noting(web)
    async with serving(web, answering_app(web, tmp_path), access_log_class=noting.cls) as url, client(url) as http:
        await http.post("/plain")
    [(request, response, _)] = noting.noted
    assert (request.method, response.status, response.headers["Allow"]) == ("POST", 405, "GET,HEAD")


async def test_a_websocket_is_logged_when_it_ends(web: Any) -> None:
    async def echo(request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            request[MARK[web]] = message.data
            await socket.send_str(message.data)
        return socket

    noting = Noting(web)
    app = web.Application()
    app.router.add_get("/", echo)
    async with (
        serving(web, app, access_log_class=noting.cls) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url) as socket,
    ):
        await socket.send_str("hi")
        assert await socket.receive_str() == "hi"
        assert noting.noted == []
    [(request, response, _)] = noting.noted
    assert isinstance(response, web.WebSocketResponse)
    assert (request.method, request[MARK[web]], response.status, response.close_code) == ("GET", "hi", 101, 1000)


async def test_a_client_that_left_before_the_answer(web: Any) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def handler(request: Any) -> Any:
        asked.set()
        await answered.wait()
        return web.Response(text="for nobody")

    noting = Noting(web)
    app = web.Application()
    app.router.add_get("/", handler)
    async with serving(web, app, access_log_class=noting.cls) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        await asked.wait()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0)
        answered.set()
    [(request, response, _)] = noting.noted
    assert (request.path, response.status) == ("/", 200)


async def test_a_subclass_of_access_logger(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Skipping(web.AccessLogger):  # type: ignore[misc]
        def log(self, request: Any, response: Any, time: float) -> None:
            if request.path != "/health":
                super().log(request, response, time)

    caplog.set_level(logging.INFO, LOGGER.name)
    options = {"access_log_class": Skipping, "access_log_format": "%r %s %{Content-Length}o"}
    async with serving(web, saying(web), **options) as url, client(url) as http:
        await http.get("/health")
        await http.get("/users/7")
    [record] = [record for record in caplog.records if record.name == LOGGER.name]
    assert record.getMessage() == "GET /users/7 HTTP/1.1 200 5"


async def test_a_server_without_routes(web: Any) -> None:
    async def handler(request: Any) -> Any:
        return web.Response(text="any path")

    noting = Noting(web)
    runner = web.ServerRunner(web.Server(handler, access_log=LOGGER, access_log_class=noting.cls))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client("http://{}:{}".format(*runner.addresses[0])) as http:
            await http.get("/anywhere")
    finally:
        await runner.cleanup()
    [(request, response, _)] = noting.noted
    assert (request.path, response.status) == ("/anywhere", 200)
