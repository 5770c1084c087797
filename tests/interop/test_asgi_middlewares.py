"""ASGI middlewares of others around an application, put there by `add_asgi_middleware`."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from framework import testing, web
from tests.driver import Driver
from tests.interop.packages import needs


def client(app: web.Application, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://example")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello " * 100)


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(3):
        await response.write(b"piece" * 100)
    return response


async def compressed(request: web.Request) -> web.Response:
    response = web.Response(text="hello " * 100)
    response.enable_compression(web.ContentCoding.deflate)
    return response


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await ws.send_str(await ws.receive_str())
    return ws


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/stream", stream)
    app.router.add_get("/compressed", compressed)
    app.router.add_get("/ws", echo)
    return app


async def test_cors() -> None:
    app = make_app()
    app.add_asgi_middleware(
        needs("starlette.middleware.cors").CORSMiddleware, allow_origins=["https://a.example"], allow_methods=["PUT"]
    )
    origin = {"Origin": "https://a.example"}
    async with app, client(app) as http:
        preflight = await http.options("/", headers={**origin, "Access-Control-Request-Method": "PUT"})
        refused = await http.options("/", headers={"Origin": "https://b", "Access-Control-Request-Method": "PUT"})
        simple = await http.get("/", headers=origin)
        missing = await http.get("/missing", headers=origin)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, "https://a.example")
    assert refused.status_code == 400
    # Errors of ours have the headers as well: without them a browser would hide the status from its page.
    assert (missing.status_code, missing.headers["Access-Control-Allow-Origin"]) == (404, "https://a.example")
    assert simple.headers["Access-Control-Allow-Origin"] == "https://a.example"


async def test_gzip() -> None:
    app = make_app()
    app.add_asgi_middleware(needs("starlette.middleware.gzip").GZipMiddleware, minimum_size=100)
    async with app, client(app) as http:
        for path, text in (("/", "hello " * 100), ("/stream", "piece" * 300)):
            answer = await http.get(path, headers={"Accept-Encoding": "gzip"})
            assert (answer.headers["Content-Encoding"], answer.text) == ("gzip", text)
        # Compressed once only.
        answer = await http.get("/compressed", headers={"Accept-Encoding": "gzip, deflate"})
        assert (answer.headers["Content-Encoding"], answer.text) == ("deflate", "hello " * 100)


async def test_gzip_hands_on_each_event_of_a_stream() -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("one")
            await request.wait_for_disconnection()
        return response

    app = web.Application()
    app.router.add_get("/", events)
    app.add_asgi_middleware(needs("starlette.middleware.gzip").GZipMiddleware)
    driver = Driver.http(app, headers=[(b"accept-encoding", b"gzip")])
    driver.start()
    await driver.until_sent(2)
    # Event streams are left as they are.
    assert b"content-encoding" not in driver.headers
    assert driver.body.startswith(b"data: one")
    driver.disconnect()
    await driver.run()


async def test_sessions() -> None:
    needs("itsdangerous")

    async def count(request: web.Request) -> web.Response:
        session = request.scope["session"]
        session["visits"] = session.get("visits", 0) + 1
        return web.json_response(session)

    app = web.Application()
    app.router.add_get("/", count)
    app.add_asgi_middleware(needs("starlette.middleware.sessions").SessionMiddleware, secret_key="secret")
    async with app, client(app) as http:
        assert [(await http.get("/")).json()["visits"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(("host", "status"), [("example", 200), ("evil.example", 400)])
async def test_trusted_hosts(host: str, status: int) -> None:
    app = make_app()
    app.add_asgi_middleware(needs("starlette.middleware.trustedhost").TrustedHostMiddleware, allowed_hosts=["example"])
    async with app, client(app) as http:
        assert (await http.get("/", headers={"Host": host})).status_code == status


async def test_starlettes_middlewares_of_requests() -> None:
    """`BaseHTTPMiddleware`, which runs the application in a task of its own and hands its messages on."""

    async def dispatch(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["X-Seen"] = request.url.path
        return response

    app = make_app()
    app.add_asgi_middleware(needs("starlette.middleware.base").BaseHTTPMiddleware, dispatch=dispatch)
    async with app, client(app) as http:
        for path, size in (("/", 600), ("/stream", 1500)):
            answer = await http.get(path)
            assert (answer.headers["X-Seen"], len(answer.content)) == (path, size)
        async with testing.websocket(app, "/ws") as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello"


async def test_correlation_ids(caplog: pytest.LogCaptureFixture) -> None:
    correlation = needs("asgi_correlation_id")
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(correlation.correlation_id.get())
        logging.getLogger("program").warning("at work")
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    app.add_asgi_middleware(correlation.CorrelationIdMiddleware)
    caplog.handler.addFilter(correlation.CorrelationIdFilter())
    async with app, client(app) as http:
        given = await http.get("/", headers={"X-Request-ID": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"})
        made = await http.get("/")
    assert seen == [given.headers["X-Request-ID"], made.headers["X-Request-ID"]]
    assert [vars(record)["correlation_id"] for record in caplog.records if record.name == "program"] == seen


async def test_proxy_headers() -> None:
    """uvicorn's middleware, for those whose server does not do it: `run_app` believes no forwarded address."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.url} {request.remote}")

    app = web.Application()
    app.router.add_get("/", handler)
    app.add_asgi_middleware(
        needs("uvicorn.middleware.proxy_headers").ProxyHeadersMiddleware, trusted_hosts=["10.0.0.1"]
    )
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    async with app:
        async with client(app, client=("10.0.0.1", 1)) as http:
            assert (await http.get("/", headers=headers)).text == "https://example/ 192.0.2.7"
        async with client(app, client=("10.0.0.2", 1)) as http:
            assert (await http.get("/", headers=headers)).text == "http://example/ 10.0.0.2"


async def test_around_what_is_mounted() -> None:
    """A middleware around one mounted application only is an ASGI application itself."""
    gzip = needs("starlette.middleware.gzip").GZipMiddleware
    inner, outer = make_app(), web.Application()
    outer.mount("/in", gzip(inner, minimum_size=100))
    async with outer, client(outer) as http:
        assert inner.started
        answer = await http.get("/in/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert not inner.started
