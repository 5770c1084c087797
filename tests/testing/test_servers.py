"""The live server."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from pathlib import Path

import httpx
import pytest
import trustme

from framework import testing, web
from framework.typedefs import Receive, Scope, Send


def make_app(events: list[str]) -> web.Application:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.scheme} {request.scope['state']}")

    async def note(app: web.Application) -> None:
        events.append("shutdown")

    app = web.Application()
    app.router.add_get("/", hello)
    app.on_shutdown.append(note)
    return app


async def test_it_serves_in_the_tests_own_loop() -> None:
    events: list[str] = []
    app = make_app(events)
    async with testing.server(app, state={"a": 1}) as live, httpx.AsyncClient(trust_env=False) as client:
        assert str(live) == live.url == f"http://127.0.0.1:{live.port}"
        assert (live.app, live.state) == (app, {"a": 1})
        response = await client.get(live.url)
        assert response.text == "http {'a': 1}"
        assert {"date", "server"} <= set(response.headers)
        assert events == []
    assert events == ["shutdown"]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(live.host, live.port)


async def test_a_client_that_blocks() -> None:
    async with testing.server(make_app([])) as live:

        def fetch() -> bytes:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(live.url) as response:
                body: bytes = response.read()
                return body

        assert await asyncio.to_thread(fetch) == b"http {}"


async def test_https(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        testing.server(make_app([]), ssl_context=context) as live,
        httpx.AsyncClient(verify=trusting, trust_env=False) as client,
    ):
        assert live.scheme == "https"
        assert (await client.get(live.url)).text == "https {}"


async def test_a_startup_that_fails_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def connect(app: web.Application) -> None:
        raise ConnectionRefusedError("no database")

    app = web.Application()
    app.on_startup.append(connect)
    with pytest.raises(ConnectionRefusedError, match="no database"):
        async with testing.server(app):
            raise AssertionError("not reached")


async def test_another_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with testing.server(app) as live, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(live.url)).status_code == 204
