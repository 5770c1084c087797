"""A program with an access log of its own, derived from aiohttp's class: see test_as_aiohttp.py."""

# ruff: noqa: E402, T201
# The order of the imports is the point.

from __future__ import annotations

import asyncio
import sys
from typing import Any


class NoAiohttp:
    """As if aiohttp was not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "aiohttp":
            raise ModuleNotFoundError(f"No module named {name!r}", name="aiohttp")


if "without-aiohttp" in sys.argv:
    sys.meta_path.insert(0, NoAiohttp())

from framework import install_as_aiohttp

install_as_aiohttp()

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.web_log import AccessLogger


class Mine(AbstractAccessLogger):
    def log(self, request: Any, response: Any, time: float) -> None:
        print(request.method, request.path, response.status, request["mark"])


@web.middleware
async def mark(request: Any, handler: Any) -> Any:
    request["mark"] = b"x"
    return await handler(request)


async def main() -> None:
    runner = web.AppRunner(web.Application(middlewares=[mark]), access_log_class=Mine)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(b"GET /missed HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    await runner.cleanup()
    print("AccessLogger is one:", issubclass(AccessLogger, AbstractAccessLogger))


asyncio.run(main())
