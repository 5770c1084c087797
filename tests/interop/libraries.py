"""A program that imports aiohttp.web, and libraries that do, run on the framework: see test_as_aiohttp.py."""

# ruff: noqa: E402
# The order of the imports is the point.

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

WITHOUT_AIOHTTP = "without-aiohttp" in sys.argv


class NoAiohttp:
    """As if aiohttp was not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "aiohttp":
            raise ModuleNotFoundError(f"No module named {name!r}", name="aiohttp")


if WITHOUT_AIOHTTP:
    sys.meta_path.insert(0, NoAiohttp())

from framework import install_as_aiohttp

install_as_aiohttp()
install_as_aiohttp()

import aiohttp
import aiohttp.web
import aiohttp_cors
import aiohttp_jinja2
import aiohttp_session
import httpx
import jinja2
from aiohttp import WSMsgType, hdrs, web
from aiohttp.web_request import Request

import framework.web

assert web is aiohttp.web is framework.web
assert Request is framework.web.Request  # type: ignore[comparison-overlap]
assert int(WSMsgType.TEXT) == int(framework.web.WSMsgType.TEXT)
assert hdrs.METH_GET == "GET"
assert hasattr(aiohttp, "ClientSession") is not WITHOUT_AIOHTTP


@aiohttp_jinja2.template("page.html")
async def page(request: web.Request) -> dict[str, str]:
    return {"name": request.match_info["name"]}


async def count(request: web.Request) -> web.Response:
    session = await aiohttp_session.get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.json_response(session["visits"])


class View(web.View, aiohttp_cors.CorsViewMixin):
    async def get(self) -> web.Response:
        return web.Response(text="view")


def make_app() -> Any:
    app = web.Application()
    page_template = "Hi {{ name }}, {{ url('page', name='Ada') }}, {{ app['title'] }}"
    aiohttp_jinja2.setup(app, loader=jinja2.DictLoader({"page.html": page_template}))
    app["title"] = "Home"
    aiohttp_session.setup(app, aiohttp_session.SimpleCookieStorage())
    app.router.add_get("/pages/{name}", page, name="page")
    app.router.add_get("/count", count)
    cors_options: Any = aiohttp_cors.ResourceOptions
    options = cors_options(allow_credentials=True, expose_headers="*", allow_headers="*")
    cors = aiohttp_cors.setup(app, defaults={"https://a.example": options})
    cors.add(app.router.add_get("/shared", count))
    cors.add(app.router.add_route("*", "/view", View))
    return app


async def main() -> None:
    app = make_app()
    async with app, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example") as client:
        origin = {"Origin": "https://a.example"}
        preflight = {**origin, "Access-Control-Request-Method": "GET"}
        answers = [
            await client.get("/pages/<Ada>"),
            await client.get("/count"),
            await client.get("/count"),
            await client.get("/shared", headers=origin),
            await client.options("/shared", headers=preflight),
            await client.options("/view", headers=preflight),
            await client.options("/view", headers={**preflight, "Origin": "https://b.example"}),
        ]
    print(  # noqa: T201
        json.dumps(
            [
                [answer.status_code, answer.text.partition(":")[0], answer.headers.get("Access-Control-Allow-Origin")]
                for answer in answers
            ]
        )
    )


asyncio.run(main())
