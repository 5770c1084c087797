"""What a handler that fails, or returns no response, answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest

from tests.contract.asking import ask
from tests.contract.backends import Backend, SocketBackend, exchange

PLAIN = "500 Internal Server Error\n\nServer got itself in trouble"


def raising(error: BaseException | type[BaseException]) -> Any:
    async def handler(request: Any) -> Any:
        raise error

    return handler


def returning(value: Any) -> Any:
    async def handler(request: Any) -> Any:
        return value

    return handler


@pytest.mark.parametrize(
    "error",
    [ValueError("secret"), KeyError("secret"), ZeroDivisionError, ConnectionResetError("secret"), ValueError("\udcff")],
    ids=["ValueError", "KeyError", "a class", "OSError", "surrogate"],
)
async def test_exception_is_a_500(backend: Backend, error: Any) -> None:
    response = await ask(backend, raising(error))
    assert (response.status_code, response.text) == (500, PLAIN)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Length"] == str(len(PLAIN))


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"])
async def test_exception_as_html(backend: Backend, accept: str) -> None:
    response = await ask(backend, raising(ValueError("secret")), headers={"Accept": accept})
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>500 Internal Server Error</h1>" in response.text
    assert "Server got itself in trouble" in response.text
    assert "secret" not in response.text


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json", "text/*"])
async def test_exception_as_plain_text(backend: Backend, accept: str) -> None:
    response = await ask(backend, raising(ValueError("secret")), headers={"Accept": accept})
    assert response.text == PLAIN


async def test_exception_for_head(backend: Backend) -> None:
    response = await ask(backend, raising(ValueError), "HEAD")
    assert (response.status_code, response.content) == (500, b"")


async def test_exception_is_logged_with_its_traceback(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    await ask(backend, raising(ValueError("the reason")))
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage().startswith("Error handling request")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the reason"


async def test_http_exception_is_not_logged(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="aiohttp")
    caplog.set_level(logging.WARNING, logger="framework")
    await ask(backend, raising(backend.web.HTTPInternalServerError()))
    assert [record for record in caplog.records if record.exc_info] == []


async def test_application_serves_on_after_an_exception(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        if request.path == "/bad":
            raise ValueError
        return web.Response(text="good")

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with backend.client(app) as client:
        statuses = [(await client.get(path)).status_code for path in ("/good", "/bad", "/good")]
    assert statuses == [200, 500, 200]


@pytest.mark.parametrize(
    "value", [None, "text", b"bytes", {"a": 1}, 1, object(), ValueError()], ids=lambda value: type(value).__name__
)
async def test_handler_that_returns_no_response(backend: Backend, value: Any) -> None:
    response = await ask(backend, returning(value))
    assert response.status_code == 500
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "500" in response.text


async def test_handler_without_return_is_named_in_the_log(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    await ask(backend, returning(None))
    assert any("return" in record.getMessage() or "return" in str(record.exc_info) for record in caplog.records)


async def test_timeout_is_a_504(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        async with asyncio.timeout(0):
            await asyncio.sleep(10)

    response = await ask(backend, handler)
    assert (response.status_code, response.content) == (504, b"")


async def test_loop_in_debug_mode_shows_the_traceback(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "get_debug", lambda: True)
    plain = await ask(backend, raising(ValueError("<secret>")))
    html = await ask(backend, raising(ValueError("<secret>")), headers={"Accept": "text/html"})
    assert plain.status_code == html.status_code == 500
    assert plain.text.startswith("500 Internal Server Error\n\nTraceback (most recent call last):")
    assert "ValueError: <secret>" in plain.text
    # The pages have this in common: framework's tells more than the traceback.
    assert "500 Internal Server Error" in html.text
    assert "Traceback (most recent call last):" in html.text
    assert "ValueError: &lt;secret&gt;" in html.text


async def test_exception_after_the_response_was_ended(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"done")
        raise ValueError

    response = await ask(backend, handler)
    assert (response.status_code, response.content) == (200, b"done")


async def test_exception_after_prepare_breaks_the_connection(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise ValueError

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.client(app) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")


async def test_exception_after_prepare_sends_no_second_head(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise ValueError

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert received.count(b"HTTP/1.1") == 1
    assert b"trouble" not in received


async def test_exception_while_the_body_is_iterated(socket_backend: SocketBackend) -> None:
    async def broken() -> Any:
        yield b"part"
        raise ValueError

    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(body=broken())

    with pytest.raises(httpx.RemoteProtocolError):
        await ask(socket_backend, handler)


async def test_stream_that_was_ended_and_not_returned(backend: Backend) -> None:
    async def handler(request: Any) -> None:
        response = backend.web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"done")

    response = await ask(backend, handler)
    assert (response.status_code, response.content) == (200, b"done")


async def test_another_response_after_an_ended_one_is_not_sent(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"first")
        return web.Response(text="second")

    assert (await ask(backend, handler)).content == b"first"


async def test_404_and_405_of_the_router(backend: Backend) -> None:
    web = backend.web
    app = web.Application()
    app.router.add_get("/a", returning(None))
    app.router.add_put("/a", returning(None))
    async with backend.client(app) as client:
        missing = await client.get("/b")
        wrong = await client.post("/a")
        options = await client.options("/a")
    assert (missing.status_code, missing.text) == (404, "404: Not Found")
    assert missing.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert missing.headers["Content-Length"] == "14"
    for response in (wrong, options):
        assert (response.status_code, response.text) == (405, "405: Method Not Allowed")
        assert response.headers["Allow"] == "GET,HEAD,PUT"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_404_for_head(backend: Backend) -> None:
    async with backend.client(backend.web.Application()) as client:
        response = await client.head("/")
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["Content-Length"] == "14"


async def test_404_reads_no_body(backend: Backend) -> None:
    async with backend.client(backend.web.Application()) as client:
        assert (await client.post("/", content=b"x" * 100_000)).status_code == 404
        assert (await client.get("/")).status_code == 404
