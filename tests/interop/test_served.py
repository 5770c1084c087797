"""Mounts and ASGI middlewares under uvicorn, which starts them, and asks for them below a prefix."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn

from framework import web
from tests.interop.packages import needs

applications = needs("starlette.applications")
responses = needs("starlette.responses")
routing = needs("starlette.routing")
gzip = needs("starlette.middleware.gzip")


@contextlib.asynccontextmanager
async def served(app: web.Application, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``app`` under uvicorn, as its command would run it with ``options``."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", **options)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        task = asyncio.ensure_future(server.serve([listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
            yield client
        server.should_exit = True
        await asyncio.wait_for(task, 10)
    assert config.interface == "asgi3"


def make_app(events: list[str]) -> web.Application:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        events.append("startup")
        yield {"database": "open"}
        events.append("shutdown")

    async def item(request: Any) -> Any:
        state = request.state.database
        return responses.JSONResponse({"url": str(request.url_for("item", id=8)), "state": state, "fill": "x" * 500})

    app = web.Application()
    app.mount("/star", applications.Starlette(routes=[routing.Route("/{id}", item, name="item")], lifespan=lifespan))
    app.add_asgi_middleware(gzip.GZipMiddleware)
    return app


async def test_below_a_root_path_and_behind_a_proxy() -> None:
    events: list[str] = []
    options: dict[str, Any] = {"root_path": "/app", "proxy_headers": True, "forwarded_allow_ips": "127.0.0.1"}
    async with served(make_app(events), **options) as client:
        assert events == ["startup"]
        headers = {"Host": "example.com", "X-Forwarded-Proto": "https"}
        answer = await client.get("/star/7", headers=headers)
        missing = await client.get("/other", headers=headers)
    assert (answer.json()["url"], answer.json()["state"]) == ("https://example.com/app/star/8", "open")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert missing.status_code == 404
    assert events == ["startup", "shutdown"]


async def test_what_starlette_raises_is_the_servers() -> None:
    async def fail(request: Any) -> Any:
        raise ValueError("broken")

    app = web.Application()
    app.mount("/star", applications.Starlette(routes=[routing.Route("/", fail)]))
    async with served(app) as client:
        answer = await client.get("/star/")
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert (await client.get("/star/other")).status_code == 404
